// One by one: a large image, a label, yes or no.

import { Feed } from "/static/feed.js";
import { examples, labelSize, note, say, watch, words } from "/static/look.js";

const at = (id) => document.getElementById(id);
const KEYS = { y: "yes", ArrowRight: "yes", n: "no", ArrowLeft: "no", u: "unsure", ArrowDown: "unsure", s: "skip", ArrowUp: "skip" };
const FAR = 90; // pixels to drag for an answer

export class Single {
  constructor(work, { show, ended }) {
    Object.assign(this, { work, show, ended });
    this.ends = new AbortController();
    const options = { signal: this.ends.signal };
    for (const button of document.querySelectorAll("[data-answer]")) {
      button.addEventListener("click", () => this.answer(button.dataset.answer), options);
    }
    at("image").addEventListener("load", () => this.broken(false), options);
    at("image").addEventListener("error", () => this.broken(true), options);
    this.drag(options);
  }

  async start() {
    this.feed?.close();
    this.feed = new Feed(this.work, { size: 1, ahead: 4, oneLabel: false });
    await this.advance();
  }

  close() {
    this.feed?.close();
    this.ends.abort();
  }

  async advance() {
    this.work.busy(this, true);
    const feed = this.feed;
    const slow = setTimeout(() => at("stage").classList.add("waiting"), 250);
    const found = await feed.advance();
    clearTimeout(slow);
    if (feed !== this.feed || found.closed) return;
    at("stage").classList.remove("waiting");
    this.work.busy(this, false);
    if (found.tasks) this.draw(found.tasks[0]);
    else {
      this.task = null;
      await this.ended(found.waiting);
    }
  }

  draw(task, before) {
    this.task = task;
    const label = this.work.label(task.label);
    const image = at("image");
    if (image.getAttribute("src") !== task.large) image.src = task.large;
    const title = task.words.texts.find((text) => text.name === "title");
    image.alt = title ? `The image to check: ${title.text}` : "The image to check";
    if (this.shownLabel !== task.label) {
      labelSize(at("label-name"), label.name);
      at("definition").textContent = label.definition;
      this.shownLabel = task.label;
      this.drawExamples(task.label);
    }
    words(at("words"), task.words);
    for (const button of document.querySelectorAll("[data-answer]")) {
      button.classList.toggle("before", button.dataset.answer === before);
    }
    this.show("single");
    watch.restart();
    if (!before) say(`${label.name}?`);
  }

  async drawExamples(number) {
    const found = await this.work.examples(number);
    if (number === this.shownLabel) examples(at("examples"), found, 4);
  }

  broken(is) {
    at("broken").hidden = !is;
    at("image").classList.toggle("unseen", is);
  }

  answer(answer) {
    if (this.busy || !this.task) return;
    const task = this.task;
    this.flash(answer);
    this.work.answer([[task, answer]], watch.seconds());
    if (answer === "skip" && this.work.skipped) this.feed.passed.push([task.row, task.label]);
    this.advance();
  }

  // Answers were taken back: their tasks come again, the last one first.
  back(answers) {
    this.feed.passed = [];
    const [first, ...rest] = answers;
    if (this.task && this.feed.current.length) this.feed.next.unshift(this.feed.current);
    for (const [task] of rest.reverse()) this.feed.next.unshift([task]);
    this.feed.current = [first[0]];
    this.draw(first[0], first[1]);
    note(`Taken back. You had said ${first[1]}.`);
  }

  key(event) {
    const answer = KEYS[event.key];
    if (!answer) return false;
    if (event.target === at("words") && event.key.startsWith("Arrow") && /Up|Down/.test(event.key)) return false;
    if (!event.repeat) this.answer(answer);
    return true;
  }

  flash(answer) {
    const stage = at("stage");
    stage.dataset.answer = answer;
    at("verdict").textContent = { yes: "✓", no: "✗", unsure: "?", skip: "→" }[answer];
    stage.classList.remove("flash");
    void stage.offsetWidth; // so that the animation starts anew
    stage.classList.add("flash");
  }

  drag(options) {
    const stage = at("stage");
    let start = null;
    const move = (by) => {
      at("image").style.transform = by ? `translateX(${by}px) rotate(${by / 60}deg)` : "";
      stage.dataset.lean = Math.abs(by) < FAR ? "" : by > 0 ? "yes" : "no";
    };
    const end = () => {
      const lean = stage.dataset.lean;
      start = null;
      move(0);
      return lean;
    };
    stage.addEventListener("pointerdown", (event) => {
      if (event.isPrimary && event.button === 0) start = event.clientX;
    }, options);
    stage.addEventListener("pointermove", (event) => {
      if (start === null) return;
      if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
      move(event.clientX - start);
    }, options);
    stage.addEventListener("pointerup", () => {
      if (start === null) return;
      const lean = end();
      if (lean) this.answer(lean);
    }, options);
    stage.addEventListener("pointercancel", end, options);
  }
}
