// The page: start screen, the two ways of looking, waiting and end; what they share is `work`.

import { belongs, call, newId, NoAnswer, pause, Refused } from "/static/api.js";
import { drawEnd, openPanel } from "/static/ends.js";
import { Grid } from "/static/grid.js";
import { keyOf } from "/static/keys.js";
import { make, note, say } from "/static/look.js";
import { listenToZoom } from "/static/picture.js";
import { Single } from "/static/single.js";
import { local } from "/static/storage.js";
import { Work } from "/static/work.js";

const at = (id) => document.getElementById(id);
const BEAT = 45000; // milliseconds between signs of life, well under the server's lease

let work, view;

function show(screen) {
  document.body.dataset.screen = screen;
  at("switch").textContent = view instanceof Grid ? "One by one" : "Grid";
  scrollTo(0, 0);
}

async function open(mode) {
  if (view) view.close();
  local.set("labelhedge:mode", mode);
  view = new (mode === "grid" ? Grid : Single)(work, { show, ended, refused });
  await view.start();
}

// The server takes no request of ours, of this name most likely: back to where it is given.
function refused(error) {
  view.close();
  view = null;
  document.body.removeAttribute("data-busy");
  at("start-refused").textContent = `The server refuses: ${error.message}`;
  at("start-refused").hidden = false;
  show("start");
  at("name").focus();
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
  work.again = null;
  show("end");
  await drawEnd(work);
}

async function toggle() {
  if (!["single", "grid", "end", "wait"].includes(document.body.dataset.screen)) return;
  const left = view.unfinished?.();
  await open(view instanceof Grid ? "single" : "grid");
  if (left) note(`${left} images of the grid are not sent yet: it keeps your marks`);
}

async function undo() {
  if (!view || view.busy || !work.canUndo()) return;
  const mine = view;
  work.busy(mine, true);
  try {
    const answers = await work.undo();
    say(`Taken back: ${answers.length > 1 ? `${answers.length} answers` : answers[0][1]}`);
    if (mine === view) view.back(answers);
  } catch (error) {
    if (!(error instanceof NoAnswer || error instanceof Refused)) throw error;
    if (mine === view) work.busy(mine, false);
    note(`This cannot be taken back now: ${error.message}`);
  }
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  if (document.querySelector("dialog[open]") || !view) return;
  const screen = document.body.dataset.screen;
  const key = keyOf(event);
  if (key === "?") at("keys").showModal();
  else if (key === "p") openPanel(work);
  else if (key === "g" && !event.repeat) toggle();
  else if ((key === "z" || key === "Backspace") && !event.repeat) undo();
  else if (!(screen === "single" || screen === "grid") || !view.key(key, event)) return;
  event.preventDefault();
}

async function begin(event) {
  event.preventDefault();
  const name = at("name").value.trim().replace(/\s+/g, " ");
  if (!name) return at("name").focus();
  work.name = name;
  work.only = at("only").value ? Number(at("only").value) : null;
  local.set("labelhedge:name", name);
  work.limitHistory();
  at("start-refused").hidden = true;
  at("name").blur();
  await open(new FormData(event.target).get("mode"));
}

function listen() {
  document.querySelector("#start form").addEventListener("submit", begin);
  at("switch").addEventListener("click", toggle);
  at("progress").addEventListener("click", () => openPanel(work));
  at("help").addEventListener("click", () => at("keys").showModal());
  at("saved").addEventListener("click", () => work.outbox.hurry());
  at("alert").addEventListener("click", () => {
    work.alarmed = false;
    at("alert").hidden = true;
  });
  at("again").addEventListener("click", () => {
    work.again = newId();
    view.start();
  });
  at("all-labels").addEventListener("click", () => {
    work.only = null;
    view.start();
  });
  for (const button of document.querySelectorAll("[data-undo]")) button.addEventListener("click", undo);
  addEventListener("keydown", onKey);
  listenToZoom(keyOf);
  addEventListener("pagehide", () => {
    work.putHistory();
    if (work.name) call("POST", "/api/release", work.who(), { keepalive: true }).catch(() => {});
  });
  addEventListener("pageshow", (event) => event.persisted && reload()); // it has let go of everything
  addEventListener("beforeunload", (event) => {
    const left = view?.unfinished?.();
    if (left || (work.outbox.unkept && work.outbox.entries.length)) event.preventDefault();
    if (left) setTimeout(() => note(`${left} images of this grid are not sent until you confirm them`)); // to who stays
  });
  document.addEventListener("visibilitychange", beat);
  setInterval(beat, BEAT);
}

// A sign of life, which also brings what has changed meanwhile. At the end it asks for nothing, until there is something.
async function beat() {
  if (document.hidden || !view) return;
  await view.feed.filling; // what is asked now is to be told now
  const reply = await view?.feed.fill();
  const more = reply?.progress && reply.progress.open_to_me > 0 && work.only === null;
  if (more && document.body.dataset.screen === "end") view.start();
}

// The server has another corpus or other votes by now. What is on its way stays in the browser, for the votes it is for.
function moved() {
  if (work.outbox.unkept) work.alarm("The server has other votes by now, and the last answers are in this tab only: start the former server again.");
  else reload();
}

// By the page itself, which asks nobody.
function reload() {
  view?.close();
  view = null;
  location.reload();
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
  belongs(state.serving, moved);
  document.title = `${state.corpus} · review`;
  at("corpus").textContent = state.corpus;
  at("name").value = local.get("labelhedge:name") || state.reviewer;
  const count = `${state.total.toLocaleString()} question${state.total > 1 ? "s" : ""}`;
  const votes = state.needed > 1 ? ` Each needs the answers of ${state.needed} people.` : "";
  at("start-what").textContent = `${count} about the images of ${state.corpus}.${votes}`;
  const mode = local.get("labelhedge:mode");
  if (mode === "grid") document.querySelector("input[value=grid]").checked = true;
  document.body.classList.toggle("defined", state.labels.some((label) => label.definition));
  at("only-field").hidden = state.asked.length < 2;
  const names = state.asked.map((number) => [state.labels[number].name, number]).sort(([a], [b]) => a.localeCompare(b));
  at("only").append(...names.map(([name, number]) => make("option", { value: number, textContent: name })));
  listen();
  show("start");
  at("name").focus();
  work.outbox.send(); // what an earlier visit left
}

boot();
