/* Live charts: uPlot draws what the table beside it says, so that both always agree.
   Markup: <div data-chart data-table="id of a table" data-height data-log data-last data-dots>.
   Whoever changes the table sends the event "yard:data" from the div. Modules of this project talk by events and
   import nothing from each other: with hashed file names an import would load a second copy. */

const root = document.documentElement;
const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
const plots = new Map();

function read(table) {
  const columns = table.tHead.rows[0].cells.length;
  const rows = [...table.tBodies[0].rows];
  return Array.from({ length: columns }, (_, c) =>
    rows.map((row) => (row.cells[c].textContent === "" ? null : Number(row.cells[c].textContent))));
}

/* A log axis needs a positive range with room on both sides. */
function range(series, log) {
  const values = series.flat().filter((v) => v !== null && (!log || v > 0));
  if (!values.length) return log ? [0.1, 1] : [0, 1];
  const low = Math.min(...values);
  const high = Math.max(...values);
  return log ? [low / 1.3, high * 1.3] : [Math.min(0, low), high * 1.08 || 1];
}

const short = (n) => (n >= 1000 ? `${n / 1000} k` : n);

function draw(box) {
  const table = document.getElementById(box.dataset.table);
  const data = read(table);
  plots.get(box)?.destroy();
  plots.delete(box);
  box.replaceChildren();
  if (!data[0].length) {
    const hint = document.createElement("p");
    hint.className = "y-empty h-full justify-center text-sm text-muted";
    hint.textContent = box.dataset.empty || "";
    box.append(hint);
    return;
  }
  const log = Boolean(box.dataset.log);
  const axis = {
    stroke: css("--muted"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: css("--color-base-300"), width: 1 },
    ticks: { show: false },
    border: { show: false },
  };
  const last = Math.max(Number(box.dataset.last) || 0, data[0].at(-1), data[0][0] + 1);
  const dots = Number(box.dataset.dots);
  plots.set(box, new uPlot({
    width: box.clientWidth,
    height: Number(box.dataset.height) || 220,
    cursor: { points: { size: 7 } },
    legend: { show: false },
    scales: {
      x: { time: false, range: [Math.min(data[0][0], last), last] },
      y: { distr: log ? 3 : 1, range: () => range(data.slice(1), log) },
    },
    axes: [
      { ...axis, size: 28, values: (_, values) => values.map(short) },
      { ...axis, size: 46, gap: 6, values: (_, values) => values.map((n) => (n === null ? "" : Number(n.toPrecision(2)))) },
    ],
    series: [{}, ...data.slice(1).map((_, i) => ({
      stroke: css(`--s${i + 1}`),
      width: i ? 2 : 1.75,
      dash: i ? [6, 4] : [],
      spanGaps: true,
      points: { show: dots === i + 1, size: 6, fill: css("--raised"), stroke: css(`--s${i + 1}`) },
    }))],
  }, data, box));
}

function drawAll() {
  for (const box of document.querySelectorAll("[data-chart]")) draw(box);
}

let pending = 0;
function soon() {
  cancelAnimationFrame(pending);
  pending = requestAnimationFrame(drawAll);
}

drawAll();
document.addEventListener("yard:data", (e) => draw(e.target));
addEventListener("resize", soon);
document.addEventListener("yard:theme", soon);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", soon);
