/* What every page shares: theme, command palette, copy buttons, code tabs, toasts, submit keys.
   Every string that a person reads comes from the markup, so that it can be translated. */

const root = document.documentElement;

const isDark = () =>
  root.dataset.theme
    ? root.dataset.theme === "yard-dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;

function on(event, selector, run) {
  document.addEventListener(event, (e) => {
    const element = e.target.closest?.(selector);
    if (element) run(element, e);
  });
}

/* Theme: the server keeps it in a cookie; the page changes at once. */
on("submit", "[data-theme-form]", (form, e) => {
  e.preventDefault();
  const theme = isDark() ? "yard" : "yard-dark";
  root.dataset.theme = theme;
  const body = new FormData(form);
  body.set("theme", theme);
  fetch(form.action, { method: "POST", body, redirect: "manual" });
  document.dispatchEvent(new CustomEvent("yard:theme"));
});

/* A chart wider than a phone starts at its newest end. */
for (const box of document.querySelectorAll("[data-scroll-end]")) box.scrollLeft = box.scrollWidth;

/* Command palette */
const palette = document.getElementById("palette");

function openPalette() {
  if (!palette || palette.open) return;
  palette.showModal();
  const input = palette.querySelector("[data-palette-input]");
  input.value = "";
  filterPalette("");
  input.focus();
}

function paletteLinks() {
  return [...palette.querySelectorAll("[data-palette-list] a")].filter((a) => !a.parentElement.hidden);
}

function choose(link) {
  for (const a of palette.querySelectorAll("[data-palette-list] a")) {
    a.classList.toggle("bg-accent-soft", a === link);
    a.classList.toggle("text-accent-ink", a === link);
  }
  link?.scrollIntoView({ block: "nearest" });
}

function filterPalette(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const a of palette.querySelectorAll("[data-palette-list] a")) {
    const name = a.textContent.toLowerCase();
    a.parentElement.hidden = !words.every((word) => name.includes(word));
  }
  for (const head of palette.querySelectorAll("[data-palette-head]")) head.hidden = words.length > 0;
  const links = paletteLinks();
  palette.querySelector("[data-palette-none]").hidden = links.length > 0;
  choose(links[0]);
}

if (palette) {
  const input = palette.querySelector("[data-palette-input]");
  input.addEventListener("input", () => filterPalette(input.value));
  palette.addEventListener("keydown", (e) => {
    if (e.isComposing) return;
    const links = paletteLinks();
    const now = links.findIndex((a) => a.classList.contains("bg-accent-soft"));
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      const step = e.key === "ArrowDown" ? 1 : -1;
      choose(links[(now + step + links.length) % links.length]);
    } else if (e.key === "Enter" && e.target === input) {
      e.preventDefault();
      links[now]?.click();
    }
  });
}
on("click", "[data-palette]", openPalette);
document.addEventListener("keydown", (e) => {
  if ((e.metaKey || e.ctrlKey) && e.key.toLowerCase() === "k" && !e.isComposing) {
    e.preventDefault();
    openPalette();
  }
});

/* Menus close when the pointer or the focus goes elsewhere. */
document.addEventListener("click", (e) => {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (!menu.contains(e.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (e) => {
  const menu = e.key === "Escape" && document.querySelector("details[data-menu][open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

/* Copy */
async function writeClipboard(element) {
  try {
    await navigator.clipboard.writeText(element.innerText);
  } catch {
    // No permission, or plain http: select the text, so that one keystroke copies it.
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
  return true;
}
on("click", "[data-copy]", async (button) => {
  if (!(await writeClipboard(document.getElementById(button.dataset.copy)))) return;
  const word = button.querySelector("span");
  const before = word.textContent;
  word.textContent = button.dataset.done;
  setTimeout(() => { word.textContent = before; }, 2000);
});

/* Tabs that show one of several panels of the same box */
on("click", "[data-tab]", (tab, e) => {
  e.preventDefault();
  const box = tab.closest("[data-tabs]");
  const id = tab.hash.slice(1);
  for (const other of box.querySelectorAll("[data-tab]")) {
    if (other === tab) other.setAttribute("aria-current", "true");
    else other.removeAttribute("aria-current");
  }
  for (const panel of box.querySelectorAll("[data-panel]")) panel.hidden = panel.id !== id;
  const copy = box.querySelector("[data-copy]");
  if (copy) copy.dataset.copy = id;
});

/* Toasts: a success leaves after 6 s, what needs action stays. */
on("click", "[data-dismiss]", (button) => button.closest("[data-toast]").remove());
for (const toast of document.querySelectorAll('[data-toast="success"], [data-toast="info"]')) {
  setTimeout(() => toast.remove(), 6000);
}

/* Ctrl/Cmd-Enter submits the form of a text box. */
document.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.metaKey || e.ctrlKey) && !e.isComposing && e.target.matches("[data-submit-keys]")) {
    e.preventDefault();
    const button = e.target.form.querySelector('button[type="submit"]');
    if (!button.disabled) e.target.form.requestSubmit(button);
  }
});

/* What cannot be undone asks once more. */
document.addEventListener("click", (e) => {
  const button = e.target.closest?.("[data-confirm]");
  if (button && !confirm(button.dataset.confirm)) e.preventDefault();
}, true);

/* An advanced field with an error must be seen. */
for (const box of document.querySelectorAll("details[data-advanced]")) {
  if (box.querySelector('[aria-invalid="true"]')) box.open = true;
}
