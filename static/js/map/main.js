/* The map's page: draw the points, choose some by lasso, rectangle, legend or area, act on them.
   Every string comes from the markup. Chosen rows become a `pick` on the server only when they
   are acted on: a filter and a change can then name any number of them. */

import * as draw from "./draw.js";
import { decode, enclosed, fit, idOf, nearest, rectangle, screenX, screenY, zoomed } from "./geometry.js";

const plot = document.getElementById("map-plot");
const canvas = plot.querySelector("canvas");
const bar = document.getElementById("map-bar");
const says = document.getElementById("map-row");
const base = document.createElement("canvas");
const state = { all: null, view: null, by: "label", tool: "lasso", chosen: new Set(), outline: [], spot: -1, pick: "" };
const MOST_ZOOM = 60;
const STEP = 40;

const size = () => ({ width: canvas.clientWidth, height: canvas.clientHeight, ratio: window.devicePixelRatio || 1 });

let asked = false;
let changed = true;
function redraw(points = true) {
  changed ||= points;
  if (asked || !state.all) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    const { width, height, ratio } = size();
    if (changed) {
      Object.assign(base, { width: width * ratio, height: height * ratio });
      const view = { ...state.view, least: fit(width, height).scale };
      draw.points(base.getContext("2d"), state.all, { ...state, view, width, height, ratio });
      changed = false;
    }
    Object.assign(canvas, { width: width * ratio, height: height * ratio });
    const c = canvas.getContext("2d");
    c.drawImage(base, 0, 0);
    draw.overlay(c, { outline: state.outline, spot: state.spot < 0 ? null : placeOf(state.spot), ratio });
  });
}
const placeOf = (i) => [screenX(state.view, state.all.x[i]), screenY(state.view, state.all.y[i])];

function resized() {
  const { width, height } = size();
  if (!width) return;
  state.view = fit(width, height);
  redraw();
}

/* ---- choosing ---------------------------------------------------------- */
function choose(found, event) {
  const chosen = event?.shiftKey || event?.altKey ? new Set(state.chosen) : new Set();
  for (const i of found) event?.altKey ? chosen.delete(i) : chosen.add(i);
  state.chosen = chosen;
  state.pick = "";
  const n = chosen.size;
  bar.hidden = !n;
  const words = n === 1 ? bar.dataset.one : bar.dataset.many;
  bar.querySelector("[data-map-count]").textContent = n ? words.replace("{n}", n.toLocaleString(document.documentElement.lang)) : "";
  problem("");
  redraw();
}

function problem(text) {
  const line = document.getElementById("map-problem");
  line.textContent = text;
  line.hidden = !text;
}

const where = (test) => {
  const found = [];
  for (let i = 0; i < state.all.n; i += 1) if (test(i)) found.push(i);
  return found;
};

plot.closest("[data-map]").addEventListener("click", (e) => {
  const button = e.target.closest("button");
  if (!button || !state.all) return;
  const { tool, zoom, kind, area } = button.dataset;
  if (tool) use(tool);
  else if (zoom) zoomBy(zoom);
  else if (kind) choose(where((i) => draw.kindOf(state.all, state.by, i) === Number(kind)), e);
  else if (area) {
    choose(where((i) => state.all.area[i] === Number(area)), e);
    bar.scrollIntoView({ block: "nearest" });
  } else if ("clear" in button.dataset) {
    choose([]);
    canvas.focus();
  }
});

function use(tool) {
  state.tool = tool;
  canvas.dataset.tool = tool;
  for (const one of document.querySelectorAll("[data-tool]")) {
    if (one !== canvas) one.setAttribute("aria-pressed", String(one.dataset.tool === tool));
  }
}

function zoomBy(word, x, y) {
  const { width, height } = size();
  const least = fit(width, height).scale;
  if (word === "fit") state.view = fit(width, height);
  else {
    const factor = word === "in" ? 1.5 : 1 / 1.5;
    state.view = zoomed(state.view, factor, x ?? width / 2, y ?? height / 2, least, least * MOST_ZOOM);
  }
  redraw();
}

document.getElementById("map-by").addEventListener("change", (e) => {
  state.by = e.target.value;
  for (const legend of document.querySelectorAll("[data-legend]")) legend.hidden = legend.dataset.legend !== state.by;
  redraw();
});

/* ---- pointer ----------------------------------------------------------- */
let held = null;
const at = (e) => {
  const box = canvas.getBoundingClientRect();
  return [e.clientX - box.left, e.clientY - box.top];
};

