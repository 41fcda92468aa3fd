// In a grid: many images of one label; the wrong ones are marked, and all are answered at once.

import { Feed } from "/static/feed.js";
import { examples, labelSize, make, note, say, watch } from "/static/look.js";
import { enlarge, ready } from "/static/picture.js";

const at = (id) => document.getElementById(id);
const NEXT = { yes: "no", no: "yes", unsure: "yes" };
const keyOf = (task) => `${task.row}/${task.label}`;

export class Grid {
  constructor(work, { show, ended, refused }) {
    Object.assign(this, { work, show, ended, refused });
    this.ends = new AbortController();
    at("confirm").addEventListener("click", () => this.confirm(), { signal: this.ends.signal });
  }

  async start() {
    this.feed?.close();
    this.feed = new Feed(this.work, { size: this.work.state.grid, ahead: 1, oneLabel: true, lost: (tasks) => this.lost(tasks) });
    await this.advance();
  }

  close() {
    this.feed?.close();
    this.ends.abort();
  }

  // How many images wait for one key, in a grid in which somebody has marked some: until then nothing is answered.
  unfinished() {
    return this.touched ? this.answers.filter(([, answer]) => answer !== "gone").length : 0;
  }

  async advance() {
    this.work.busy(this, true);
    this.touched = false;
    const feed = this.feed;
    const slow = setTimeout(() => at("tiles").classList.add("waiting"), 250);
    const found = await feed.advance();
    clearTimeout(slow);
    if (feed !== this.feed || found.closed) return;
    at("tiles").classList.remove("waiting");
    if (found.tasks) return this.draw(found.tasks.map((task) => [task, this.work.marks.get(keyOf(task)) || "yes"]));
    this.work.busy(this, false);
    this.answers = [];
    if (found.refused) this.refused(found.refused);
    else await this.ended(found.waiting);
  }

  // Until every image is there, or known to be broken, nothing is confirmed: "all right" is said of what was seen.
  async draw(answers) {
    this.work.busy(this, true);
    const drawing = (this.drawing = {});
    const wanted = () => drawing === this.drawing && !this.ends.signal.aborted;
    this.answers = answers;
    this.touched = answers.some(([, answer]) => answer !== "yes");
    this.loading = answers.length;
    const number = answers[0][0].label;
    const label = this.work.label(number);
    labelSize(at("grid-label"), label.name);
    at("grid-definition").textContent = label.definition;
    this.drawExamples(number);
    this.tiles = answers.map(([task], index) => this.tile(task, index));
    at("tiles").replaceChildren(...this.tiles);
    answers.forEach((_, index) => this.paint(index));
    this.show("grid");
    this.focus(0);
    watch.restart();
    say(`${label.name}: ${answers.length} images. Mark those that do not show it.`);
    await Promise.all(this.tiles.map((tile, index) => this.load(tile, index, wanted)));
    if (wanted()) this.work.busy(this, false);
  }

  async load(tile, index, wanted) {
    const seen = await ready(tile.querySelector("img"), this.answers[index][0].small, wanted);
    if (!wanted()) return;
    this.loading -= 1;
    tile.classList.remove("loading");
    tile.classList.toggle("broken", !seen);
    if (!seen && this.answers[index][1] === "yes") this.answers[index][1] = "unsure"; // nobody has seen it
    this.paint(index);
  }

  // Others have finished some of the questions on the screen: their tiles stay in place, and are not answered.
  lost(tasks) {
    for (const task of tasks) {
      const index = this.answers.findIndex(([other]) => other === task);
      if (index < 0) continue;
      this.answers[index][1] = "gone";
      this.paint(index);
    }
    note(`Others have answered ${tasks.length} of these meanwhile.`);
    if (this.answers.length && this.answers.every(([, answer]) => answer === "gone")) this.advance();
  }

  async drawExamples(number) {
    const found = await this.work.examples(number);
    if (this.answers.length && number === this.answers[0][0].label) examples(at("grid-examples"), found, 4);
  }

