/* The labelling page: keys and buttons act on the local queue in the same frame; the outbox
   saves behind them, the lease is renewed while the page lives. */

import { commandOf } from "./keys.js";
import { MAX_BATCH, Outbox, Refused } from "./outbox.js";
import { TaskQueue, pace } from "./queue.js";
import { View } from "./view.js";

const FLUSH_MS = 500;
const ASK_AGAIN_MS = 5_000;
const LONGEST_MS = 600_000;

const root = document.querySelector("[data-labeler]");
const settings = JSON.parse(document.getElementById("labeler-settings").textContent);
const { labels, urls, prefetch } = settings;
const token = document.querySelector('meta[name="csrf-token"]').content;

/* ---- who this page is: a reloaded page gets its own tasks back ---- */

function pageId() {
  try {
    const known = sessionStorage.getItem("label-page");
    const id = known ?? crypto.randomUUID?.() ?? random();
    sessionStorage.setItem("label-page", id);
    return id;
  } catch {
    return random(); // Storage is off: a reload waits for the lease instead.
  }
}

function random() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, "0")).join("");
}

const page = pageId();

/* ---- what outlives the page: localStorage, since it writes before a killed page is gone ---- */

const storeKey = `label:${settings.owner}:${settings.project}`;
let storage = null;
try {
  storage = window.localStorage;
  storage.getItem(storeKey);
} catch {
  storage = null; // Storage is off: the outbox lives as long as the page.
}

/* Each page keeps its own entries; what an earlier page left is taken over. Both may send it. */
const store = {
  load() {
    if (!storage) return [];
    const keys = Object.keys(storage).filter((key) => key.startsWith(storeKey));
    const entries = keys.flatMap((key) => {
      try {
        return JSON.parse(storage.getItem(key));
      } catch {
        return [];
      }
    });
    for (const key of keys) storage.removeItem(key);
    return entries;
  },
  save(entries) {
    try {
      if (entries.length) storage?.setItem(`${storeKey}:${page}`, JSON.stringify(entries));
      else storage?.removeItem(`${storeKey}:${page}`);
    } catch {
      storage = null; // Full: from now on leaving the page with unsaved work asks first.
    }
  },
};

/* ---- the server ---- */

async function post(url, body, keepalive = false) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRFToken": token, Accept: "application/json" },
    body: JSON.stringify(body),
    keepalive,
  });
  if (response.ok) return response.json();
  const said = await response.json().catch(() => ({}));
  const message = said.detail ?? `${response.status}`;
  // Signed out, not allowed now, too many, or broken: the work stays here until it can be sent.
  const later = [401, 403, 429].includes(response.status) || response.status >= 500;
  const error = later ? new Error(message) : new Refused(message);
  error.isSaid = response.status < 500;
  throw error;
}

function bodyOf(kind, entries) {
  if (kind === "answer") {
    return {
      items: entries.map(({ task, label, id, ms }) => ({ task, label, client_id: id, duration_ms: ms })),
    };
  }
  if (kind === "skip") return { tasks: entries.map(({ task }) => task) };
  return { page, items: entries.map(({ task, undoes }) => ({ task, client_id: undoes })) };
}

const urlOf = { answer: urls.annotations, skip: urls.skip, undo: urls.undo };

async function send(kind, entries) {
  return (await post(urlOf[kind], bodyOf(kind, entries), true)).results;
}

/* ---- the state of the page ---- */

const queue = new TaskQueue();
const view = new View(root, labels);
const outbox = new Outbox({ store, send, onChange: () => saving() });
const times = [];
let { done, total } = settings;
let leased = 0;
let state = "loading";
let message = "";
let shownAt = performance.now();
let flushTimer = 0;
let asking = false;
let hasResumed = false; // The first question also brings what this page held before a reload.
let renewFailures = 0;

function saving() {
  view.saving(outbox.pending, outbox.failures || renewFailures);
}

function show() {
  if (queue.current) state = "more";
  view.task(queue.current, { state: state === "more" ? "loading" : state, leased, message });
  view.progress(done, total, pace(times));
  const waiting = new Set(outbox.taskIds);
  view.recent(queue.recent(4).map((one) => ({ ...one, saved: !waiting.has(one.task.id) })));
  saving();
}

/* ---- acts ---- */

function act(kind, label) {
  const task = queue.current;
  if (!task) return;
  const ms = Math.min(LONGEST_MS, Math.round(performance.now() - shownAt));
  const entry = { kind, id: random(), task: task.id, ms };
  if (label) entry.label = label;
  queue.advance(entry);
  outbox.push(entry);
  times.push(Date.now());
  done += 1;
  shownAt = performance.now();
  show();
  soon();
  ask();
}

