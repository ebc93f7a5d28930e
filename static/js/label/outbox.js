/* What was done and is not saved yet, in order, kept across a reload.

   Every entry has an id of its own, so that sending it twice counts once: when in doubt it is
   sent again. Pure: storage, network and timers come from outside.

   An entry: {kind: "answer" | "skip" | "undo", id, task, ...}. An undo names what it undoes:
   {kind: "undo", undoes: id of the answer, or "" for a skip}. */

export const MAX_BATCH = 10;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/* What the sender throws when sending again can't help. */
export class Refused extends Error {}

export class Outbox {
  #entries;
  #flying = 0;
  #failures = 0;
  #store;
  #send;
  #onChange;

  /* store: {load() -> entries, save(entries)}; send(kind, entries) -> results, or throws. */
  constructor({ store, send, onChange = () => {} }) {
    this.#store = store;
    this.#send = send;
    this.#onChange = onChange;
    this.#entries = store.load();
    store.save(this.#entries);
  }

  get pending() {
    return this.#entries.length;
  }

  get failures() {
    return this.#failures;
  }

  get waitMs() {
    return this.#failures ? Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1)) : 0;
  }

  get taskIds() {
    return this.#entries.map((entry) => entry.task);
  }

  push(entry) {
    this.#entries.push(entry);
    this.#changed();
  }

  /* Take an entry back if it has not left; false when it has, or is on its way. */
  cancel(id) {
    const at = this.#entries.findIndex((entry) => entry.id === id);
    if (at < this.#flying) return false;
    this.#entries.splice(at, 1);
    this.#changed();
    return true;
  }

  /* The first entries of one kind: what one request takes. */
  nextBatch(most = MAX_BATCH) {
    const kind = this.#entries[0]?.kind;
    const other = this.#entries.findIndex((entry) => entry.kind !== kind);
    return this.#entries.slice(0, Math.min(most, other < 0 ? this.#entries.length : other));
  }

  /* Send one batch; returns {kind, entries, results, error, refused}, or null when there is
     nothing to do or a batch is on its way. */
  async flush() {
    if (this.#flying || !this.#entries.length) return null;
    const entries = this.nextBatch();
    const { kind } = entries[0];
    this.#flying = entries.length;
    try {
      const results = await this.#send(kind, entries);
      this.#failures = 0;
      this.#entries.splice(0, entries.length);
      return { kind, entries, results };
    } catch (error) {
      if (error instanceof Refused) {
        this.#failures = 0;
        this.#entries.splice(0, entries.length);
        return { kind, entries, results: [], error, refused: true };
      }
      this.#failures += 1;
      return { kind, entries, results: [], error, refused: false };
    } finally {
      this.#flying = 0;
      this.#changed();
    }
  }

  #changed() {
    this.#store.save(this.#entries);
    this.#onChange();
  }
}
