import assert from "node:assert/strict";
import { test } from "node:test";

import { TaskQueue, pace } from "../../static/js/label/queue.js";

const tasks = (...ids) => ids.map((id) => ({ id, text: `text of ${id}` }));

function filled(...ids) {
  const queue = new TaskQueue();
  queue.add(tasks(...ids));
  return queue;
}

test("tasks are shown in order and acted on one by one", () => {
  const queue = filled("a", "b");
  assert.equal(queue.current.id, "a");
  assert.equal(queue.advance({ kind: "skip" }).id, "a");
  assert.equal(queue.current.id, "b");
  queue.advance({ kind: "skip" });
  assert.equal(queue.current, null);
});

test("a task that is here, or is being saved, is not added again", () => {
  const queue = filled("a", "b");
  queue.advance({ kind: "skip" });
  queue.add(tasks("a", "b", "c"), ["a"]);
  assert.deepEqual(queue.ids, ["b", "c"]);
});

test("undo goes back step by step and brings each task to the front once", () => {
  const queue = filled("a", "b", "c");
  queue.advance({ label: "good" });
  queue.advance({ label: "bad" });
  assert.equal(queue.back().act.label, "bad");
  assert.equal(queue.back().act.label, "good");
  assert.equal(queue.back(), null);
  assert.deepEqual(queue.ids, ["a", "b", "c"]);
  queue.advance({ kind: "skip" });
  queue.add(tasks("a"));
  queue.back();
  assert.deepEqual(queue.ids, ["a", "b", "c"]);
});

test("tasks are asked for in portions, when half of them are done", () => {
  const ids = Array.from({ length: 20 }, (_, n) => `t${n}`);
  const queue = filled(...ids);
  assert.equal(queue.wanted(20), 0);
  for (let n = 0; n < 9; n += 1) queue.advance({});
  assert.equal(queue.wanted(20), 0);
  queue.advance({});
  assert.equal(queue.wanted(20), 10);
  assert.equal(new TaskQueue().wanted(20), 20);
});

test("a task that went to somebody else is dropped, and its answer can't be undone", () => {
  const queue = filled("a", "b", "c");
  queue.advance({ label: "good" });
  queue.seal(["a"]);
  queue.drop(["b"]);
  assert.deepEqual(queue.ids, ["c"]);
  assert.equal(queue.back(), null);
});

test("the last acts come newest first", () => {
  const queue = filled("a", "b", "c");
  queue.advance({});
  queue.advance({});
  assert.deepEqual(queue.recent(5).map((one) => one.task.id), ["b", "a"]);
});

test("the pace is known from the third answer on, after some seconds", () => {
  assert.equal(pace([0, 1000]), null);
  assert.equal(pace([0, 6_000, 12_000]), 10);
  assert.equal(pace([0, 5, 10]), null);
});