  tile(task, index) {
    const title = task.words.texts.find((text) => text.name === "title")?.text || task.sample;
    const because = task.words.evidence.join(", ");
    const image = make("img", { alt: "", decoding: "async", draggable: false });
    const tile = make("button", { type: "button", title, className: "loading" }, image, make("span", { className: "caption", textContent: because || title }));
    let before;
    tile.addEventListener("click", (event) => {
      if (event.detail < 2) before = this.answers[index][1];
      this.focus(index);
      this.mark(index, NEXT[this.answers[index][1]]);
    });
    tile.addEventListener("dblclick", () => {
      this.mark(index, before); // two clicks have marked it and taken that back
      enlarge(task);
    });
    tile.addEventListener("contextmenu", (event) => {
      if (event.pointerType !== "touch") return;
      event.preventDefault(); // a finger that stays
      enlarge(task);
    });
    return tile;
  }

  mark(index, answer) {
    if (this.answers[index][1] === "gone" || !answer) return;
    this.answers[index][1] = answer;
    this.work.marks.set(keyOf(this.answers[index][0]), answer); // for when the grid comes again, not sent yet
    this.touched = true;
    this.paint(index);
    say({ yes: "right", no: "marked as wrong", unsure: "unsure" }[answer]);
  }

  paint(index) {
    const answer = this.answers[index][1];
    const tile = this.tiles[index];
    tile.dataset.answer = answer;
    tile.setAttribute("aria-pressed", String(answer === "no"));
    tile.setAttribute("aria-disabled", String(answer === "gone"));
    const unseen = tile.classList.contains("broken") ? ", cannot be shown" : "";
    const state = { yes: "", no: ", marked as wrong", unsure: ", unsure", gone: ", answered by others" }[answer];
    tile.setAttribute("aria-label", `${index + 1} of ${this.answers.length}: ${tile.title}${unseen}${state}`);
    const count = (kind) => this.answers.filter(([, other]) => other === kind).length;
    const wrong = count("no"), unsure = count("unsure");
    const text =
      this.loading ? `Loading ${this.loading}…`
      : (wrong ? `${wrong} wrong, ${count("yes")} right` : unsure ? `${count("yes")} right` : `All ${count("yes")} right`) + (unsure ? `, ${unsure} unsure` : "");
    at("confirm").disabled = this.loading > 0;
    at("confirm-text").textContent = text;
    at("confirm").setAttribute("aria-label", this.loading ? text : `${text}: confirm`);
  }

  focus(index) {
    this.at = Math.max(0, Math.min(index, this.tiles.length - 1));
    this.tiles.forEach((tile, other) => (tile.tabIndex = other === this.at ? 0 : -1));
    this.tiles[this.at].focus({ preventScroll: false });
  }

  columns() {
    const top = this.tiles[0].offsetTop;
    const second = this.tiles.findIndex((tile) => tile.offsetTop !== top);
    return second < 0 ? this.tiles.length : second;
  }

  key(key, event) {
    if (!this.answers.length) return false; // the next ones are on their way
    const inside = this.tiles.includes(document.activeElement) || document.activeElement === document.body;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns(), ArrowUp: -this.columns() };
    if (key in steps) {
      const target = this.at + steps[key];
      if (target >= 0 && target < this.tiles.length) this.focus(target);
      else if (key === "ArrowDown") this.focus(this.tiles.length - 1);
    } else if (key === "Home") this.focus(0);
    else if (key === "End") this.focus(this.tiles.length - 1);
    else if (key === "l") enlarge(this.answers[this.at][0]);
    else if (key === "u") this.mark(this.at, this.answers[this.at][1] === "unsure" ? "yes" : "unsure");
    else if (key === " " && inside && !event.repeat) this.mark(this.at, NEXT[this.answers[this.at][1]]);
    else if (key === "Enter" && inside && !event.repeat) this.confirm();
    else return false;
    return true;
  }

  confirm() {
    if (this.busy || !this.answers.length) return;
    const answers = this.answers.filter(([, answer]) => answer !== "gone");
    for (const [task] of answers) this.work.marks.delete(keyOf(task));
    this.answers = [];
    this.work.answer(answers, watch.seconds());
    const wrong = answers.filter(([, answer]) => answer === "no").length;
    note(`${answers.length} answered, ${wrong} wrong`);
    this.advance();
  }

  // Answers were taken back: a grid comes again with its marks; a single answer comes as a grid of one.
  back(answers) {
    this.feed.back(answers.map(([task]) => task));
    this.draw(answers.map(([task, answer]) => [task, answer === "skip" ? "yes" : answer]));
    note("Taken back, with your marks.");
  }
}
