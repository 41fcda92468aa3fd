// The tasks of this tab: the ones on the screen and the next ones, whose images are loaded before they are needed.

import { call, NoAnswer, pause, Refused } from "/static/api.js";

const MOST = 96; // tasks that a request names
const pair = (task) => [task.row, task.label];
const within = (pairs, task) => pairs.some(([row, label]) => row === task.row && label === task.label);

export class Feed {
  // `lost(tasks)`: called for tasks on the screen that have got their votes from others.
  constructor(work, { size, ahead, oneLabel, lost }) {
    Object.assign(this, { work, size, ahead, oneLabel, lost });
    this.current = []; // on the screen
    this.next = []; // batches to come
    this.returned = []; // taken back, which the server may not know yet
    this.images = new Map(); // kept, so that the browser keeps them
    this.idle = false; // at the end: nothing is asked for, so that nothing is kept from others
    this.closed = false;
    this.behind = false; // tasks were taken while a request was on its way
  }

  holding() {
    return [...this.current, ...this.next.flat()].map(pair).slice(0, MOST);
  }

  // The next batch, when there is one; how many are with others, at the end. Waits for the server as long as it takes.
  async advance() {
    this.current = [];
    this.idle = false;
    while (!this.next.length && !this.closed) {
      const reply = await this.fill();
      if (this.closed || this.next.length) break;
      if (reply.refused) return reply;
      if (reply.asked && !reply.tasks.length) {
        this.idle = true;
        return { waiting: reply.waiting };
      }
    }
    if (this.closed) return { closed: true };
    this.current = this.next.shift();
    this.tell();
    if (this.filling) this.behind = true; // that request knows nothing of this one
    else this.fill(); // the one after it, meanwhile
    return { tasks: this.current };
  }

  // Tasks were taken back: they are on the screen again.
  back(tasks) {
    if (this.current.length) this.next.unshift(this.current);
    this.current = tasks;
    this.returned.push(...tasks.map(pair));
    this.idle = false;
    this.tell();
  }

  // One request at a time.
  fill() {
    this.filling ??= this.ask().finally(() => {
      this.filling = null;
      if (this.behind && !this.closed) this.fill();
      this.behind = false;
    });
    return this.filling;
  }

  wanted() {
    if (this.idle) return 0;
    if (this.size === 1) return Math.max(0, this.ahead - this.next.length);
    return this.next.length < this.ahead ? this.size : 0;
  }

  async ask() {
    const { work } = this;
    const count = this.wanted();
    for (let delay = 400; !this.closed; delay = Math.min(delay * 2, 3000)) {
      this.returned = work.outbox.undoing();
      const lists = { holding: this.holding(), answered: work.outbox.tasks().slice(-MOST) };
      const body = { ...work.who(), ...lists, count, one_label: this.oneLabel, label: work.only, again: work.again };
      const { steps } = work.outbox;
      try {
        const reply = await call("POST", "/api/next", body);
        work.reached(reply.progress, steps === work.outbox.steps);
        this.take(reply);
        return { ...reply, asked: count };
      } catch (error) {
        if (error instanceof Refused && error.status !== 403) return { refused: error };
        if (!(error instanceof NoAnswer || error instanceof Refused)) throw error;
        work.unreachable(error);
        await pause(delay);
      }
    }
    return { closed: true };
  }

  take(reply) {
    if (this.closed) return;
    const gone = (task) => within(reply.dropped, task) && !within(this.returned, task);
    this.next = this.next.map((batch) => batch.filter((task) => !gone(task))).filter((batch) => batch.length);
    if (this.size === 1) this.next.push(...reply.tasks.map((task) => [task]));
    else if (reply.tasks.length) this.next.push(reply.tasks);
    for (const task of reply.tasks) this.load(this.address(task));
    this.tell();
    const lost = this.current.filter(gone);
    this.current = this.current.filter((task) => !gone(task));
    if (lost.length) this.lost(lost);
  }

  address(task) {
    return this.size === 1 ? task.large : task.small;
  }

  // How many batches could be shown without the server.
  tell() {
    const there = (task) => {
      const image = this.images.get(this.address(task));
      return image?.complete && image.naturalWidth > 0;
    };
    document.body.dataset.ahead = this.next.filter((batch) => batch.every(there)).length;
  }

  load(address) {
    if (this.images.has(address)) return;
    const image = new Image();
    image.onload = () => this.closed || this.tell();
    image.src = address;
    this.images.set(address, image);
    if (this.images.size > 150) this.images.delete(this.images.keys().next().value);
  }

  close() {
    this.closed = true;
  }
}
