// The gallery keeps itself current, plays what is rested on, and moves by the arrow keys.
import { beforeLiveSwap } from "./live.js";
import { lettersOn, toast, typing } from "./studio.js";

const sheet = () => document.getElementById("sheet");
const cards = () => [...document.querySelectorAll("#sheet > .clip")];

// ---- What changed: cards the page holds are swapped, the others go where the sort wants them ------
// A card's data-place is what it is sorted by, the first value first, such as 4-31.
function order(one, other) {
  const [a, b] = [one, other].map((card) => card.dataset.place.split("-").map(Number));
  const at = a.findIndex((value, index) => value !== b[index]);
  if (sheet().dataset.sort === "relevance") return -1;
  return at < 0 ? 0 : sheet().dataset.sort === "oldest" ? a[at] - b[at] : b[at] - a[at];
}

// Among the best matches what is new leads; what only changed waits for the next search.
function isOldMatch(card) {
  const [first] = cards();
  return sheet().dataset.sort === "relevance" && first && Number(card.dataset.n) <= parseInt(first.dataset.place, 10);
}

function place(card) {
  if (isOldMatch(card)) return;
  const next = cards().find((other) => order(card, other) < 0);
  // After the last card and with more pages to come: it comes with its page.
  if (!next && sheet().querySelector(".more")) return;
  card.removeAttribute("hx-swap-oob");
  if (next) next.before(card);
  else sheet().append(card);
  htmx.process(card);
}

const said = new Set(); // one toast a clip, however often it changes just then

beforeLiveSwap((answer) => {
  if (!sheet() || answer.querySelector("#gallery")) return undefined;
  const focused = document.activeElement?.closest?.(".clip");
  const next = focused && cards()[cards().indexOf(focused) + 1]?.id;
  for (const card of answer.querySelectorAll("article[hx-swap-oob]")) {
    if (document.getElementById(card.id)) continue;
    card.remove();
    if (card.classList.contains("clip") && !("hereOnly" in card.dataset)) place(document.importNode(card, true));
  }
  for (const box of answer.querySelectorAll("[data-once]")) {
    if (said.has(box.dataset.once)) box.remove();
    said.add(box.dataset.once);
  }
  return focused && (() => keepFocus(focused.id, next));
});
// The focus stays with its card; if that one went, the next has it.
function keepFocus(...ids) {
  if (document.activeElement !== document.body) return;
  const home = ids.map((id) => document.getElementById(id)).find(Boolean);
  (home?.querySelector("h3 a") ?? document.querySelector("#main h1"))?.focus({ preventScroll: true });
}
// A card can move between two pages, by its rating or a change: it is shown once.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (!event.detail.requestConfig?.elt?.classList?.contains("more")) return;
  const page = document.createElement("template");
  page.innerHTML = event.detail.serverResponse;
  for (const card of page.content.querySelectorAll(".clip")) if (document.getElementById(card.id)) card.remove();
  event.detail.serverResponse = page.innerHTML;
});

// ---- Resting on a card plays it; moving over it scrubs its strip --------------------------------
const REST_MS = 650;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let resting = 0;
let playing = null;

function stop() {
  clearTimeout(resting);
  if (!playing) return;
  const video = playing;
  playing = null;
  video.pause();
  video.removeAttribute("src"); // lets go of the download
  video.load();
  video.remove();
}
function rest(card) {
  stop();
  if (!card?.dataset.preview || calm.matches) return;
  resting = setTimeout(() => {
    if (!card.isConnected) return;
    const video = document.createElement("video");
    Object.assign(video, { src: card.dataset.preview, muted: true, loop: true, playsInline: true, className: "hoverplay" });
    video.setAttribute("aria-hidden", "true");
    video.tabIndex = -1;
    card.querySelector(".frame").append(video);
    playing = video;
    video.play().catch(() => playing === video && stop());
  }, REST_MS);
}
document.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse") return;
  const card = event.target.closest?.("#sheet > .clip");
  if (playing && card && card.contains(playing) && Math.abs(event.movementX) < 4) return;
  rest(card);
}, { passive: true });
document.addEventListener("focusin", (event) => {
  if (event.target.matches?.(":focus-visible")) rest(event.target.closest?.("#sheet > .clip"));
});
document.addEventListener("focusout", stop);
document.documentElement.addEventListener("pointerleave", stop);
document.addEventListener("visibilitychange", stop);
// A card that was swapped while it played takes its video away: let go of that too.
document.body.addEventListener("htmx:afterSettle", () => playing && !playing.isConnected && stop());

// ---- Keys: arrows move between cards, 1 to 5 rate, 0 clears -------------------------------------
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target) || !lettersOn() || document.querySelector("dialog[open], .menu:popover-open")) return;
  const current = document.activeElement.closest?.("#sheet > .clip");
  if (/^[0-5]$/.test(event.key) && current?.dataset.preview) return rate(current, event.key);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: "down", ArrowUp: "up" }[event.key];
  if (!step) return;
  const all = cards();
  const at = all.indexOf(current);
  const next = at < 0 ? all[0] : typeof step === "number" ? all[at + step] : neighbour(all, current, step);
  const link = next?.querySelector("h3 a");
  if (!link) return;
  event.preventDefault();
  link.focus({ focusVisible: true });
  next.scrollIntoView({ block: "nearest" });
});
function rate(card, rating) {
  const title = card.querySelector("h3").textContent;
  const values = { rating };
  htmx.ajax("POST", card.querySelector("h3 a").pathname + "rating/", { source: card, swap: "none", values }).then(() => {
    document.body.dispatchEvent(new Event("changed"));
    toast(rating === "0" ? `${title}: no rating` : `${title}: ${rating} of 5`);
  });
}
function neighbour(all, current, step) {
  const from = current.getBoundingClientRect();
  const middle = from.left + from.width / 2;
  const rows = all
    .map((card) => ({ card, box: card.getBoundingClientRect() }))
    .filter(({ box }) => (step === "down" ? box.top > from.top + 8 : box.top < from.top - 8));
  if (!rows.length) return null;
  const row = step === "down" ? Math.min(...rows.map(({ box }) => box.top)) : Math.max(...rows.map(({ box }) => box.top));
  const off = ({ box }) => Math.abs(box.left + box.width / 2 - middle);
  return rows.filter(({ box }) => Math.abs(box.top - row) < 8).sort((a, b) => off(a) - off(b))[0].card;
}
