/* The upload page: files are chosen or dropped, each has its row, and those of an earlier visit
   wait for their file. Every string that a person reads comes from the markup. */

import { fingerprint } from "./fingerprint.js";
import { Meter, bytes, fill, range } from "./meter.js";
import { Road } from "./road.js";
import { call, Lost, Refused } from "./server.js";

const DRAW_MS = 250;
const SAY_MS = 10_000;

class Row {
  /* One file in the list. state: opening, sending, paused, failed, refused, done. */
  constructor(page, file) {
    Object.assign(this, { page, file, id: null, sent: 0, drawn: 0, meter: new Meter(file.size) });
    this.element = page.template.content.firstElementChild.cloneNode(true);
    this.find("name").textContent = file.name;
    for (const act of ["pause", "resume", "cancel"]) this.find(act).addEventListener("click", () => this[act]());
    for (const one of this.element.querySelectorAll("[aria-label]")) {
      one.setAttribute("aria-label", fill(one.getAttribute("aria-label"), { name: file.name }));
    }
    page.list.append(this.element);
    this.show("opening");
  }

  find(name) { return this.element.querySelector(`[data-u-${name}]`); }

  show(state) {
    this.state = this.element.dataset.state = state;
    this.find("pause").hidden = state !== "sending";
    this.find("resume").hidden = state !== "paused" && state !== "failed" && !(state === "refused" && this.id);
    this.find("cancel").hidden = state === "done";
    this.find("bar").hidden = state === "refused" && !this.id;
    this.find("error").hidden = state !== "failed" && state !== "refused";
    if (state !== "sending") this.find("eta").textContent = "";
    this.draw(true);
    this.page.changed();
  }

  draw(now = false) {
    const at = performance.now();
    if (!now && at - this.drawn < DRAW_MS) return;
    this.drawn = at;
    const { file, sent, meter, page } = this;
    const speed = this.state === "sending" ? meter.speed : null;
    const left = this.state === "sending" ? meter.left : null;
    const values = { done: bytes(sent), total: bytes(file.size), speed: speed === null ? "" : bytes(speed) };
    this.find("bar").value = file.size ? Math.floor((100 * sent) / file.size) : 0;
    const words = { opening: "opening", paused: "paused", done: "checking" }[this.state];
    const unsent = this.state === "refused" && !this.id;
    this.find("text").textContent = unsent ? bytes(file.size)
      : fill(page.t(words ?? (speed === null ? "amount" : "progress")), values);
    if (left !== null) {
      const { name, ...ends } = range(left);
      this.find("eta").textContent = sent === file.size ? "" : fill(page.t(name), ends);
    }
  }

  async begin() {
    try {
      const mark = await fingerprint(this.file);
      const opened = await this.page.road.open(this.file, mark);
      if (this.state !== "opening") return void call("POST", opened.abort_url, {}, "");
      this.page.taken(opened, this.file);
      this.sent = opened.received_bytes;
      // All of it is there, and waits for its columns or is being imported.
      if (opened.status !== "receiving") return this.done(await this.page.road.finished(opened));
      this.id = this.page.road.send(this.file, opened);
      this.page.rows.set(this.id, this);
      this.show("sending");
      this.page.road.go(this.id);
    } catch (error) {
      this.fail(error);
    }
    return undefined;
  }

  progress(sent) {
    this.sent = sent;
    if (this.state !== "sending") return;
    this.meter.see(sent, performance.now());
    this.draw();
    this.page.tell();
  }

  pause() {
    this.page.road.pause(this.id);
    this.show("paused");
  }

  resume() {
    this.meter.restart();
    if (this.id) {
      this.show("sending");
      this.page.road.resume(this.id);
    } else {
      this.show("opening");
      this.begin();
    }
  }

  async cancel() {
    const { id } = this;
    this.state = "cancelled";
    this.element.remove();
    this.page.drop(this);
    if (!id) return;
    this.page.rows.delete(id);
    try {
      await this.page.road.cancel(id);
    } catch (error) {
      if (!(error instanceof Lost || error instanceof Refused)) throw error;
      this.page.say("left"); // The server throws it away by itself after a day.
    }
  }

  fail(error) {
    if (this.state === "cancelled") return;
    const refused = error instanceof Refused;
    this.find("reason").textContent = refused ? error.message : this.page.t("lost");
    const link = this.find("link");
    link.hidden = !(refused && error.link);
    if (!link.hidden) link.href = error.link;
    this.show(refused ? "refused" : "failed");
    // What our own code got wrong is no lost connection.
    if (error instanceof TypeError || error instanceof ReferenceError) throw error;
  }

  done(next) {
    this.sent = this.file.size;
    this.next = next;
    this.find("go").href = next;
    this.find("go").hidden = false;
    this.show("done");
  }
}

