// Images on the screen: known to be there before anybody answers, and large on demand.

import { pause } from "/static/api.js";

const at = (id) => document.getElementById(id);

// Show an address in an <img>: true once it is there, false where it cannot be shown. While the server does not answer it
// is tried again, as long as it is `wanted()`.
export async function ready(image, address, wanted) {
  for (let tries = 0; wanted(); tries++) {
    image.src = address;
    try {
      await image.decode();
      return true;
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
    }
    if (!wanted()) break;
    const answer = await fetch(address).catch(() => null);
    const final = answer && answer.status < 500 && answer.status !== 403;
    if (final && (tries || !answer.ok)) return false;
    await pause(Math.min(300 * 2 ** tries, 3000));
  }
  return false;
}

export function enlarge(task) {
  const image = at("zoom-image");
  image.classList.remove("closer");
  image.src = task.large;
  image.alt = "The image, large";
  at("zoom").showModal();
  at("zoom-pane").scrollTo(0, 0);
}

// The large image: a click brings the place clicked closer, the next one shows all of it again.
export function listenToZoom(keyOf) {
  const zoom = at("zoom"), image = at("zoom-image"), pane = at("zoom-pane");
  image.addEventListener("click", (event) => {
    const box = image.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    if (!image.classList.toggle("closer")) return;
    pane.scrollTo(x * image.offsetWidth - pane.clientWidth / 2, y * image.offsetHeight - pane.clientHeight / 2);
  });
  pane.addEventListener("click", (event) => event.target === pane && zoom.close());
  at("zoom-close").addEventListener("click", () => zoom.close());
  zoom.addEventListener("keydown", (event) => {
    if (keyOf(event) !== "l") return;
    event.stopPropagation(); // or the page opens it again
    zoom.close();
  });
  // While the page itself is zoomed, a finger moves it, and answers nothing.
  window.visualViewport?.addEventListener("resize", () => document.body.classList.toggle("zoomed", zoomed()));
}

export const zoomed = () => (window.visualViewport?.scale ?? 1) > 1.05;
