// What the browser keeps for this page. It may refuse: full, or forbidden by its settings; then nothing is kept, and
// whoever calls is told.

const attempt = (act, otherwise) => {
  try {
    return act();
  } catch (error) {
    if (error instanceof DOMException) return otherwise;
    throw error;
  }
};

export class Kept {
  // `which`: localStorage or sessionStorage, by name, as reading the property may be forbidden already.
  constructor(which) {
    this.which = which;
  }

  get(key) {
    return attempt(() => window[this.which].getItem(key), null);
  }

  set(key, value) {
    return attempt(() => (window[this.which].setItem(key, value), true), false);
  }

  remove(key) {
    attempt(() => window[this.which].removeItem(key));
  }

  keys(prefix) {
    return attempt(() => Object.keys(window[this.which]).filter((key) => key.startsWith(prefix)), []);
  }
}

export const local = new Kept("localStorage");
export const session = new Kept("sessionStorage");
