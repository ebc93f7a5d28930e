/* Which command a key stands for. Pure: takes what a KeyboardEvent says. */

const NATIVE = new Set(["INPUT", "TEXTAREA", "SELECT"]);
const PRESSED = new Set(["BUTTON", "A", "SUMMARY"]);

/* The letter of a key, also on a keyboard of another script (the key's place decides there). */
function letter(event) {
  if (/^[\x20-\x7e]$/.test(event.key)) return event.key.toLowerCase();
  const place = /^(?:Key([A-Z])|Digit(\d))$/.exec(event.code ?? "");
  return place ? (place[1] ?? place[2]).toLowerCase() : event.key;
}

/* labels: [{name, key}]. Returns {do: "label", index} and the like, or null.
   While an input method composes, keys belong to it. */
export function commandOf(event, labels) {
  if (event.isComposing || event.keyCode === 229) return null;
  const tag = event.target?.tagName ?? "";
  if (NATIVE.has(tag) || event.target?.isContentEditable) return null;
  const key = letter(event);
  if ((event.ctrlKey || event.metaKey) && key === "z" && !event.shiftKey && !event.altKey) {
    return { do: "undo" };
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (key === "Enter" || key === " ") {
    // A button that has the focus is pressed by these keys, as everywhere.
    if (PRESSED.has(tag) || event.repeat) return null;
    return { do: key === "Enter" ? "accept" : "skip" };
  }
  if (event.repeat) return null;
  if (key === "u" || key === "g") return { do: key === "u" ? "undo" : "guideline" };
  if (event.key === "?") return { do: "sheet" };
  const index = labels.findIndex((label) => label.key === key);
  return index < 0 ? null : { do: "label", index };
}
