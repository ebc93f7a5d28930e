/* Uploads a file straight to the object store: multipart, presigned, three parts at a time.

   The server's side of it, all JSON with the CSRF header:
   POST data-start {filename, bytes}
     -> {id, part_bytes, parts: [{number, url}], finish_url, abort_url}
   PUT each part to its url; the answer's ETag is kept (the store must expose it by CORS)
   POST finish_url {parts: [{number, etag}]} -> {next_url}, where the wizard goes on
   POST abort_url {} when the person cancels or a part fails for good
   A refusal is problem+json: its `detail` is shown as it is. */

const PARALLEL = 3;
const TRIES = 5;

class Refused extends Error {}
class Lost extends Error {}
class Cancelled extends Error {}

const csrfToken = () => document.querySelector('meta[name="csrf-token"]').content;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function bytes(n) {
  const units = ["B", "kB", "MB", "GB"];
  let k = 0;
  while (n >= 1000 && k < units.length - 1) { n /= 1000; k += 1; }
  return `${k && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[k]}`;
}

const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

async function post(url, body, fallback) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrfToken() },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Lost();
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(answer.detail || fallback);
  return answer;
}

export class Upload {
  /* start, file: where to and what; onProgress(sentBytes): called often. */
  constructor(start, file, onProgress, refusal) {
    Object.assign(this, { start, file, onProgress, refusal, requests: new Set(), sent: new Map(), cancelled: false });
  }

  async run() {
    const { file } = this;
    const plan = await post(this.start, {
      filename: file.name, bytes: file.size,
    }, this.refusal);
    this.plan = plan;
    if (this.cancelled) { await this.abort(); throw new Cancelled(); }
    const queue = [...plan.parts];
    const etags = [];
    const worker = async () => {
      for (let part = queue.shift(); part; part = queue.shift()) {
        etags.push({ number: part.number, etag: await this.put(part) });
      }
    };
    try {
      await Promise.all(Array.from({ length: PARALLEL }, worker));
    } catch (error) {
      queue.length = 0;
      for (const request of this.requests) request.abort();
      await this.abort();
      throw this.cancelled ? new Cancelled() : error;
    }
    etags.sort((a, b) => a.number - b.number);
    return post(plan.finish_url, { parts: etags }, this.refusal);
  }

  async put(part) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.putOnce(part);
      } catch (error) {
        this.sent.set(part.number, 0);
        if (this.cancelled || error instanceof Refused || attempt === TRIES) throw error;
        await sleep(500 * 2 ** (attempt - 1) * (0.75 + Math.random() / 2));
      }
    }
  }

  putOnce(part) {
    const begin = (part.number - 1) * this.plan.part_bytes;
    const blob = this.file.slice(begin, Math.min(begin + this.plan.part_bytes, this.file.size));
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest(); // fetch does not report upload progress
      this.requests.add(request);
      request.upload.onprogress = (e) => this.progress(part.number, e.loaded);
      request.onload = () => {
        const etag = request.getResponseHeader("ETag");
        if (request.status < 300 && etag) {
          this.progress(part.number, blob.size);
          done(etag);
        } else if (request.status >= 500 || request.status === 408 || request.status === 429) {
          fail(new Lost());
        } else {
          fail(new Refused(this.refusal));
        }
      };
      request.onerror = () => fail(new Lost());
      request.onabort = () => fail(new Cancelled());
      request.onloadend = () => this.requests.delete(request);
      request.open("PUT", part.url);
      request.send(blob);
    });
  }

  progress(number, loaded) {
    this.sent.set(number, loaded);
    let sum = 0;
    for (const n of this.sent.values()) sum += n;
    this.onProgress(Math.min(sum, this.file.size));
  }

  cancel() {
    this.cancelled = true;
    for (const request of this.requests) request.abort();
  }

  async abort() {
    // The server abandons the upload by itself later on, so a failure here changes nothing.
    if (this.plan) await post(this.plan.abort_url, {}, this.refusal).catch(() => {});
  }
}

function wire(form) {
  const t = (name) => form.getAttribute(`data-t-${name}`);
  const find = (name) => form.querySelector(`[data-upload-${name}]`);
  const input = form.querySelector('input[type="file"]');
  const bar = form.querySelector("progress");
  const drop = form.querySelector("[data-drop]");
  let upload = null;

  const leaving = (e) => e.preventDefault();

  function show(busy) {
    find("row").hidden = !busy;
    find("hint").hidden = !busy;
    drop.hidden = busy;
    if (busy) addEventListener("beforeunload", leaving);
    else removeEventListener("beforeunload", leaving);
  }

  function refuse(sentence) {
    show(false);
    input.value = "";
    find("error").hidden = false;
    find("error").querySelector("p").textContent = sentence;
  }

  function meter(file) {
    const began = performance.now();
    return (sent) => {
      const seconds = (performance.now() - began) / 1000;
      const speed = sent / Math.max(seconds, 0.2);
      const left = (file.size - sent) / Math.max(speed, 1);
      bar.value = Math.floor((100 * sent) / file.size);
      find("text").textContent = fill(t("progress"), { done: bytes(sent), total: bytes(file.size), speed: bytes(speed) });
      const [unit, name] = left < 60 ? [1, "seconds"] : [60, "minutes"];
      find("eta").textContent = seconds < 0.5 || sent === file.size ? "" : fill(t(name), {
        low: Math.max(1, Math.floor((0.85 * left) / unit)), high: Math.ceil((1.2 * left) / unit) + 1,
      });
    };
  }

  async function begin(file) {
    find("error").hidden = true;
    if (!file.size) return refuse(t("empty"));
    if (file.size > Number(form.dataset.max)) return refuse(fill(t("too-big"), { limit: bytes(Number(form.dataset.max)) }));
    find("name").textContent = file.name;
    bar.value = 0;
    show(true);
    upload = new Upload(form.dataset.start, file, meter(file), t("refused"));
    try {
      const { next_url } = await upload.run();
      removeEventListener("beforeunload", leaving);
      find("text").textContent = t("checking");
      location.assign(next_url);
    } catch (error) {
      if (error instanceof Cancelled) refuse(t("cancelled"));
      else refuse(error instanceof Refused ? error.message : t("lost"));
      if (!(error instanceof Cancelled || error instanceof Refused || error instanceof Lost)) throw error;
    }
    return undefined;
  }

  input.addEventListener("change", () => input.files[0] && begin(input.files[0]));
  find("cancel").addEventListener("click", () => upload?.cancel());
  for (const name of ["dragover", "dragenter"]) {
    drop.addEventListener(name, (e) => { e.preventDefault(); drop.classList.add("border-primary"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("border-primary"));
  drop.addEventListener("drop", (e) => {
    e.preventDefault();
    drop.classList.remove("border-primary");
    if (e.dataTransfer.files[0]) begin(e.dataTransfer.files[0]);
  });
}

for (const form of document.querySelectorAll("form[data-upload]")) wire(form);
