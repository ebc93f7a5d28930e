/* The live page of a run. Events come by SSE (EventSource sends Last-Event-ID by itself when it
   reconnects); where SSE does not get through, the same URL is polled with ?after=<seq>.

   An event: id = sequence, data = {"seq", "kind", "at" (unix seconds), "payload": {...}}.
   Kinds: phase {name}, progress {step, steps, epoch, epochs, loss, eta_seconds, percent}, eval {step, loss,
   macro_f1}, baseline {macro_f1}, warning {message}, failed {message}, state {status}, and others that are ignored.
   Phases, notes and buttons are drawn by the server: a change of phase or state fetches them again. */

const POLL_MS = 2000;
const KINDS = ["phase", "progress", "eval", "baseline", "warning", "failed", "done", "state", "end"];
const FINAL = new Set(["succeeded", "failed", "cancelled"]);

const page = document.querySelector("[data-run]");
const t = (name) => page.getAttribute(`data-t-${name}`);
const find = (name) => page.querySelector(`[data-run-${name}]`);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const number = (n) => Number(n).toLocaleString("en-US");

let seq = Number(page.dataset.seq) || 0;
let finished = false;
let dirty = false;
let spoken = 0;
let shortest = Infinity;

/* ---- what an event changes ---- */

function eta(seconds) {
  if (seconds === null || seconds === undefined) return "";
  const low = 0.9 * seconds;
  const high = 1.15 * seconds + 1;
  let text;
  if (high < 60) text = fill(t("seconds"), { low: Math.max(1, Math.floor(low)), high: Math.floor(high) });
  else if (low < 60) text = fill(t("under"), { high: Math.ceil(high / 60) });
  else text = fill(t("minutes"), { low: Math.floor(low / 60), high: Math.ceil(high / 60) });
  // An estimate that grows says so: it never jumps up silently.
  const slower = seconds > shortest * 1.25 && seconds - shortest > 20;
  shortest = Math.min(shortest, seconds);
  return slower ? `${text}, ${t("slower")}` : text;
}

function progress(p) {
  const percent = p.percent ?? (p.steps ? Math.floor((100 * p.step) / p.steps) : null);
  if (percent !== null) {
    find("percent").textContent = `${Math.round(percent)}%`;
    find("bar").value = percent;
  }
  if (p.steps) {
    const epoch = p.epoch && p.epochs ? fill(t("epoch"), { epoch: Math.ceil(p.epoch), epochs: p.epochs }) : "";
    find("step").textContent = fill(t("step"), { step: number(p.step), steps: number(p.steps) }) + epoch;
    const chart = page.querySelector("[data-chart]");
    if (!p.phase || p.phase === "training") chart.dataset.last = Math.max(Number(chart.dataset.last) || 0, p.steps);
  }
  find("eta").textContent = eta(p.eta_seconds);
  if (typeof p.loss === "number") point(p.step, p.loss, null);
  if (percent !== null && Date.now() - spoken > 10_000) {
    spoken = Date.now();
    find("live").textContent = fill(t("live"), { percent: Math.round(percent) });
  }
}

function point(step, loss, validation) {
  const body = document.getElementById(page.querySelector("[data-chart]").dataset.table).tBodies[0];
  let row = body.rows[body.rows.length - 1];
  if (row && Number(row.cells[0].textContent) > step) return;
  if (!row || Number(row.cells[0].textContent) !== step) {
    row = body.insertRow();
    for (let k = 0; k < 3; k += 1) row.insertCell();
    row.cells[0].textContent = step;
  }
  if (loss !== null) row.cells[1].textContent = loss.toFixed(4);
  if (validation !== null) row.cells[2].textContent = validation.toFixed(4);
  dirty = true;
}

function evaluated(p) {
  if (typeof p.loss === "number") point(p.step, null, p.loss);
  const best = find("best");
  if (typeof p.macro_f1 === "number" && p.macro_f1 > (Number(best.dataset.runBest) || -1)) {
    best.dataset.runBest = p.macro_f1;
    best.textContent = p.macro_f1.toFixed(3);
    find("best-at").textContent = fill(t("at"), { step: number(p.step) });
  }
}

