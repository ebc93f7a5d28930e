/* The tasks that this page holds, and the way back. Pure: no DOM, no network, no clock. */

export class TaskQueue {
  #tasks = [];
  #history = [];

  get current() {
    return this.#tasks[0] ?? null;
  }

  get size() {
    return this.#tasks.length;
  }

  get ids() {
    return this.#tasks.map((task) => task.id);
  }

  /* Add tasks at the end, except those that are here and those of `busy` (ids). */
  add(tasks, busy = []) {
    const known = new Set([...this.ids, ...busy]);
    this.#tasks.push(...tasks.filter((task) => !known.has(task.id)));
  }

  /* How many to ask for, so that `ahead` are here: asked in portions, not one by one. */
  wanted(ahead) {
    return this.size > ahead / 2 ? 0 : ahead - this.size;
  }

  /* Leave the current task with what was done to it; returns the task. */
  advance(act) {
    const task = this.#tasks.shift();
    this.#history.push({ task, act });
    return task;
  }

  /* Bring the last task back to the front; returns {task, act}, or null. */
  back() {
    const last = this.#history.pop() ?? null;
    if (last) this.#tasks = [last.task, ...this.#tasks.filter((task) => task.id !== last.task.id)];
    return last;
  }

  /* Forget tasks that went to somebody else; the queue may get them again later. */
  drop(ids) {
    const gone = new Set(ids);
    this.#tasks = this.#tasks.filter((task) => !gone.has(task.id));
  }

  /* Forget the way back to tasks that can't be undone any more. */
  seal(ids) {
    const gone = new Set(ids);
    this.#history = this.#history.filter((one) => !gone.has(one.task.id));
  }

  /* The last `count` acts, newest first. */
  recent(count) {
    return this.#history.slice(-count).reverse();
  }
}

/* Answers a minute over the last answers, from their times in ms; null while it means nothing
   (few answers, or all of them within seconds). */
export function pace(times) {
  const last = times.slice(-20);
  const span = last.length < 3 ? 0 : last.at(-1) - last[0];
  return span < 3_000 ? null : ((last.length - 1) * 60_000) / span;
}
