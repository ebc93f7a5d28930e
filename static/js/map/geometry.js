/* What the map computes, without a page: points from bytes, screen and back, what lies inside. */

export const SIDE = 65535;
export const NO_LABEL = 255;
const ID_BYTES = 16;
const ROW_BYTES = ID_BYTES + 2 + 2 + 3;

/* Columns one behind the other: id, x, y, differing, area, label; see docs/data.md. */
export function decode(buffer) {
  const n = buffer.byteLength / ROW_BYTES;
  if (!Number.isInteger(n)) throw new Error("not a whole number of points");
  const view = new DataView(buffer);
  const short = (from) => Uint16Array.from({ length: n }, (_, i) => view.getUint16(from + 2 * i, true));
  const bytes = (from) => new Uint8Array(buffer, from, n);
  const at = ID_BYTES * n;
  return {
    n,
    ids: new Uint8Array(buffer, 0, at),
    x: short(at),
    y: short(at + 2 * n),
    differing: bytes(at + 4 * n),
    area: bytes(at + 5 * n),
    label: bytes(at + 6 * n),
  };
}

export function idOf(points, i) {
  const hex = [...points.ids.subarray(ID_BYTES * i, ID_BYTES * (i + 1))].map((one) => one.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/* A view is {scale, left, top}: screen = map * scale + (left, top), y upwards on the map. */
export function fit(width, height, pad = 20) {
  const scale = Math.max(1, Math.min(width, height) - 2 * pad) / SIDE;
  return { scale, left: (width - SIDE * scale) / 2, top: (height - SIDE * scale) / 2 };
}

export const screenX = (view, x) => x * view.scale + view.left;
export const screenY = (view, y) => (SIDE - y) * view.scale + view.top;

export function zoomed(view, factor, x, y, least, most) {
  const scale = Math.min(most, Math.max(least, view.scale * factor));
  const by = scale / view.scale;
  return { scale, left: x - (x - view.left) * by, top: y - (y - view.top) * by };
}

/* The point nearest to a place on the screen, -1 when none is within `reach`. */
export function nearest(points, view, x, y, reach) {
  let best = -1;
  let far = reach * reach;
  for (let i = 0; i < points.n; i += 1) {
    const dx = screenX(view, points.x[i]) - x;
    const dy = screenY(view, points.y[i]) - y;
    const d = dx * dx + dy * dy;
    if (d <= far) [best, far] = [i, d];
  }
  return best;
}

/* Even-odd rule: an edge is crossed when one end lies above the place and the other does not. */
export function contains(outline, x, y) {
  let inside = false;
  for (let i = 0, j = outline.length - 1; i < outline.length; j = i, i += 1) {
    const [ax, ay] = outline[i];
    const [bx, by] = outline[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside;
}

/* The points inside an outline on the screen. */
export function enclosed(points, view, outline) {
  const xs = outline.map(([x]) => x);
  const ys = outline.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const found = [];
  for (let i = 0; i < points.n; i += 1) {
    const x = screenX(view, points.x[i]);
    const y = screenY(view, points.y[i]);
    if (x >= left && x <= right && y >= top && y <= bottom && contains(outline, x, y)) found.push(i);
  }
  return found;
}

export const rectangle = ([ax, ay], [bx, by]) => [[ax, ay], [bx, ay], [bx, by], [ax, by]];

/* Four groups of the share of neighbours with another label, in per cent. */
export function disagreement(share) {
  if (share === NO_LABEL) return 3;
  if (share > 50) return 2;
  return share > 20 ? 1 : 0;
}
