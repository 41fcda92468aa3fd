// The tasks of this tab: the ones on the screen and the next ones, whose images are loaded before they are needed.

import { call, NoAnswer, pause } from "/static/api.js";

const pair = (task) => [task.row, task.label];
const same = (a, b) => a[0] === b[0] && a[1] === b[1];

export class Feed {
  constructor(work, { size, ahead, oneLabel }) {
    Object.assign(this, { work, size, ahead, oneLabel });
    this.current = []; // on the screen
    this.next = []; // batches to come
    this.passed = []; // skipped once more, in a round through what was skipped
    this.images = new Map(); // kept, so that the browser keeps them
    this.closed = false;
  }

  holding() {
    const tasks = [...this.current, ...this.next.flat()].map(pair);
    return [...tasks, ...this.work.outbox.tasks(), ...this.passed].slice(0, 96);
  }

  // The next batch, when there is one; null at the end. Waits for the server as long as it takes.
  async advance() {
    this.current = [];
    while (!this.next.length && !this.closed) {
      const reply = await this.fill();
      if (this.closed || this.next.length) break;
      if (reply && reply.asked && !reply.tasks.length) return { waiting: reply.waiting };
    }
    if (this.closed) return { closed: true };
    this.current = this.next.shift();
    this.fill(); // the one after it, meanwhile
    return { tasks: this.current };
  }

  back(tasks) {
    if (this.current.length) this.next.unshift(this.current);
    this.current = tasks;
  }

  // One request at a time.
  fill() {
    this.filling ??= this.ask().finally(() => (this.filling = null));
    return this.filling;
  }

  async ask() {
    const wanted = this.size === 1 ? this.ahead - this.next.length : this.next.length < this.ahead ? this.size : 0;
    const body = { count: Math.max(0, wanted), one_label: this.oneLabel, holding: this.holding() };
    for (let delay = 400; !this.closed; delay = Math.min(delay * 2, 3000)) {
      try {
        const reply = await call("POST", "/api/next", { ...this.work.who(), ...body, skipped: this.work.skipped });
        this.take(reply);
        return { ...reply, asked: body.count };
      } catch (error) {
        if (!(error instanceof NoAnswer) && error.status !== 403) throw error;
        this.work.unreachable(error);
        await pause(delay);
        body.holding = this.holding();
      }
    }
    return null;
  }

  take(reply) {
    this.work.reached(reply.progress);
    if (this.closed) return;
    const gone = (task) => reply.dropped.some((other) => same(other, pair(task)));
    this.next = this.next.map((batch) => batch.filter((task) => !gone(task))).filter((batch) => batch.length);
    if (this.size === 1) this.next.push(...reply.tasks.map((task) => [task]));
    else if (reply.tasks.length) this.next.push(reply.tasks);
    document.body.dataset.ahead = this.next.length;
    for (const task of reply.tasks) this.load(this.size === 1 ? task.large : task.small);
  }

  load(address) {
    if (this.images.has(address)) return;
    const image = new Image();
    image.src = address;
    this.images.set(address, image);
    if (this.images.size > 150) this.images.delete(this.images.keys().next().value);
  }

  close() {
    this.closed = true;
  }
}
