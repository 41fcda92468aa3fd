// What all screens share: who answers, what was answered and can be undone, how far the work is, whether it is saved.

import { call, newId } from "/static/api.js";
import { achievement, minutes, say } from "/static/look.js";
import { Outbox } from "/static/outbox.js";
import { session } from "/static/storage.js";

const at = (id) => document.getElementById(id);

export class Work {
  constructor(state) {
    this.state = state;
    this.session = newId(); // of this page as it was loaded: a duplicated tab is another one
    this.name = "";
    this.only = null; // number of the one label that is asked for
    this.again = null; // a round through what was skipped
    this.made = 0; // answers of this tab since it was opened
    this.times = []; // seconds of the last answers
    this.history = this.takeHistory(); // what can be undone: [{ name, ids, answers: [[task, answer], …] }, …]
    this.labels = new Map(); // number -> examples
    this.marks = new Map(); // "row/label" -> answer, of grids that are not sent yet
    this.outbox = new Outbox(state.votes, this.session, {
      changed: (outbox) => this.showSaved(outbox),
      answered: (reply) => this.reached(reply.progress),
      refused: (entry, error) => this.alarm(`The server refused an answer, and it was dropped: ${error.message}`),
    });
  }

  // Across loading the page again the history lies in sessionStorage, by number only, and nowhere while the page is open:
  // a duplicated tab gets a copy of sessionStorage, and must not undo what this one has made.
  takeHistory() {
    const key = `labelhedge:history:${this.state.serving}`;
    const found = JSON.parse(session.get(key) || "[]");
    session.remove(key);
    return found.map(({ name, ids, answers }) => ({ name, ids, answers: answers.map(([row, label, answer]) => [{ row, label }, answer]) }));
  }

  putHistory() {
    const bare = this.history.map(({ name, ids, answers }) => ({ name, ids, answers: answers.map(([task, answer]) => [task.row, task.label, answer]) }));
    if (bare.length) session.set(`labelhedge:history:${this.state.serving}`, JSON.stringify(bare)); // else undo ends here
  }

  who() {
    return { reviewer: this.name, session: this.session };
  }

  label(number) {
    return this.state.labels[number];
  }

  async examples(number) {
    if (!this.labels.has(number)) {
      const found = call("GET", `/api/labels/${number}`).then((reply) => reply.examples);
      found.catch(() => this.labels.delete(number));
      this.labels.set(number, found);
    }
    return this.labels.get(number).catch(() => []);
  }

  // While the next task is not there keys answer nothing: nobody answers what they have not seen.
  busy(view, is) {
    view.busy = is;
    document.body.toggleAttribute("data-busy", is);
  }

  // Keep answers: [[task, answer], …], made together, to be undone together.
  answer(answers, seconds) {
    const each = seconds / answers.length;
    const entries = answers.map(([task, answer]) => ({
      task: [task.row, task.label],
      vote: {
        id: newId(),
        sample: task.sample,
        label: this.label(task.label).id,
        reviewer: this.name,
        answer,
        seconds: Math.round(Math.min(each, 3600) * 100) / 100,
        session: this.session,
        sitting: task.sitting, // in which it was asked: the server that takes the vote may be a later one
      },
    }));
    this.outbox.add(...entries); // before anything else: from here on they are not lost
    this.history.push({ name: this.name, ids: entries.map((entry) => entry.vote.id), answers });
    this.limitHistory();
    const counted = answers.filter(([, answer]) => answer !== "skip").length;
    this.made += counted;
    for (let i = 0; i < counted; i++) this.times.push(each);
    this.times = this.times.slice(-60);
    this.guess(counted, answers.length - counted);
    achievement(this, counted);
  }

  // Take the last answers back; returns them: [[task, answer], …]. Those of an earlier visit are asked for first.
  async undo() {
    const last = this.history.at(-1);
    const tasks = last.answers.map(([task]) => task);
    const bare = tasks.filter((task) => !task.large);
    if (bare.length) {
      const found = await call("POST", "/api/tasks", { tasks: bare.map((task) => [task.row, task.label]) });
      bare.forEach((task, index) => Object.assign(task, found[index]));
    }
    this.history.splice(this.history.indexOf(last), 1);
    this.limitHistory();
    const counted = last.answers.filter(([, answer]) => answer !== "skip").length;
    this.made = Math.max(0, this.made - counted);
    this.outbox.add({ undo: { ids: last.ids, ...this.who() }, tasks: tasks.map((task) => [task.row, task.label]) });
    this.guess(-counted, counted - last.answers.length);
    return last.answers;
  }

