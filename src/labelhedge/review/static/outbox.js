// Votes and undos on their way to the server. They lie in localStorage until the server has said that it has them,
// so that neither a lost connection nor a closed browser loses one; each vote has its id from here, so that one that
// is sent twice counts once. They are sent in the order in which they were made.

import { call, NoAnswer, pause } from "/static/api.js";

const MOST = 50; // votes in a request

export class Outbox {
  // `store`: identity of the server's file of votes; `changed(outbox)`: called whenever the state changes;
  // `refused(entry, error)`: called for what the server will never take; `answered(reply)`: with each reply.
  constructor(store, session, { changed, refused, answered }) {
    this.key = `labelhedge:${store}:${session}`;
    this.prefix = `labelhedge:${store}:`;
    Object.assign(this, { changed, refused, answered });
    this.entries = this.left();
    this.state = "saved"; // saving, offline, locked
    this.running = false;
    addEventListener("online", () => this.hurry());
  }

  // What this tab left behind, and any other that is gone: sending a vote twice does no harm.
  left() {
    const found = [];
    for (const key of Object.keys(localStorage).filter((key) => key.startsWith(this.prefix))) {
      try {
        found.push(...JSON.parse(localStorage.getItem(key)));
      } catch {
        continue; // not ours to read: it stays
      }
      if (key !== this.key) localStorage.removeItem(key);
    }
    if (found.length) localStorage.setItem(this.key, JSON.stringify(found));
    return found;
  }

  add(...entries) {
    this.entries.push(...entries);
    this.keep();
    this.send();
  }

  // Tasks that were answered here and of which the server may not know yet.
  tasks() {
    return this.entries.filter((entry) => entry.vote).map((entry) => entry.task);
  }

  hurry() {
    if (this.wake) this.wake();
    this.send();
  }

  keep() {
    if (this.entries.length) localStorage.setItem(this.key, JSON.stringify(this.entries));
    else localStorage.removeItem(this.key);
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
        this.set("saving");
        this.keep();
        this.answered(reply);
        delay = 400;
      } catch (error) {
        if (error instanceof NoAnswer || error.status === 403) {
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