function undo() {
  const last = queue.back();
  if (!last) return;
  const { task, act: entry } = last;
  if (!outbox.cancel(entry.id)) {
    outbox.push({ kind: "undo", id: random(), task: task.id, undoes: entry.kind === "skip" ? "" : entry.id });
    soon();
  }
  times.pop();
  done -= 1;
  shownAt = performance.now();
  show();
}

const acts = {
  label: ({ index }) => act("answer", labels[index].name),
  accept: () => queue.current?.suggestion && act("answer", queue.current.suggestion.label),
  skip: () => act("skip"),
  undo,
  guideline: () => view.toggle("guideline"),
  sheet: () => view.toggle("sheet"),
};

/* ---- saving ---- */

function soon() {
  if (outbox.failures) return; // A wait is running.
  if (outbox.pending >= MAX_BATCH) flush();
  else flushTimer ||= setTimeout(flush, FLUSH_MS);
}

async function flush() {
  clearTimeout(flushTimer);
  flushTimer = 0;
  const sent = await outbox.flush();
  if (!sent) return;
  if (sent.refused) refused(sent);
  else if (sent.error?.isSaid) view.notice("", { message: sent.error.message });
  else if (!sent.error) settled(sent);
  show();
  if (!outbox.pending && !queue.size) ask();
  if (outbox.pending) flushTimer ||= setTimeout(flush, outbox.waitMs || FLUSH_MS / 5);
}

/* Nothing is lost without a word: what did not count is said. */
function settled({ kind, results }) {
  const missed = results.filter(({ status }) => status === "taken" || status === "unknown");
  const frozen = results.filter(({ status }) => status === "frozen");
  if (missed.length) view.notice("taken", { n: missed.length });
  if (frozen.length) view.notice("frozen");
  const gone = [...missed, ...frozen].map(({ task }) => task);
  if (!gone.length) return;
  queue.seal(gone);
  queue.drop(gone);
  if (kind === "undo") done += gone.length;
}

function refused({ kind, entries, error }) {
  view.notice("", { message: error.message });
  queue.seal(entries.map(({ task }) => task));
  if (kind !== "undo") done -= entries.length;
}

/* ---- tasks ---- */

async function ask() {
  const n = queue.wanted(prefetch);
  if (asking || !n) return;
  asking = true;
  message = "";
  // What is answered while the question is on its way must not come back with the answer.
  const busy = [...queue.ids, ...outbox.taskIds];
  try {
    const given = await post(urls.lease, { n, page, resume: !hasResumed });
    hasResumed = true;
    queue.add(given.tasks, busy);
    // What is on its way is done for this page, though the server hasn't heard of it.
    if (!outbox.pending) done = given.counts.done;
    total = given.counts.total;
    leased = Math.max(0, given.counts.leased - queue.size);
    // Own answers that the server had not heard of look like other people's tasks.
    if (busy.length || outbox.pending) state = "loading";
    else state = leased ? "others" : "finished";
  } catch (error) {
    state = error instanceof Refused ? "closed" : "failed";
    if (error.isSaid) ({ message } = error);
  }
  asking = false;
  show();
  if (!queue.size && state !== "finished" && state !== "closed") setTimeout(ask, ASK_AGAIN_MS);
}

async function renew() {
  const tasks = [...new Set([...queue.ids, ...outbox.taskIds])];
  if (!tasks.length) return;
  const busy = outbox.taskIds;
  try {
    const kept = await post(urls.renew, { tasks });
    renewFailures = 0;
    // What is on its way says more than the lease does: an answer, or an undo.
    queue.drop(kept.lost.filter((id) => ![...busy, ...outbox.taskIds].includes(id)));
    ask();
  } catch {
    renewFailures += 1;
  }
  show();
}

/* ---- wiring ---- */

let areKeysOn = storage?.getItem("label-keys") !== "off";

document.addEventListener("keydown", (event) => {
  const command = commandOf(event, labels);
  if (!command) return;
  if (view.dialogIsOpen && command.do !== "sheet" && command.do !== "guideline") return;
  if (!areKeysOn && command.do !== "sheet" && !event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  acts[command.do](command);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-label], [data-act]");
  if (!button) return;
  if (button.dataset.act) acts[button.dataset.act]({});
  else acts.label({ index: Number(button.dataset.label) });
  // A click by pointer leaves no focus behind: the next Space or Enter is a shortcut again.
  if (event.detail) button.blur();
});

const toggle = root.querySelector("[data-l-keys]");
toggle.checked = areKeysOn;
toggle.addEventListener("change", () => {
  areKeysOn = toggle.checked;
  storage?.setItem("label-keys", areKeysOn ? "on" : "off");
});

window.addEventListener("online", () => {
  flush();
  renew();
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden") flush();
});
window.addEventListener("pagehide", () => {
  flush();
});
window.addEventListener("beforeunload", (event) => {
  if (!storage && outbox.pending) event.preventDefault();
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
setInterval(renew, settings.renewMs);

show();
await flush();
await ask();
root.dataset.ready = "yes";
