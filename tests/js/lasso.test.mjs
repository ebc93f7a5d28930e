import assert from "node:assert/strict";
import test from "node:test";
import { SIDE, contains, decode, disagreement, enclosed, fit, idOf, nearest, rectangle, screenX, screenY, zoomed } from "../../static/js/map/geometry.js";

function bytes(rows) {
  const n = rows.length;
  const buffer = new ArrayBuffer(23 * n);
  const view = new DataView(buffer);
  rows.forEach(([x, y, differing, area, label], i) => {
    view.setUint8(16 * i + 15, i + 1);
    view.setUint16(16 * n + 2 * i, x, true);
    view.setUint16(18 * n + 2 * i, y, true);
    [differing, area, label].forEach((value, k) => view.setUint8((20 + k) * n + i, value));
  });
  return buffer;
}

const points = decode(bytes([[0, 0, 0, 0, 0], [SIDE, SIDE, 60, 1, 1], [1000, 2000, 255, 2, 255]]));

test("the columns of an odd number of points are read where they stand", () => {
  assert.equal(points.n, 3);
  assert.deepEqual([...points.x], [0, SIDE, 1000]);
  assert.deepEqual([...points.y], [0, SIDE, 2000]);
  assert.deepEqual([...points.differing], [0, 60, 255]);
  assert.deepEqual([...points.area], [0, 1, 2]);
  assert.deepEqual([...points.label], [0, 1, 255]);
  assert.equal(idOf(points, 2), "00000000-0000-0000-0000-000000000003");
  assert.throws(() => decode(new ArrayBuffer(24)));
});

test("the whole map is on the screen, y upwards", () => {
  const view = fit(800, 400);
  assert.equal(screenY(view, 0), 380);
  assert.equal(screenY(view, SIDE), 20);
  assert.equal((screenX(view, 0) + screenX(view, SIDE)) / 2, 400);
});

test("zooming keeps the place under the pointer, within the limits", () => {
  const view = fit(800, 400);
  const near = zoomed(view, 2, 300, 100, view.scale, view.scale * 40);
  const x = (300 - view.left) / view.scale;
  assert.ok(Math.abs(screenX(near, x) - 300) < 1e-6);
  assert.equal(zoomed(view, 0.1, 0, 0, view.scale, 1).scale, view.scale);
});

test("a lasso takes what is inside of it, dents included", () => {
  const dented = [[0, 0], [10, 0], [10, 10], [5, 2], [0, 10]];
  assert.equal(contains(dented, 1, 5), true);
  assert.equal(contains(dented, 5, 5), false);
  assert.equal(contains(dented, 11, 5), false);
  const view = fit(400, 400);
  assert.deepEqual(enclosed(points, view, rectangle([390, 10], [370, 30])), [1]);
  assert.deepEqual(enclosed(points, view, rectangle([0, 0], [400, 400])), [0, 1, 2]);
  assert.deepEqual(enclosed(points, view, [[5, 5]]), []);
});

test("the nearest point within reach is found", () => {
  const view = fit(400, 400);
  assert.equal(nearest(points, view, 378, 22, 10), 1);
  assert.equal(nearest(points, view, 200, 200, 10), -1);
});

test("shares of other labels fall in four groups", () => {
  assert.deepEqual([0, 20, 21, 50, 51, 100, 255].map(disagreement), [0, 0, 1, 1, 2, 2, 3]);
});