function log(at, text, tone) {
  const box = find("log");
  const follow = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  const time = document.createElement("span");
  time.className = "c";
  time.textContent = new Date(at * 1000).toISOString().slice(11, 19);
  const line = document.createElement("span");
  if (tone) line.className = tone;
  line.textContent = `  ${text}\n`;
  box.append(time, line);
  if (follow) box.scrollTop = box.scrollHeight;
}

let lastLogged = 0;
const handlers = {
  progress(p, at) {
    progress(p);
    if (typeof p.loss === "number" && at - lastLogged >= 5) {
      lastLogged = at;
      log(at, fill(t("loss"), { step: number(p.step), loss: p.loss.toFixed(4) }));
    }
  },
  eval(p, at) {
    evaluated(p);
    log(at, fill(t("eval"), { step: number(p.step), loss: p.loss?.toFixed(4), f1: p.macro_f1?.toFixed(3) }), "text-ok-ink");
  },
  baseline(p, at) {
    find("baseline").textContent = p.macro_f1.toFixed(3);
    log(at, fill(t("baseline"), { f1: p.macro_f1.toFixed(3) }));
  },
  phase(p, at) {
    log(at, fill(t("phase"), { name: t(`phase-${p.name}`) ?? p.name }));
    refresh();
  },
  warning(p, at) {
    log(at, p.message, "text-warn-ink");
    refresh();
  },
  failed(p, at) {
    log(at, p.message, "text-err-ink");
    refresh();
  },
  state(p) {
    if (FINAL.has(p.status)) finish();
    else refresh();
  },
  end() { finish(); },
};

/* One refresh at a time: the answer replaces the element, and htmx drops what was asked of the old
   one meanwhile. So whatever changes while one is under way is asked for again after it. */
let refreshing = false;
let stale = false;

function refresh() {
  stale = refreshing;
  if (refreshing) return;
  refreshing = true;
  htmx.trigger(document.getElementById("run-progress"), "run-refresh");
}

document.addEventListener("htmx:finally:request", (event) => {
  if (event.detail.ctx.sourceElement.id !== "run-progress") return;
  refreshing = false;
  if (stale) refresh();
});

function finish() {
  if (finished) return;
  finished = true;
  source?.close();
  clearTimeout(poller);
  location.reload(); // the report, the buttons and the charges are the server's to draw
}

function receive(event) {
  if (event.seq && event.seq <= seq) return; // sent twice, or overtaken by a poll
  if (event.seq) seq = event.seq;
  handlers[event.kind]?.(event.payload || {}, event.at || Date.now() / 1000);
}

/* ---- how events come ---- */

let source = null;
let poller = 0;

async function poll() {
  clearTimeout(poller);
  try {
    const response = await fetch(`${page.dataset.events}?after=${seq}`, { headers: { Accept: "application/json" } });
    if (response.ok) {
      const { events, final } = await response.json();
      events.forEach(receive);
      if (final) finish();
    }
  } catch {
    // The network is away: the next poll tries again.
  }
  if (!finished) poller = setTimeout(poll, POLL_MS);
}

function fallBack() {
  source?.close();
  source = null;
  poll();
}

function listen() {
  if (!window.EventSource) { poll(); return; }
  source = new EventSource(`${page.dataset.events}?after=${seq}`);
  const patience = setTimeout(fallBack, 8000); // a proxy that holds events back
  const take = (message) => {
    clearTimeout(patience);
    const data = message.data ? JSON.parse(message.data) : {};
    const event = data.payload || data.kind ? data : { payload: data };
    receive({ ...event, kind: event.kind || message.type, seq: event.seq || Number(message.lastEventId) });
  };
  source.onopen = () => clearTimeout(patience);
  source.onmessage = take;
  for (const kind of KINDS) source.addEventListener(kind, take);
  source.onerror = () => {
    if (source?.readyState === EventSource.CLOSED) { clearTimeout(patience); fallBack(); }
  };
}

setInterval(() => {
  const elapsed = page.querySelector("[data-elapsed]");
  if (elapsed) {
    const seconds = Number(elapsed.dataset.elapsed) + 1;
    elapsed.dataset.elapsed = seconds;
    elapsed.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
  if (dirty) {
    dirty = false;
    page.querySelector("[data-chart]").dispatchEvent(new CustomEvent("yard:data", { bubbles: true }));
  }
}, 1000);

const box = find("log");
box.scrollTop = box.scrollHeight;
listen();
