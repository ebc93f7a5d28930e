/* True speed and time to go of one upload. Speed is what went out in the last seconds, so that
   parts of an earlier visit, a pause and a slow start don't count. */

const WINDOW_MS = 8_000;
const FIRST_MS = 1_000;

export class Meter {
  constructor(total) {
    this.total = total;
    this.restart();
  }

  /* After a pause, a retry, or when parts of an earlier visit were found. */
  restart() {
    this.seen = [];
  }

  see(done, now) {
    const last = this.seen.at(-1);
    // Less than before: a part that failed starts again. What it had sent went for nothing.
    if (last && done < last.done) this.restart();
    this.seen.push({ done, now });
    while (this.seen.length > 2 && now - this.seen[1].now > WINDOW_MS) this.seen.shift();
  }

  /* Bytes a second; null until there is enough to tell. */
  get speed() {
    if (this.seen.length < 2) return null;
    const [first, last] = [this.seen[0], this.seen.at(-1)];
    const ms = last.now - first.now;
    return ms < FIRST_MS ? null : (1000 * (last.done - first.done)) / ms;
  }

  /* Seconds to go; null when unknown, as while nothing moves. */
  get left() {
    const speed = this.speed;
    return speed ? (this.total - this.seen.at(-1).done) / speed : null;
  }
}

/* A range that holds: the speed of a network is never sure to a second. */
export function range(seconds) {
  const [unit, name] = seconds < 60 ? [1, "seconds"] : seconds < 5400 ? [60, "minutes"] : [3600, "hours"];
  const low = Math.max(1, Math.floor((0.85 * seconds) / unit));
  return { name, low, high: Math.max(low + 1, Math.ceil((1.2 * seconds) / unit)) };
}

/* As the server writes sizes: 1 kB has 1,024 bytes. */
export function bytes(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let k = 0;
  while (n >= 1024 && k < units.length - 1) { n /= 1024; k += 1; }
  return `${k ? n.toFixed(1) : Math.round(n)} ${units[k]}`;
}

export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
