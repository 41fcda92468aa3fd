// Small pieces of the page: announcements, words with their evidence, bars and tables. Text only ever enters the page
// as text nodes.

const at = (id) => document.getElementById(id);

export function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// The same words once more would not be read out: they are numbered.
let said = "", times = 1;

export function say(text) {
  times = text === said ? times + 1 : 1;
  said = text;
  at("live").textContent = times > 1 ? `${text} (${times})` : text;
}

let fading;

export function note(text) {
  const line = at("note");
  line.textContent = text;
  line.classList.add("on");
  clearTimeout(fading);
  fading = setTimeout(() => line.classList.remove("on"), 2200);
}

// A word at round numbers; never in the way.
export function achievement(work, counted) {
  const marks = [10, 25, 50, 100, 150, 200, 300, 400, 500, 750, 1000];
  const passed = marks.filter((mark) => work.made - counted < mark && work.made >= mark).at(-1);
  if (passed) note(passed >= 1000 ? `${passed} in one go. Remarkable!` : passed >= 100 ? `${passed}. Time for a sip of tea?` : `${passed} done`);
}

export function minutes(seconds) {
  if (seconds <= 0) return "nothing left";
  if (seconds < 90) return "about a minute left";
  if (seconds < 5400) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${(seconds / 3600).toFixed(1)} h left`;
}

export function labelSize(element, text) {
  element.textContent = text;
  element.classList.toggle("long", text.length > 18);
}

// Pieces of a text, those that are evidence marked.
export function marked(text, evidence) {
  const found = evidence.filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!found.length) return [text];
  found.sort((a, b) => b.length - a.length);
  const pattern = new RegExp(`(?<!\\p{L})(${found.join("|")})(?!\\p{L})`, "giu");
  return text.split(pattern).map((part, index) => (index % 2 ? make("mark", { textContent: part }) : part));
}

// The words about a sample: titles and texts, then lists as chips, then evidence that stands in none of them.
export function words(box, { texts, lists, evidence }) {
  const parts = texts.map(({ name, text }) =>
    name === "title" ? make("p", { className: "title" }, ...marked(text, evidence))
    : make("p", { className: "text" }, `${name.replaceAll("_", " ")}: `, ...marked(text, evidence)),
  );
  for (const { words: list, more } of lists) {
    const chips = list.map((word) => make("span", { className: "word" }, ...marked(word, evidence)));
    if (more) chips.push(make("span", { className: "word more", textContent: `+${more}` }));
    parts.push(make("p", { className: "chips" }, ...chips));
  }
  const marks = parts.flatMap((part) => [...part.querySelectorAll("mark")]);
  const shown = marks.map((mark) => mark.textContent.toLowerCase());
  const other = evidence.filter((word) => !shown.includes(word.toLowerCase()));
  if (other.length) parts.unshift(make("p", { className: "chips" }, ...other.map((word) => make("span", { className: "word" }, make("mark", { textContent: word })))));
  if (!parts.length) parts.push(make("p", { className: "soft", textContent: "There are no words about this image." }));
  box.replaceChildren(...parts);
  box.scrollTop = 0;
}

// Example images: always as many places, so that nothing moves.
export function examples(box, found, places) {
  const tiles = found.slice(0, places).map(({ small, sample }) => make("img", { src: small, alt: `example ${sample}`, decoding: "async" }));
  if (!tiles.length) tiles.push(make("p", { className: "soft", textContent: "None yet" }));
  box.replaceChildren(...tiles);
}

export function reviewerTable(table, reviewers, mine) {
  const names = ["yes", "no", "unsure", "skip"];
  const head = make("tr", {}, make("th", { textContent: "reviewer" }), ...names.map((name) => make("th", { textContent: name })));
  const rows = Object.entries(reviewers).map(([reviewer, counts]) =>
    make("tr", {}, make("td", { textContent: reviewer === mine ? `${reviewer} (you)` : reviewer }), ...names.map((name) => make("td", { textContent: counts[name].toLocaleString() }))),
  );
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
}

export function labelBars(box, counts, labels) {
  const rows = counts.map(([number, done, total]) => {
    const bar = make("i");
    bar.style.width = `${(100 * done) / total}%`;
    return make("div", {}, make("span", { textContent: labels[number].name }), make("span", { className: "bar" }, bar), make("small", { textContent: `${done} / ${total}` }));
  });
  box.replaceChildren(...rows);
}

// Seconds in which the page was looked at, since `restart`.
export class Watch {
  constructor() {
    this.restart();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.spent += (performance.now() - this.since) / 1000;
      this.since = performance.now();
    });
  }

  restart() {
    this.spent = 0;
    this.since = performance.now();
  }

  seconds() {
    return this.spent + (document.hidden ? 0 : (performance.now() - this.since) / 1000);
  }
}

export const watch = new Watch();
