import assert from "node:assert/strict";
import { test } from "node:test";

import { Outbox, Refused } from "../../static/js/label/outbox.js";

const answer = (id, task = `t-${id}`) => ({ kind: "answer", id, task, label: "good" });

/* An outbox on a store that is kept like localStorage, and a server that can be told to fail. */
function setUp({ kept = "[]" } = {}) {
  const world = { kept, sent: [], fail: null, changes: 0 };
  world.open = () =>
    new Outbox({
      store: {
        load: () => JSON.parse(world.kept),
        save: (entries) => { world.kept = JSON.stringify(entries); },
      },
      send: async (kind, entries) => {
        world.sent.push([kind, entries.map(({ id }) => id)]);
        if (world.fail) throw world.fail;
        return entries.map(({ task }) => ({ task, status: "saved" }));
      },
      onChange: () => { world.changes += 1; },
    });
  return world;
}

test("entries are sent in order, ten at most, one kind at a time", async () => {
  const world = setUp();
  const outbox = world.open();
  for (let n = 0; n < 12; n += 1) outbox.push(answer(`a${n}`));
  outbox.push({ kind: "skip", id: "s", task: "t" });
  outbox.push(answer("last"));
  while (outbox.pending) await outbox.flush();
  assert.deepEqual(world.sent.map(([kind, ids]) => [kind, ids.length]), [
    ["answer", 10], ["answer", 2], ["skip", 1], ["answer", 1],
  ]);
  assert.equal(await outbox.flush(), null);
});

test("what was not saved when the page died is sent by the next page, under the same id", async () => {
  const world = setUp();
  world.open().push(answer("a"));
  const next = world.open();
  assert.equal(next.pending, 1);
  assert.deepEqual(next.taskIds, ["t-a"]);
  await next.flush();
  assert.deepEqual(world.sent, [["answer", ["a"]]]);
  assert.equal(world.kept, "[]");
});

test("a cut network loses nothing and the waits grow to half a minute", async () => {
  const world = setUp();
  const outbox = world.open();
  outbox.push(answer("a"));
  world.fail = new Error("network");
  const waits = [];
  for (let n = 0; n < 7; n += 1) {
    assert.equal((await outbox.flush()).refused, false);
    waits.push(outbox.waitMs);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
  assert.equal(outbox.pending, 1);
  world.fail = null;
  assert.equal((await outbox.flush()).results[0].status, "saved");
  assert.equal(outbox.pending, 0);
  assert.equal(outbox.waitMs, 0);
});

test("a refusal is told once and does not block what comes after", async () => {
  const world = setUp();
  const outbox = world.open();
  outbox.push(answer("a"));
  world.fail = new Refused("no such label");
  const said = await outbox.flush();
  assert.equal(said.refused, true);
  assert.equal(said.error.message, "no such label");
  assert.equal(outbox.pending, 0);
});

test("an answer that has not left is taken back without the server hearing of it", async () => {
  const world = setUp();
  const outbox = world.open();
  outbox.push(answer("a"));
  outbox.push(answer("b"));
  assert.equal(outbox.cancel("b"), true);
  await outbox.flush();
  assert.deepEqual(world.sent, [["answer", ["a"]]]);
  assert.equal(outbox.cancel("a"), false);
});

test("an answer that is on its way can't be taken back, and is never sent twice at once", async () => {
  const world = setUp();
  const outbox = world.open();
  outbox.push(answer("a"));
  const flight = outbox.flush();
  assert.equal(outbox.cancel("a"), false);
  outbox.push({ kind: "undo", id: "u", task: "t-a", undoes: "a" });
  assert.equal(await outbox.flush(), null);
  await flight;
  await outbox.flush();
  assert.deepEqual(world.sent, [["answer", ["a"]], ["undo", ["u"]]]);
});
