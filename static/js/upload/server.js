/* Our own server's side of an upload: JSON with the CSRF token; a refusal is problem+json, whose
   `detail` is shown as it is. */

const TRIES = 4;
const MARGIN_MS = 600_000;
const HOUR_MS = 3_600_000;
const AT_ONCE = 25;

export class Refused extends Error {
  constructor(problem, fallback) {
    super(problem.detail || fallback);
    this.link = problem.upgrade_url;
  }
}
export class Lost extends Error {}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const token = () => document.querySelector('meta[name="csrf-token"]').content;

async function once(method, url, body, fallback) {
  let response;
  try {
    response = await fetch(url, {
      method,
      headers: { Accept: "application/json", "X-CSRFToken": token(), ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Lost();
  }
  const answer = await response.json().catch(() => ({}));
  if (response.status === 429 || response.status >= 500) throw new Lost();
  if (!response.ok) throw new Refused(answer, fallback);
  return answer;
}

/* Every call here is safe to repeat. */
export async function call(method, url, body, fallback) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once(method, url, body, fallback);
    } catch (error) {
      if (!(error instanceof Lost) || attempt === TRIES) throw error;
      await sleep(500 * 2 ** attempt * (0.75 + Math.random() / 2));
    }
  }
}

/* Signed addresses of an upload's parts, fetched some at a time and again before they run out. */
export class Signatures {
  constructor(opened, fallback) {
    Object.assign(this, { opened, fallback, known: new Map(), asked: new Map() });
    this.keep(opened.parts);
  }

  keep(parts) {
    const until = Date.now() + HOUR_MS - MARGIN_MS;
    for (const part of parts) this.known.set(part.number, { url: part.url, until });
  }

  async of(number) {
    const known = this.known.get(number);
    if (known && Date.now() < known.until) {
      this.known.delete(number); // Asked a second time, it has failed: a fresh one then.
      return known.url;
    }
    const first = number - ((number - 1) % AT_ONCE);
    if (!this.asked.has(first)) {
      const all = Array.from({ length: AT_ONCE }, (_, k) => first + k);
      const numbers = all.filter((n) => n <= this.opened.part_count);
      const asking = call("POST", this.opened.parts_url, { numbers }, this.fallback)
        .then(({ parts }) => this.keep(parts))
        .finally(() => this.asked.delete(first));
      this.asked.set(first, asking);
    }
    await this.asked.get(first);
    return this.known.get(number).url;
  }
}
