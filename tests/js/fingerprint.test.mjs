import assert from "node:assert/strict";
import { test } from "node:test";

import { fingerprint } from "../../static/js/upload/fingerprint.js";

const MIB = 2 ** 20;
const file = (bytes, name = "a.csv", lastModified = 1) => new File([bytes], name, { lastModified });

function filled(size, change = {}) {
  const bytes = new Uint8Array(size);
  for (const [at, value] of Object.entries(change)) bytes[at] = value;
  return bytes;
}

test("name, size, time of change, first and last MiB tell files apart", async () => {
  const size = 3 * MIB;
  const one = await fingerprint(file(filled(size)));
  assert.match(one, /^[0-9a-f]{64}$/);
  assert.equal(await fingerprint(file(filled(size))), one);
  const others = [
    file(filled(size), "b.csv"), file(filled(size), "a.csv", 2), file(filled(size + 1)),
    file(filled(size, { 0: 1 })), file(filled(size, { [size - 1]: 1 })),
  ];
  const marks = await Promise.all(others.map((other) => fingerprint(other)));
  assert.equal(new Set([one, ...marks]).size, 6);
});

test("a file of less than two MiB counts each byte once", async () => {
  const marks = await Promise.all([0, 1, 2].map((at) => fingerprint(file(filled(3, { [at]: 7 })))));
  assert.equal(new Set(marks).size, 3);
});

test("without SHA-256 there is none", async () => {
  assert.equal(await fingerprint(file(filled(3)), null), "");
});
