import assert from "node:assert/strict";
import { test } from "node:test";

import { Meter, bytes, range } from "../../static/js/upload/meter.js";

test("speed is what went out lately, whatever an earlier visit had sent", () => {
  const meter = new Meter(1000);
  meter.see(500, 0);
  assert.equal(meter.speed, null);
  meter.see(510, 900);
  assert.equal(meter.speed, null); // too early to tell
  meter.see(520, 2000);
  assert.equal(meter.speed, 10);
  assert.equal(meter.left, 48);
});

test("a slow start is forgotten after some seconds", () => {
  const meter = new Meter(10_000);
  meter.see(0, 0);
  for (let s = 1; s <= 10; s += 1) meter.see(s, 1000 * s);
  for (let s = 11; s <= 30; s += 1) meter.see(10 + 100 * (s - 10), 1000 * s);
  assert.equal(meter.speed, 100);
});

test("a part that starts again is no negative speed, and a halt has no end", () => {
  const meter = new Meter(1000);
  meter.see(400, 0);
  meter.see(500, 2000);
  meter.see(420, 3000);
  assert.equal(meter.speed, null);
  meter.see(420, 9000);
  assert.equal(meter.speed, 0);
  assert.equal(meter.left, null);
});

test("time to go is a range in one unit", () => {
  assert.deepEqual(range(2), { name: "seconds", low: 1, high: 3 });
  assert.deepEqual(range(120), { name: "minutes", low: 1, high: 3 });
  assert.deepEqual(range(7200), { name: "hours", low: 1, high: 3 });
  assert.equal(bytes(12.8 * 2 ** 20), "12.8 MB");
  assert.equal(bytes(2 ** 31), "2.0 GB");
});
