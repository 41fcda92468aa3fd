// One by one: a large image, a label, yes or no.

import { pause } from "/static/api.js";
import { Feed } from "/static/feed.js";
import { examples, labelSize, note, say, watch, words } from "/static/look.js";
import { enlarge, ready, zoomed } from "/static/picture.js";

const at = (id) => document.getElementById(id);
const KEYS = { y: "yes", ArrowRight: "yes", n: "no", ArrowLeft: "no", u: "unsure", ArrowDown: "unsure", s: "skip", ArrowUp: "skip" };
const FAR = 90; // pixels to drag for an answer

export class Single {
  constructor(work, { show, ended, refused }) {
    Object.assign(this, { work, show, ended, refused });
    this.ends = new AbortController();
    const options = { signal: this.ends.signal };
    for (const button of document.querySelectorAll("[data-answer]")) {
      button.addEventListener("click", () => this.answer(button.dataset.answer), options);
    }
    at("enlarge").addEventListener("click", () => this.enlarge(), options);
    at("stage").addEventListener("dblclick", () => this.enlarge(), options);
    this.drag(options);
  }

  async start() {
    this.feed?.close();
    this.feed = new Feed(this.work, { size: 1, ahead: 4, oneLabel: false, lost: () => this.lost() });
    await this.advance();
  }

  close() {
    this.feed?.close();
    this.ends.abort();
  }

  async advance(late = 0) {
    this.work.busy(this, true);
    const feed = this.feed;
    const slow = setTimeout(() => at("stage").classList.add("waiting"), 250);
    const found = await feed.advance();
    clearTimeout(slow);
    if (feed !== this.feed || found.closed) return;
    at("stage").classList.remove("waiting");
    if (found.tasks) return this.draw(found.tasks[0], undefined, late);
    this.work.busy(this, false);
    this.task = null;
    if (found.refused) this.refused(found.refused);
    else await this.ended(found.waiting);
  }

  // Until the image is there nothing is answered, and no other image stands beside the label.
  async draw(task, before, least = 0) {
    this.work.busy(this, true);
    const drawing = (this.drawing = {});
    const wanted = () => drawing === this.drawing && !this.ends.signal.aborted;
    this.task = task;
    const label = this.work.label(task.label);
    const image = at("image");
    at("stage").classList.add("loading");
    at("broken").hidden = true;
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
    const [seen] = await Promise.all([ready(image, task.large, wanted), pause(least)]);
    if (!wanted()) return;
    at("stage").classList.remove("loading");
    at("broken").hidden = seen;
    image.classList.toggle("unseen", !seen);
    this.work.busy(this, false);
    watch.restart();
    if (!seen) say("This image cannot be shown.");
    else if (!before) say(`${label.name}?`);
  }

  // Others have finished the question on the screen: the next one comes, and takes no key that was meant for this one.
  async lost() {
    at("zoom").close();
    note("Others have answered this one meanwhile.");
    await this.advance(700);
  }

  async drawExamples(number) {
    const found = await this.work.examples(number);
    if (number === this.shownLabel) examples(at("examples"), found, 4);
  }

  enlarge() {
    if (!this.busy && this.task && at("broken").hidden) enlarge(this.task);
  }

  answer(answer) {
    if (this.busy || !this.task) return;
    const task = this.task;
    this.flash(answer);
    this.work.answer([[task, answer]], watch.seconds());
    this.advance();
  }

  // Answers were taken back: their tasks come again, the last one first.
  back(answers) {
    const [first, ...rest] = answers;
    for (const [task] of rest.reverse()) this.feed.back([task]);
    this.feed.back([first[0]]);
    this.draw(first[0], first[1]);
    note(`Taken back. You had said ${first[1]}.`);
  }

  key(key, event) {
    if (key === "l") {
      this.enlarge();
      return true;
    }
    const answer = KEYS[key];
    if (!answer) return false;
    if (event.target === at("words") && /^Arrow(Up|Down)$/.test(key)) return false;
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
      if (event.isPrimary && event.button === 0 && !zoomed() && !event.target.closest("button")) start = event.clientX;
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
