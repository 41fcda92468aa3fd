// Votes and undos on their way to the server. They lie in localStorage until the server has said that it has them,
// so that neither a lost connection nor a closed browser loses one; each vote has its id from here, so that one that
// is sent twice counts once. They are sent in the order in which they were made. Where the browser keeps nothing, they
// are sent all the same, and the page says that they are in this tab only.

import { call, NoAnswer, pause } from "/static/api.js";
import { local } from "/static/storage.js";

const MOST = 50; // votes in a request
const FINAL = [409, 413, 422]; // refusals of what was sent; any other is of who sends it, and may pass

export class Outbox {
  // `store`: identity of the server's file of votes; `changed(outbox)`: called whenever the state changes;
  // `refused(entry, error)`: called for what the server will never take; `answered(reply)`: with each reply.
  constructor(store, session, { changed, refused, answered }) {
    this.key = `labelhedge:${store}:${session}`;
    this.prefix = `labelhedge:${store}:`;
    Object.assign(this, { session, changed, refused, answered });
    this.entries = this.left();
    this.state = "saved"; // saving, offline, locked
    this.running = false;
    this.steps = 0; // grows with all that is added and all that has arrived
    this.unkept = false; // some of them are in this tab only
    addEventListener("online", () => this.hurry());
  }

  // What earlier tabs left behind. It may be another's that is still open: sending a vote twice does no harm.
  left() {
    const found = [], read = [];
    for (const key of local.keys(this.prefix)) {
      try {
        found.push(...JSON.parse(local.get(key)));
        read.push(key);
      } catch {
        continue; // not ours to read: it stays
      }
    }
    for (const { undo } of found) if (undo) undo.session = this.session; // who gets the task again
    if (found.length && local.set(this.key, JSON.stringify(found))) read.forEach((key) => local.remove(key));
    return found;
  }

  add(...entries) {
    this.entries.push(...entries);
    this.steps += 1;
    this.keep();
    this.send();
  }

  // Tasks that were answered here and of which the server may not know yet.
  tasks() {
    return this.entries.filter((entry) => entry.vote).map((entry) => entry.task);
  }

  // Tasks whose answers are being taken back.
  undoing() {
    return this.entries.filter((entry) => entry.undo).flatMap((entry) => entry.tasks || []);
  }

  hurry() {
    if (this.wake) this.wake();
    this.send();
  }

  keep() {
    if (this.entries.length) this.unkept = !local.set(this.key, JSON.stringify(this.entries));
    else {
      local.remove(this.key);
      this.unkept = false;
    }
    this.changed(this);
  }

  set(state) {
    this.state = state;
    this.changed(this);
  }

  async send() {
    if (this.running) return;
    this.running = true;
    let delay = 400;
    while (this.entries.length) {
      if (this.state === "saved") this.set("saving");
      const batch = this.batch();
      try {
        const reply = batch[0].vote
          ? await call("PUT", "/api/votes", { votes: batch.map((entry) => entry.vote) })
          : await call("POST", "/api/undo", batch[0].undo);
        this.entries.splice(0, batch.length);
        this.steps += 1;
        this.set("saving");
        this.keep();
        this.answered(reply);
        delay = 400;
      } catch (error) {
        if (error instanceof NoAnswer || !FINAL.includes(error.status)) {
          this.why = error.message;
          this.set(error instanceof NoAnswer ? "offline" : "locked");
          await Promise.race([pause(delay), new Promise((resolve) => (this.wake = resolve))]);
          delay = Math.min(delay * 2, 3000);
        } else if (batch.length > 1) {
          this.single = batch.length; // one of them is refused: find it, keep the others
        } else {
          this.entries.shift();
          this.keep();
          this.refused(batch[0], error);
        }
      }
    }
    this.running = false;
    this.set("saved");
  }

  batch() {
    if (this.single > 0) {
      this.single -= 1;
      return this.entries.slice(0, 1);
    }
    const end = this.entries.findIndex((entry) => !entry.vote);
    return this.entries.slice(0, end === 0 ? 1 : end < 0 ? MOST : Math.min(end, MOST));
  }
}
