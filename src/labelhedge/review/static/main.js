// The page: start screen, the two ways of looking, waiting and end; what they share is `work`.

import { call, newId, NoAnswer, pause } from "/static/api.js";
import { Grid } from "/static/grid.js";
import { achievement, labelBars, minutes, reviewerTable, say } from "/static/look.js";
import { Outbox } from "/static/outbox.js";
import { Single } from "/static/single.js";

const at = (id) => document.getElementById(id);
const BEAT = 45000; // milliseconds between signs of life, well under the server's lease

class Work {
  constructor(state) {
    this.state = state;
    this.session = sessionStorage.getItem("labelhedge:session") || newId();
    sessionStorage.setItem("labelhedge:session", this.session);
    this.name = "";
    this.skipped = false;
    this.made = 0; // answers of this tab since it was opened
    this.times = []; // seconds of the last answers
    this.history = JSON.parse(sessionStorage.getItem(this.historyKey()) || "[]");
    this.labels = new Map(); // number -> examples
    this.outbox = new Outbox(state.votes, this.session, {
      changed: (outbox) => this.showSaved(outbox),
      answered: (reply) => this.reached(reply.progress),
      refused: (entry, error) => this.alarm(`The server refused an answer, and it was dropped: ${error.message}`),
    });
  }

  historyKey() {
    return `labelhedge:history:${this.state.votes}`;
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
      },
    }));
    this.history.push({ name: this.name, ids: entries.map((entry) => entry.vote.id), answers });
    this.keepHistory();
    const counted = answers.filter(([, answer]) => answer !== "skip").length;
    this.made += counted;
    for (let i = 0; i < counted; i++) this.times.push(each);
    this.times = this.times.slice(-60);
    this.outbox.add(...entries);
    this.guess(counted, answers.length - counted);
    achievement(this, counted);
  }

  // Take the last answers back; returns them: [[task, answer], …].
  undo() {
    const last = this.history.pop();
    if (!last) return null;
    this.keepHistory();
    const counted = last.answers.filter(([, answer]) => answer !== "skip").length;
    this.made = Math.max(0, this.made - counted);
    this.outbox.add({ undo: { ids: last.ids, ...this.who() } });
    this.guess(-counted, counted - last.answers.length);
    return last.answers;
  }

  canUndo() {
    return this.history.length > 0 && this.history.at(-1).name === this.name;
  }

  keepHistory() {
    this.history = this.history.slice(-40);
    sessionStorage.setItem(this.historyKey(), JSON.stringify(this.history));
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

  reached(progress) {
    at("alert").hidden = this.outbox.state === "locked" || this.alarmed ? at("alert").hidden : true;
    if (!this.outbox.entries.length || !this.progress) this.progress = progress;
    this.down = false;
    this.showSaved(this.outbox);
    this.showProgress();
  }

  unreachable(error) {
    this.down = error.status === 403 ? "locked" : "offline";
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
    if (this.times.length < 5) return this.made ? `${this.made} now` : "";
    const each = this.times.reduce((a, b) => a + b, 0) / this.times.length;
    return `${this.made.toLocaleString()} now · ${Math.round(60 / Math.max(each, 0.2))} a minute · ${minutes(open * each)}`;
  }

  showSaved(outbox) {
    const waiting = outbox.entries.filter((entry) => entry.vote).length;
    const state = outbox.state === "saved" && this.down ? this.down : outbox.state;
    const kept = waiting ? `${waiting} answer${waiting > 1 ? "s" : ""} kept here` : "no answer is lost";
    const chip = at("saved");
    if (chip.dataset.state !== state && state === "offline") say(`No connection, ${kept}, trying again`);
    if (chip.dataset.state === "offline" && state === "saved") say("Connected again, all answers are saved");
    chip.dataset.state = state;
    chip.textContent = { saved: "Saved", saving: "Saving", offline: "Trying again", locked: "Locked" }[state];
    chip.title = { offline: "Try now", locked: "Open the address that the server prints" }[state] || "";
    const text = {
      offline: `No connection to the server: ${kept}. Trying again by itself.`,
      locked: `The server wants its token: open the address that it has printed. Until then ${kept}.`,
    }[state];
    if (text) {
      at("alert").textContent = text;
      at("alert").hidden = false;
    } else if (!this.alarmed) at("alert").hidden = true;
  }
}

let work, view;

function show(screen) {
  document.body.dataset.screen = screen;
  at("switch").textContent = view instanceof Grid ? "One by one" : "Grid";
  scrollTo(0, 0);
}

async function open(mode) {
  if (view) view.close();
  localStorage.setItem("labelhedge:mode", mode);
  view = new (mode === "grid" ? Grid : Single)(work, { show, ended });
  await view.start();
}

// Nothing to serve: all done, or the rest is with others.
async function ended(waiting) {
  if (waiting) {
    at("wait-text").textContent =
      waiting > 1 ? `${waiting} more questions are with other reviewers.` : "One more question is with another reviewer.";
    show("wait");
    const mine = view;
    await pause(2000);
    if (mine === view && document.body.dataset.screen === "wait") await view.start();
    return;
  }
  work.skipped = false;
  show("end");
  await drawEnd();
}

async function drawEnd() {
  for (let delay = 400; document.body.dataset.screen === "end"; delay = Math.min(delay * 2, 5000)) {
    try {
      while (work.outbox.entries.length) await pause(100);
      const found = await call("GET", `/api/progress?reviewer=${encodeURIComponent(work.name)}`);
      work.reached(found.progress);
      return fillEnd(found);
    } catch (error) {
      work.unreachable(error);
      await pause(delay);
    }
  }
}