class Page {
  constructor(form) {
    this.form = form;
    this.rows = new Map();
    this.all = [];
    this.list = form.querySelector("[data-upload-list]");
    this.notes = form.querySelector("[data-upload-notes]");
    this.template = form.querySelector("template");
    this.waiting = [...form.querySelectorAll("[data-waiting]")];
    this.told = performance.now();
    const row = (act) => (id, value) => this.rows.get(id)?.[act](value);
    this.road = new Road(form.dataset.start, this.t("refused"), {
      progress: row("progress"), done: row("done"), failed: row("fail"),
    });
    this.listen();
    for (const element of this.waiting) this.showWaiting(element);
  }

  t(name) { return this.form.getAttribute(`data-t-${name}`); }

  say(name, values = {}) { this.notes.textContent = fill(this.t(name), values); }

  listen() {
    const { form } = this;
    const input = form.querySelector('input[type="file"]');
    const drop = form.querySelector("[data-drop]");
    const take = () => {
      this.add([...input.files]);
      input.value = "";
    };
    input.addEventListener("change", take);
    if (input.files.length) take(); // Chosen while this program was still on its way.
    const over = (on) => drop.classList.toggle("border-primary", on);
    for (const name of ["dragover", "dragenter"]) {
      drop.addEventListener(name, (e) => { e.preventDefault(); over(true); });
    }
    drop.addEventListener("dragleave", () => over(false));
    drop.addEventListener("drop", (e) => {
      e.preventDefault();
      over(false);
      this.add([...e.dataTransfer.files]);
    });
    for (const button of form.querySelectorAll("[data-choose]")) button.addEventListener("click", () => input.click());
    addEventListener("online", () => {
      for (const one of this.all) if (one.state === "failed") one.resume();
    });
    // Without a fingerprint an upload can't be found again, so leaving would lose it.
    addEventListener("beforeunload", (e) => {
      if (!globalThis.crypto?.subtle && this.all.some((one) => one.state === "sending")) e.preventDefault();
    });
  }

  add(files) {
    for (const file of files) {
      const same = (one) => one.file.name === file.name && one.file.size === file.size
        && one.file.lastModified === file.lastModified && one.state !== "done";
      if (this.all.some(same)) continue;
      const row = new Row(this, file);
      this.all.push(row);
      if (file.size) row.begin();
      else row.fail(new Refused({}, this.t("empty")));
    }
  }

  drop(row) {
    this.all = this.all.filter((one) => one !== row);
    this.changed();
  }

  /* What an earlier visit left: its row goes when its file comes. */
  taken(opened, file) {
    const element = this.waiting.find((one) => one.dataset.waiting === opened.id);
    if (element) this.forget(element);
    else if (this.waiting.some((one) => one.dataset.name === file.name)) this.say("other", { name: file.name });
  }

  forget(element) {
    this.waiting = this.waiting.filter((one) => one !== element);
    element.remove();
    this.changed();
  }

  async showWaiting(element) {
    const { parts, abort, bytes: total, name } = element.dataset;
    const text = element.querySelector("[data-u-text]");
    element.querySelector("[data-u-discard]").addEventListener("click", async () => {
      try {
        await call("POST", abort, {}, this.t("refused"));
        this.forget(element);
      } catch (error) {
        text.textContent = error instanceof Refused ? error.message : this.t("lost");
      }
    });
    try {
      const { received_bytes: there } = await call("GET", parts, undefined, this.t("refused"));
      element.querySelector("[data-u-bar]").value = Math.floor((100 * there) / total);
      text.textContent = fill(this.t("there"), { name, percent: Math.floor((100 * there) / total) });
    } catch (error) {
      text.textContent = error instanceof Refused ? error.message : this.t("lost");
    }
  }

  /* How far all of them are, for who hears the page: now and then. */
  tell() {
    const now = performance.now();
    if (now - this.told < SAY_MS) return;
    this.told = now;
    const [sent, total] = this.all.reduce(([a, b], one) => [a + one.sent, b + one.file.size], [0, 0]);
    this.form.querySelector("[data-upload-said]").textContent = fill(this.t("said"), { percent: Math.floor((100 * sent) / total) });
  }

  changed() {
    const { form, all } = this;
    form.querySelector("[data-upload-files]").hidden = !all.length && !this.waiting.length;
    const busy = all.some((one) => ["sending", "opening", "paused", "failed"].includes(one.state));
    form.querySelector("[data-upload-hint]").hidden = !busy;
    // One file: its columns are what comes next. Several: each has its own button.
    if (all.length === 1 && all[0].state === "done" && !this.waiting.length) location.assign(all[0].next);
  }
}

for (const form of document.querySelectorAll("form[data-upload]")) new Page(form);
