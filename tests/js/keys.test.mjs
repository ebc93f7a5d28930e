import assert from "node:assert/strict";
import { test } from "node:test";

import { commandOf } from "../../static/js/label/keys.js";

const labels = [{ name: "good", key: "1" }, { name: "bad", key: "2" }, { name: "other", key: "q" }];
const press = (key, more = {}) => commandOf({ key, target: { tagName: "BODY" }, ...more }, labels);

test("a label's key sets it, with Shift or Caps Lock too", () => {
  assert.deepEqual(press("1"), { do: "label", index: 0 });
  assert.deepEqual(press("q"), { do: "label", index: 2 });
  assert.deepEqual(press("Q"), { do: "label", index: 2 });
  assert.equal(press("9"), null);
});

test("Enter accepts, Space skips, u and Ctrl or Cmd Z undo, g and ? show", () => {
  assert.deepEqual(press("Enter"), { do: "accept" });
  assert.deepEqual(press(" "), { do: "skip" });
  assert.deepEqual(press("u"), { do: "undo" });
  assert.deepEqual(press("z", { ctrlKey: true }), { do: "undo" });
  assert.deepEqual(press("z", { metaKey: true }), { do: "undo" });
  assert.deepEqual(press("g"), { do: "guideline" });
  assert.deepEqual(press("?", { shiftKey: true }), { do: "sheet" });
});

test("keys belong to an input method while it composes", () => {
  assert.equal(press("1", { isComposing: true }), null);
  assert.equal(press("Enter", { keyCode: 229 }), null);
});

test("keys belong to the browser with a modifier, and to fields that take text", () => {
  assert.equal(press("1", { ctrlKey: true }), null);
  assert.equal(press("q", { altKey: true }), null);
  assert.equal(press("z", { ctrlKey: true, shiftKey: true }), null);
  assert.equal(press("1", { target: { tagName: "INPUT" } }), null);
});

test("Enter and Space press a button that has the focus", () => {
  assert.equal(press("Enter", { target: { tagName: "BUTTON" } }), null);
  assert.equal(press(" ", { target: { tagName: "A" } }), null);
  assert.deepEqual(press("1", { target: { tagName: "BUTTON" } }), { do: "label", index: 0 });
});

test("a key that is held down labels one row, not twenty", () => {
  assert.equal(press("1", { repeat: true }), null);
  assert.equal(press(" ", { repeat: true }), null);
});

test("on a keyboard of another script the key's place decides", () => {
  assert.deepEqual(press("й", { code: "KeyQ" }), { do: "label", index: 2 });
  assert.deepEqual(press("г", { code: "KeyU" }), { do: "undo" });
});
