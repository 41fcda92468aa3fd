// In a grid: many images of one label; the wrong ones are marked, and all are answered at once.

import { Feed } from "/static/feed.js";
import { examples, labelSize, make, note, say, watch } from "/static/look.js";

const at = (id) => document.getElementById(id);
const NEXT = { yes: "no", no: "yes", unsure: "yes" };

export class Grid {
  constructor(work, { show, ended }) {
    Object.assign(this, { work, show, ended });
    this.ends = new AbortController();
    at("confirm").addEventListener("click", () => this.confirm(), { signal: this.ends.signal });
  }

  async start() {
    this.feed?.close();
    this.feed = new Feed(this.work, { size: this.work.state.grid, ahead: 1, oneLabel: true });
    await this.advance();
  }

  close() {
    this.feed?.close();
    this.ends.abort();
  }

  async advance() {
    this.work.busy(this, true);
    const feed = this.feed;
    const slow = setTimeout(() => at("tiles").classList.add("waiting"), 250);
    const found = await feed.advance();
    clearTimeout(slow);
    if (feed !== this.feed || found.closed) return;
    at("tiles").classList.remove("waiting");
    this.work.busy(this, false);
    if (found.tasks) this.draw(found.tasks.map((task) => [task, "yes"]));
    else {
      this.answers = [];
      await this.ended(found.waiting);
    }
  }

  draw(answers) {
    this.answers = answers;
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
  }

  async drawExamples(number) {
    const found = await this.work.examples(number);
    if (this.answers.length && number === this.answers[0][0].label) examples(at("grid-examples"), found, 4);
  }

  tile(task, index) {
    const title = task.words.texts.find((text) => text.name === "title")?.text || task.sample;
    const because = task.words.evidence.join(", ");
    const image = make("img", { src: task.small, alt: "", decoding: "async", draggable: false });
    image.addEventListener("error", () => tile.classList.add("broken"));
    const tile = make("button", { type: "button", title }, image, make("span", { className: "caption", textContent: because || title }));
    tile.addEventListener("click", () => {
      this.focus(index);
      this.mark(index, NEXT[this.answers[index][1]]);
    });
    return tile;
  }

  mark(index, answer) {
    this.answers[index][1] = answer;
    this.paint(index);
    say({ yes: "right", no: "marked as wrong", unsure: "unsure" }[answer]);
  }

  paint(index) {
    const answer = this.answers[index][1];
    const tile = this.tiles[index];
    tile.dataset.answer = answer;
    tile.setAttribute("aria-pressed", String(answer === "no"));
    const state = { yes: "", no: ", marked as wrong", unsure: ", unsure" }[answer];
    tile.setAttribute("aria-label", `${index + 1} of ${this.answers.length}: ${tile.title}${state}`);
    const count = (kind) => this.answers.filter(([, other]) => other === kind).length;
    const wrong = count("no"), unsure = count("unsure");
    const text =
      (wrong ? `${wrong} wrong, ${count("yes")} right` : unsure ? `${count("yes")} right` : `All ${count("yes")} right`) + (unsure ? `, ${unsure} unsure` : "");
    at("confirm-text").textContent = text;
    at("confirm").setAttribute("aria-label", `${text}: confirm`);
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

  key(event) {
    const inside = this.tiles.includes(document.activeElement) || document.activeElement === document.body;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.columns(), ArrowUp: -this.columns() };
    if (event.key in steps) {
      const target = this.at + steps[event.key];
      if (target >= 0 && target < this.tiles.length) this.focus(target);
      else if (event.key === "ArrowDown") this.focus(this.tiles.length - 1);
    } else if (event.key === "Home") this.focus(0);
    else if (event.key === "End") this.focus(this.tiles.length - 1);
    else if (event.key === "u") this.mark(this.at, this.answers[this.at][1] === "unsure" ? "yes" : "unsure");
    else if (event.key === " " && inside && !event.repeat) this.mark(this.at, NEXT[this.answers[this.at][1]]);
    else if (event.key === "Enter" && inside && !event.repeat) this.confirm();
    else return false;
    return true;
  }

  confirm() {
    if (this.busy || !this.answers.length) return;
    const answers = this.answers;
    this.answers = [];
    this.work.answer(answers, watch.seconds());
    const wrong = answers.filter(([, answer]) => answer === "no").length;
    note(`${answers.length} answered, ${wrong} wrong`);
    this.advance();
  }

  // Answers were taken back: a grid comes again with its marks; a single answer comes as a grid of one.
  back(answers) {
    this.feed.passed = [];
    if (this.answers.length) this.feed.next.unshift(this.answers.map(([task]) => task));
    this.feed.current = answers.map(([task]) => task);
    this.draw(answers.map(([task, answer]) => [task, answer === "skip" ? "yes" : answer]));
    note("Taken back, with your marks.");
  }
}
