// The end, and how far everybody is.

import { call, pause } from "/static/api.js";
import { labelBars, reviewerTable, say } from "/static/look.js";

const at = (id) => document.getElementById(id);

export async function drawEnd(work) {
  for (let delay = 400; document.body.dataset.screen === "end"; delay = Math.min(delay * 2, 5000)) {
    try {
      while (work.outbox.entries.length) await pause(100);
      const found = await call("GET", `/api/progress?reviewer=${encodeURIComponent(work.name)}`);
      work.reached(found.progress);
      return fillEnd(work, found);
    } catch (error) {
      work.unreachable(error);
      await pause(delay);
    }
  }
}

function fillEnd(work, found) {
  const mine = found.reviewers[work.name] || { yes: 0, no: 0, unsure: 0, skip: 0 };
  const answered = mine.yes + mine.no + mine.unsure;
  const { done, total } = found.progress;
  const only = work.only !== null && `No question about “${work.label(work.only).name}” is left for you.`;
  at("end-text").textContent =
    only ? only
    : done === total ? `All ${total.toLocaleString()} questions have their answers.`
    : `There is nothing more to ask you. ${done.toLocaleString()} of ${total.toLocaleString()} questions have all their answers.`;
  at("end-facts").replaceChildren(
    ...[["answered by you", answered], ["yes", mine.yes], ["no", mine.no], ["unsure", mine.unsure]].map(([name, value]) => {
      const item = document.createElement("div");
      item.append(Object.assign(document.createElement("dd"), { textContent: value.toLocaleString() }));
      item.append(Object.assign(document.createElement("dt"), { textContent: name }));
      return item;
    }),
  );
  at("all-labels").hidden = !(only && found.progress.open_to_me);
  at("again").hidden = !mine.skip;
  at("again").textContent = `Look at the ${mine.skip} that I skipped`;
  reviewerTable(at("end-reviewers"), found.reviewers, work.name);
  labelBars(at("end-labels"), found.labels, work.state.labels);
  say(`Done. Thank you! You have answered ${answered}.`);
}

export async function openPanel(work) {
  at("panel").showModal();
  at("panel-text").textContent = "…";
  const onTheirWay = work.outbox.entries.length;
  await fillPanel(work);
  if (!onTheirWay) return;
  while (at("panel").open && work.outbox.entries.length) await pause(100);
  if (at("panel").open) await fillPanel(work); // with them
}

async function fillPanel(work) {
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