canvas.addEventListener("pointerdown", (e) => {
  if (e.button !== 0 || !state.all) return;
  canvas.setPointerCapture(e.pointerId);
  canvas.focus({ preventScroll: true });
  held = { from: at(e), last: at(e), moved: false };
});
canvas.addEventListener("pointermove", (e) => {
  if (!state.all) return;
  const now = at(e);
  if (!held) return hover(now);
  held.moved ||= Math.hypot(now[0] - held.from[0], now[1] - held.from[1]) > 4;
  if (!held.moved) return;
  if (state.tool === "move") {
    state.view.left += now[0] - held.last[0];
    state.view.top += now[1] - held.last[1];
  } else if (state.tool === "rectangle") state.outline = rectangle(held.from, now);
  else state.outline = [...(state.outline.length ? state.outline : [held.from]), now];
  held.last = now;
  redraw(state.tool === "move");
});
canvas.addEventListener("pointerup", (e) => {
  if (!held) return;
  const { moved, from } = held;
  held = null;
  const outline = state.outline;
  state.outline = [];
  if (!moved) {
    const hit = nearest(state.all, state.view, ...from, 10);
    choose(hit < 0 ? [] : [hit], e);
    hover(from);
  } else if (outline.length > 2) choose(enclosed(state.all, state.view, outline), e);
  redraw(false);
});
canvas.addEventListener("pointercancel", () => {
  held = null;
  state.outline = [];
  redraw(false);
});
canvas.addEventListener("pointerleave", () => {
  if (!held) hover(null);
});
canvas.addEventListener("dblclick", (e) => zoomBy("in", ...at(e)));
/* The wheel scrolls the page until somebody means the map. */
canvas.addEventListener("wheel", (e) => {
  if (!state.all || (!e.ctrlKey && !e.metaKey && document.activeElement !== canvas)) return;
  e.preventDefault();
  zoomBy(e.deltaY < 0 ? "in" : "out", ...at(e));
}, { passive: false });
canvas.addEventListener("keydown", (e) => {
  if (!state.all || e.ctrlKey || e.metaKey || e.altKey) return;
  const move = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] }[e.key];
  const zoom = { "+": "in", "=": "in", "-": "out", 0: "fit" }[e.key];
  if (move) {
    state.view.left += move[0];
    state.view.top += move[1];
    redraw();
  } else if (zoom) zoomBy(zoom);
  else if (e.key === "Escape") choose([]);
  else return;
  e.preventDefault();
});

/* ---- the text under the pointer ----------------------------------------- */
const texts = new Map();
let waiting = 0;
function hover(place) {
  const spot = place ? nearest(state.all, state.view, ...place, 10) : -1;
  if (spot === state.spot) return;
  state.spot = spot;
  redraw(false);
  clearTimeout(waiting);
  if (spot >= 0) waiting = setTimeout(() => show(spot), 120);
}

async function show(spot) {
  const id = idOf(state.all, spot);
  const part = (name) => says.querySelector(`[data-row-${name}]`);
  try {
    if (!texts.has(id)) {
      const answer = await fetch(plot.dataset.example.replace(plot.dataset.nobody, id), { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error((await answer.json()).detail);
      texts.set(id, await answer.json());
    }
    if (spot !== state.spot) return;
    const row = texts.get(id);
    part("text").textContent = row.text.length > 600 ? `${row.text.slice(0, 600)}…` : row.text;
    part("label").textContent = row.removed ? says.dataset.removed : (row.label ?? says.dataset.unlabelled);
    part("link").href = `${plot.dataset.rows}?row=${id}`;
    part("link").hidden = false;
  } catch (error) {
    if (spot === state.spot) part("text").textContent = error.message || plot.dataset.lost;
  }
}

/* ---- acting on what is chosen -------------------------------------------- */
async function pick() {
  if (state.pick) return state.pick;
  const chosen = state.chosen;
  const answer = await fetch(plot.dataset.picks, {
    method: "POST",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/json",
      "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content,
    },
    body: JSON.stringify({ examples: [...chosen].map((i) => idOf(state.all, i)) }),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.detail);
  if (chosen === state.chosen) state.pick = said.id;
  return said.id;
}

async function picked(run) {
  bar.setAttribute("aria-busy", "true");
  try {
    run(await pick());
  } catch (error) {
    problem(error instanceof TypeError ? plot.dataset.lost : error.message);
  }
  bar.removeAttribute("aria-busy");
}

bar.querySelector("[data-map-show]").addEventListener("click", () => picked((id) => location.assign(`${plot.dataset.rows}?pick=${id}`)));
bar.addEventListener("submit", (e) => {
  const hidden = bar.elements.pick;
  if (state.pick && hidden.value === state.pick) return;
  e.preventDefault();
  const button = e.submitter;
  picked((id) => {
    hidden.value = id;
    bar.requestSubmit(button);
  });
});
/* Enter in the box of the label would press the first button: it must be chosen. */
bar.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && e.target.matches("input")) e.preventDefault();
});

/* ---- begin --------------------------------------------------------------- */
function swatches() {
  const ratio = window.devicePixelRatio || 1;
  for (const box of document.querySelectorAll("canvas[data-swatch]")) {
    const [by, kind] = box.dataset.swatch.split(" ");
    Object.assign(box, { width: 16 * ratio, height: 16 * ratio });
    const picture = draw.stamp(draw.KINDS[by][kind], 4.5, ratio);
    box.getContext("2d").drawImage(picture, (box.width - picture.width) / 2, (box.height - picture.height) / 2);
  }
}
function repainted() {
  swatches();
  redraw();
}
document.addEventListener("yard:theme", repainted);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repainted);

swatches();
use(state.tool);
try {
  const answer = await fetch(plot.dataset.points);
  if (!answer.ok) throw new TypeError();
  state.all = decode(await answer.arrayBuffer());
  new ResizeObserver(resized).observe(canvas);
  resized();
  plot.dataset.ready = state.all.n;
} catch {
  problem(plot.dataset.lost);
}
