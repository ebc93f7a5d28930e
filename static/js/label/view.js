/* What the labelling page shows. All words and all markup come from the page itself. */

const RECENT = 4;

export class View {
  #root;
  #labels;
  #shown = null;

  constructor(root, labels) {
    this.#root = root;
    this.#labels = labels;
  }

  #find(name) {
    return this.#root.querySelector(`[data-l-${name}]`);
  }

  #text(name, values = {}) {
    return this.#root.getAttribute(`data-t-${name}`).replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
  }

  /* Show the task, or what there is instead of one. */
  task(task, rest) {
    this.#find("item").hidden = !task;
    this.#find("empty").hidden = Boolean(task);
    this.#find("controls").inert = !task;
    if (!task) {
      this.#find("empty-title").textContent = this.#text(rest.state);
      this.#find("empty-body").textContent = 
        rest.message || this.#text(`${rest.state}-body`, { n: rest.leased });
    } else if (task !== this.#shown) {
      this.#find("line").textContent = this.#text("line", { n: task.line });
      this.#find("text").textContent = task.text;
      this.#find("scroll").scrollTop = 0;
    }
    this.#shown = task;
    this.#suggestion(task?.suggestion ?? null);
  }

  #suggestion(said) {
    this.#find("suggestion").hidden = !said;
    for (const [index, button] of [...this.#root.querySelectorAll("[data-label]")].entries()) {
      button.setAttribute("aria-pressed", String(said?.label === this.#labels[index].name));
    }
    if (!said) return;
    this.#find("suggested-by").textContent = this.#text("suggested", { name: said.source });
    this.#find("suggested").textContent = said.label;
    this.#find("score").textContent = said.score.toFixed(2);
  }

  progress(done, total, perMinute) {
    for (const bar of this.#root.querySelectorAll("[data-l-bar]")) {
      bar.max = total;
      bar.value = done;
      bar.setAttribute("aria-label", this.#text("progress", { done, total }));
    }
    this.#find("progress").textContent = this.#text("progress", { done, total });
    const left = total - done;
    this.#find("pace").textContent =
      perMinute && left > 0
        ? this.#text("pace", { n: Math.round(perMinute), min: Math.max(1, Math.ceil(left / perMinute)) })
        : "";
  }

  /* pending: not saved yet; failures: tries that failed in a row. */
  saving(pending, failures) {
    const chip = this.#find("unsaved");
    chip.hidden = !failures;
    chip.textContent = failures ? this.#text(pending ? "unsaved" : "offline", { n: pending }) : "";
  }

  notice(name, values) {
    const note = this.#find("notice");
    note.hidden = false;
    note.querySelector("p").textContent = name ? this.#text(name, values) : values.message;
  }

  /* acts: [{task, act: {kind, label}, saved}], newest first. */
  recent(acts) {
    const list = this.#find("recent");
    const rows = acts.slice(0, RECENT).map(({ task, act, saved }) => {
      const row = this.#find("row").content.firstElementChild.cloneNode(true);
      row.querySelector("[data-row-text]").textContent = task.text.slice(0, 200);
      row.querySelector("[data-row-label]").textContent = act.label ?? this.#text("skipped");
      row.querySelector("[data-row-saved]").hidden = !saved;
      row.querySelector("[data-row-saving]").hidden = saved;
      return row;
    });
    list.replaceChildren(...rows);
    this.#find("recent-box").hidden = !rows.length;
  }

  /* Open or close a dialog of the page. */
  toggle(name) {
    const dialog = this.#find(name);
    if (!dialog) return;
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  get dialogIsOpen() {
    return Boolean(this.#root.querySelector("dialog[open]"));
  }
}