  canUndo() {
    return this.history.length > 0 && this.history.at(-1).name === this.name;
  }

  limitHistory() {
    this.history = this.history.slice(-40);
    for (const button of document.querySelectorAll("[data-undo]")) button.disabled = !this.canUndo();
  }

  // Show at once what the server will say in a moment.
  guess(counted, skips) {
    if (!this.progress) return;
    this.progress.mine += counted;
    this.progress.skipped += skips;
    this.progress.open_to_me -= counted + skips;
    if (this.state.needed === 1) this.progress.done += counted;
    this.showProgress();
  }

  // The server has answered. Its progress is not of now (`current`) where an answer has been on its way meanwhile.
  reached(progress, current = true) {
    at("alert").hidden = this.outbox.state === "locked" || this.alarmed ? at("alert").hidden : true;
    if (!this.progress || (current && !this.outbox.entries.length)) this.progress = progress;
    this.down = false;
    this.showSaved(this.outbox);
    this.showProgress();
  }

  unreachable(error) {
    this.down = error.status === 403 ? "locked" : "offline";
    this.why = error.message;
    this.showSaved(this.outbox);
  }

  alarm(text) {
    this.alarmed = true;
    at("alert").textContent = text;
    at("alert").hidden = false;
  }

  // Of everybody where one vote is enough; of one's own where several are needed, as nothing would move otherwise.
  showProgress() {
    const { done, total, mine, open_to_me: open } = this.progress;
    const [part, whole] = this.state.needed > 1 ? [mine, mine + open] : [done, total];
    at("bar-all").style.width = `${(100 * part) / Math.max(whole, 1)}%`;
    at("count").textContent = `${part.toLocaleString()} of ${whole.toLocaleString()}`;
    at("progress").setAttribute("aria-label", `Progress: ${part} of ${whole} done`);
    at("pace").textContent = this.paceText(open);
  }

  paceText(open) {
    if (!this.made) return "";
    if (this.times.length < 5) return `${this.made} now`;
    const each = this.times.reduce((a, b) => a + b, 0) / this.times.length;
    return `${this.made.toLocaleString()} now · ${Math.round(60 / Math.max(each, 0.2))} a minute · ${minutes(open * each)}`;
  }

  showSaved(outbox) {
    const waiting = outbox.entries.filter((entry) => entry.vote).length;
    const answers = `${waiting} answer${waiting > 1 ? "s" : ""}`;
    const kept = !waiting ? "no answer is lost" : outbox.unkept ? `${answers} in this tab only, do not close it` : `${answers} kept here`;
    let state = outbox.state === "saved" && this.down ? this.down : outbox.state;
    if (state === "saving" && outbox.unkept) state = "unkept";
    const chip = at("saved");
    if (chip.dataset.state !== state && state === "offline") say(`No connection, ${kept}, trying again`);
    if (chip.dataset.state === "offline" && state === "saved") say("Connected again, all answers are saved");
    chip.dataset.state = state;
    chip.textContent = { saved: "Saved", saving: "Saving", unkept: "In this tab only", offline: "Trying again", locked: "Locked" }[state];
    const full = "This browser keeps nothing for the page (its storage is full or forbidden): leave the tab open until it says Saved";
    chip.title = { offline: "Try now", locked: "Open the address that the server prints", unkept: full }[state] || "";
    const text = {
      offline: `No connection to the server: ${kept}. Trying again by itself.`,
      locked: `The server refuses: ${outbox.state === "locked" ? outbox.why : this.why}. Until then ${kept}.`,
    }[state];
    if (text) {
      at("alert").textContent = text;
      at("alert").hidden = false;
    } else if (!this.alarmed) at("alert").hidden = true;
  }
}
