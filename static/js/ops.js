/* The console's few own touches: the theme on pages without unfold, "/" for the search, the
   current tab in view on a phone, menus that close. */

const root = document.documentElement;
if (!root.hasAttribute("x-data")) {
  const kept = JSON.parse(localStorage.getItem("_x_adminTheme") ?? '"auto"');
  const dark = kept === "dark" || (kept === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  root.classList.toggle("dark", dark);
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  const find = document.querySelector("[data-find]");
  if (event.key === "/" && !typing && find && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    find.focus();
  }
});

document.querySelector(".y-tabs [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.y-menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
