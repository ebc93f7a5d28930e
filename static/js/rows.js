/* The data browser: which rows are ticked (shift takes a range), and moving between rows by keys.
   All of it works on #rows as it is now: filters and pages swap it. */

const boxes = () => [...document.querySelectorAll('#bulk input[name="ids"]')];
let last = null;

function show() {
  const bulk = document.getElementById("bulk");
  if (!bulk) return;
  const all = bulk.querySelector("[data-bulk-all]").checked;
  const ticked = boxes().filter((box) => box.checked).length;
  const count = bulk.querySelector("[data-bulk-count]");
  const words = ticked && !all ? `${ticked} ${count.dataset.one}` : "";
  // Only when it differs: the observer below would call for ever.
  if (count.textContent !== words) count.textContent = words;
  for (const button of bulk.querySelectorAll('button[name="kind"]')) button.disabled = !ticked && !all;
  const page = bulk.querySelector("[data-bulk-page]");
  page.checked = ticked > 0 && ticked === boxes().length;
  page.indeterminate = ticked > 0 && !page.checked;
}

document.addEventListener("click", (e) => {
  if (!e.target.matches?.('#bulk input[name="ids"]')) return;
  const list = boxes();
  const here = list.indexOf(e.target);
  const from = list.indexOf(last);
  if (e.shiftKey && from >= 0) {
    const [low, high] = from < here ? [from, here] : [here, from];
    for (const box of list.slice(low, high + 1)) box.checked = e.target.checked;
  }
  last = e.target;
  show();
});
document.addEventListener("change", (e) => {
  if (e.target.matches?.("[data-bulk-page]")) for (const box of boxes()) box.checked = e.target.checked;
  if (e.target.closest?.("#bulk")) show();
});

/* Enter in the box of the label would press the first button: it must be chosen. */
document.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && e.target.matches?.('#bulk input[name="value"]')) e.preventDefault();
});

/* What is filtered stands in the address, so that it can be sent and comes back after a reload. */
function address(e) {
  const form = e.target.closest?.("#filter");
  if (!form) return;
  const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
  history.replaceState(history.state, "", asked.size ? `?${asked}` : location.pathname);
}
document.addEventListener("input", address);

/* On a narrow screen the opened row stands below the list: go there. */
let opened = false;
document.addEventListener("click", (e) => {
  opened = Boolean(e.target.closest?.("[data-row-link]")) && matchMedia("(max-width: 1023px)").matches;
});
function reveal() {
  const side = opened && document.querySelector("#side [data-row]");
  if (side) {
    opened = false;
    side.scrollIntoView();
  }
}

/* j and k open the next and the former row, Escape closes it, / searches. */
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  if (e.target.matches?.("input:not([type=checkbox]), select, textarea")) return;
  const links = [...document.querySelectorAll("[data-row-link]")];
  const open = document.querySelector("#side [data-row]")?.dataset.row;
  const at = links.findIndex((link) => open && link.href.endsWith(open));
  if (e.key === "j" || e.key === "k") links[at + (e.key === "j" ? 1 : -1)]?.click();
  else if (e.key === "Escape" && open) document.querySelector("#side [data-close]").click();
  else if (e.key === "/") {
    e.preventDefault();
    document.querySelector("[data-search]").focus();
  }
});

new MutationObserver(() => {
  show();
  reveal();
}).observe(document.getElementById("main"), { childList: true, subtree: true });
show();