function fillEnd(found) {
  const mine = found.reviewers[work.name] || { yes: 0, no: 0, unsure: 0, skip: 0 };
  const answered = mine.yes + mine.no + mine.unsure;
  const { done, total } = found.progress;
  at("end-text").textContent =
    done === total ? `All ${total.toLocaleString()} questions have their answers.`
    : `There is nothing more to ask you. ${done.toLocaleString()} of ${total.toLocaleString()} questions have all their answers.`;
  at("end-facts").replaceChildren(
    ...[["answered by you", answered], ["yes", mine.yes], ["no", mine.no], ["unsure", mine.unsure]].map(([name, value]) => {
      const item = document.createElement("div");
      item.append(Object.assign(document.createElement("dd"), { textContent: value.toLocaleString() }));
      item.append(Object.assign(document.createElement("dt"), { textContent: name }));
      return item;
    }),
  );
  at("again").hidden = !mine.skip;
  at("again").textContent = `Look at the ${mine.skip} that I skipped`;
  reviewerTable(at("end-reviewers"), found.reviewers, work.name);
  labelBars(at("end-labels"), found.labels, work.state.labels);
  say(`Done. Thank you! You have answered ${answered}.`);
}

async function openPanel() {
  if (!work || !work.name) return;
  at("panel").showModal();
  at("panel-text").textContent = "…";
  try {
    const found = await call("GET", `/api/progress?reviewer=${encodeURIComponent(work.name)}`);
    const { done, total } = found.progress;
    at("panel-text").textContent =
      `${done.toLocaleString()} of ${total.toLocaleString()} questions have ` +
      (work.state.needed > 1 ? `their ${work.state.needed} answers. ` : "their answer. ") +
      (work.made ? `You: ${work.paceText(work.progress.open_to_me)}.` : "");
    reviewerTable(at("panel-reviewers"), found.reviewers, work.name);
    labelBars(at("panel-labels"), found.labels, work.state.labels);
  } catch (error) {
    at("panel-text").textContent = `The server does not answer: ${error.message}`;
  }
}

async function toggle() {
  if (!["single", "grid", "end", "wait"].includes(document.body.dataset.screen)) return;
  await open(view instanceof Grid ? "single" : "grid");
}

function undo() {
  if (!work.canUndo() || view.busy) return;
  const answers = work.undo();
  view.back(answers);
  say(`Taken back: ${answers.length > 1 ? `${answers.length} answers` : answers[0][1]}`);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  if (document.querySelector("dialog[open]") || !view) return;
  const screen = document.body.dataset.screen;
  if (event.key === "?") at("keys").showModal();
  else if (event.key === "p") openPanel();
  else if (event.key === "g" && !event.repeat) toggle();
  else if ((event.key === "z" || event.key === "Backspace") && !event.repeat) undo();
  else if (!(screen === "single" || screen === "grid") || !view.key(event)) return;
  event.preventDefault();
}

async function begin(event) {
  event.preventDefault();
  const name = at("name").value.trim().replace(/\s+/g, " ");
  if (!name) return at("name").focus();
  work.name = name;
  localStorage.setItem("labelhedge:name", name);
  work.keepHistory();
  at("name").blur();
  await open(new FormData(event.target).get("mode"));
}

function listen() {
  document.querySelector("#start form").addEventListener("submit", begin);
  at("switch").addEventListener("click", toggle);
  at("progress").addEventListener("click", openPanel);
  at("help").addEventListener("click", () => at("keys").showModal());
  at("saved").addEventListener("click", () => work.outbox.hurry());
  at("alert").addEventListener("click", () => {
    work.alarmed = false;
    at("alert").hidden = true;
  });
  at("again").addEventListener("click", () => {
    work.skipped = true;
    view.start();
  });
  for (const button of document.querySelectorAll("[data-undo]")) button.addEventListener("click", undo);
  addEventListener("keydown", onKey);
  addEventListener("pagehide", () => {
    if (work.name) call("POST", "/api/release", work.who(), { keepalive: true }).catch(() => {});
  });
  addEventListener("pageshow", (event) => event.persisted && view?.feed.fill());
  setInterval(() => !document.hidden && view?.feed && view.feed.fill(), BEAT);
}

async function boot() {
  let state;
  for (let delay = 300; !state; delay = Math.min(delay * 2, 5000)) {
    try {
      state = await call("GET", "/api/state");
    } catch (error) {
      at("loading-text").textContent =
        error instanceof NoAnswer ? "The server does not answer. Trying again…" : `The server refuses: ${error.message}`;
      await pause(delay);
    }
  }
  work = new Work(state);
  document.title = `${state.corpus} · review`;
  at("corpus").textContent = state.corpus;
  at("name").value = state.reviewer || localStorage.getItem("labelhedge:name") || "";
  const count = `${state.total.toLocaleString()} question${state.total > 1 ? "s" : ""}`;
  const votes = state.needed > 1 ? ` Each needs the answers of ${state.needed} people.` : "";
  at("start-what").textContent = `${count} about the images of ${state.corpus}.${votes}`;
  const mode = localStorage.getItem("labelhedge:mode");
  if (mode === "grid") document.querySelector("input[value=grid]").checked = true;
  document.body.classList.toggle("defined", state.labels.some((label) => label.definition));
  listen();
  show("start");
  at("name").focus();
  work.outbox.send(); // what an earlier visit left
}

boot();
