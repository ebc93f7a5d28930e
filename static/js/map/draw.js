/* Drawing: each kind of point is one small picture that is stamped, so that 50,000 take one frame.
   A kind has a colour and a shape, never a colour alone. */

import { disagreement, screenX, screenY } from "./geometry.js";

const TAU = 2 * Math.PI;
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const COLOURS = ["--s1", "--s2", "--s3", "--s4"];
export const SHOWN_LABELS = 8;
export const KINDS = {
  label: [
    ...["disc", "square", "triangle", "diamond", "cross", "plus", "wedge", "ring"].map((shape, i) => ({
      shape,
      colour: COLOURS[i % COLOURS.length],
    })),
    { shape: "disc", colour: "--strong" },
    { shape: "ring", colour: "--strong" },
  ],
  neighbours: [
    { shape: "disc", colour: "--s1" },
    { shape: "square", colour: "--s3" },
    { shape: "diamond", colour: "--s2", larger: true },
    { shape: "ring", colour: "--strong" },
  ],
};
const OTHERS = SHOWN_LABELS;
const UNLABELLED = SHOWN_LABELS + 1;

/* Which kind a point is: one of KINDS[by]. */
export function kindOf(points, by, i) {
  if (by === "neighbours") return disagreement(points.differing[i]);
  const label = points.label[i];
  if (label === 255) return UNLABELLED;
  return label < SHOWN_LABELS ? label : OTHERS;
}

const PATHS = {
  disc: (c, r) => c.arc(0, 0, r, 0, TAU),
  ring: (c, r) => c.arc(0, 0, r, 0, TAU),
  square: (c, r) => c.rect(-r * 0.9, -r * 0.9, r * 1.8, r * 1.8),
  triangle: (c, r) => polygon(c, [[0, -r * 1.2], [r * 1.15, r * 0.9], [-r * 1.15, r * 0.9]]),
  wedge: (c, r) => polygon(c, [[0, r * 1.2], [r * 1.15, -r * 0.9], [-r * 1.15, -r * 0.9]]),
  diamond: (c, r) => polygon(c, [[0, -r * 1.3], [r * 1.3, 0], [0, r * 1.3], [-r * 1.3, 0]]),
  cross: (c, r) => lines(c, [[-r, -r, r, r], [-r, r, r, -r]]),
  plus: (c, r) => lines(c, [[0, -r * 1.25, 0, r * 1.25], [-r * 1.25, 0, r * 1.25, 0]]),
};
const STROKED = new Set(["ring", "cross", "plus"]);

function polygon(c, corners) {
  corners.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.closePath();
}

function lines(c, pairs) {
  for (const [ax, ay, bx, by] of pairs) {
    c.moveTo(ax, ay);
    c.lineTo(bx, by);
  }
}

/* The picture of one kind, `radius` in points of the screen. */
export function stamp(kind, radius, ratio) {
  const size = Math.ceil((radius * 1.5 + 2) * 2 * ratio);
  const picture = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const c = picture.getContext("2d");
  c.translate(size / 2, size / 2);
  c.scale(ratio, ratio);
  c.beginPath();
  PATHS[kind.shape](c, kind.larger ? radius * 1.3 : radius);
  if (STROKED.has(kind.shape)) {
    c.lineWidth = Math.max(1.25, radius * 0.5);
    c.strokeStyle = ink(kind.colour);
    c.stroke();
  } else {
    c.fillStyle = ink(kind.colour);
    c.fill();
  }
  return picture;
}

export const radiusFor = (n) => (n > 20000 ? 1.75 : n > 4000 ? 2.5 : n > 800 ? 3.5 : 5);

/* All points; with some chosen, the others step back. */
export function points(c, all, { view, by, chosen, ratio, width, height }) {
  const grown = Math.min(2, Math.sqrt(view.scale / view.least));
  const radius = radiusFor(all.n) * grown;
  const stamps = KINDS[by].map((kind) => stamp(kind, radius, ratio));
  c.clearRect(0, 0, width * ratio, height * ratio);
  const half = stamps[0].width / 2;
  const pass = (alpha, wanted) => {
    c.globalAlpha = alpha;
    for (let i = 0; i < all.n; i += 1) {
      if (!wanted(i)) continue;
      const x = screenX(view, all.x[i]);
      const y = screenY(view, all.y[i]);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      c.drawImage(stamps[kindOf(all, by, i)], Math.round(x * ratio - half), Math.round(y * ratio - half));
    }
  };
  if (chosen.size) {
    pass(0.16, (i) => !chosen.has(i));
    pass(1, (i) => chosen.has(i));
  } else pass(by === "neighbours" ? 0.85 : 0.9, () => true);
  c.globalAlpha = 1;
}

/* What is being drawn by hand, and the point under the pointer. */
export function overlay(c, { outline, spot, ratio }) {
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  if (outline.length > 1) {
    c.beginPath();
    outline.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
    c.closePath();
    c.globalAlpha = 0.12;
    c.fillStyle = ink("--accent-ink");
    c.fill();
    c.globalAlpha = 1;
    c.strokeStyle = ink("--accent-ink");
    c.lineWidth = 1.5;
    c.stroke();
  }
  if (spot) {
    c.beginPath();
    c.arc(...spot, 9, 0, TAU);
    c.strokeStyle = ink("--color-base-content");
    c.lineWidth = 2;
    c.stroke();
  }
  c.setTransform(1, 0, 0, 1, 0, 0);
}
