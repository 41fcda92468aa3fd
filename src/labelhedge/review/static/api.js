// Requests to the server. A failure is either "no answer" (try again) or a refusal (do not).

const SERVING = "x-labelhedge-serving";

export class NoAnswer extends Error {}

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

let serving = null;
let left = () => {};

// What this page was made for goes with every request. Where the server is another one by now (another corpus or other
// votes at the same address), nothing of this page reaches it, and `then` is called.
export function belongs(to, then) {
  serving = to;
  left = then;
}

export async function call(method, path, body, { keepalive = false } = {}) {
  const options = { method, keepalive, credentials: "same-origin", headers: {}, signal: AbortSignal.timeout(15000) };
  if (serving) options.headers[SERVING] = serving;
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let answer, content;
  try {
    answer = await fetch(path, options);
    content = await answer.json();
  } catch (error) {
    throw new NoAnswer(error.message);
  }
  if (answer.status >= 500) throw new NoAnswer(`the server failed (${answer.status})`);
  if (answer.status === 409 && answer.headers.has(SERVING)) {
    left();
    throw new NoAnswer(reason(content));
  }
  if (!answer.ok) throw new Refused(answer.status, reason(content));
  return content;
}

function reason(content) {
  const detail = content && content.detail;
  if (!Array.isArray(detail)) return String(detail || "refused");
  return detail.map((item) => `${(item.loc || []).slice(1).join(".")}: ${item.msg.replace("Value error, ", "")}`).join("; ");
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// crypto.randomUUID exists on secure origins only, and a phone reaches this page over plain HTTP.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
