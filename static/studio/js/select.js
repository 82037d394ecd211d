// Choosing clips in the gallery: boxes, shift, X and the arrows, a long press; or all that match.
import { lettersOn, typing } from "./studio.js";

const form = document.getElementById("picked");
const bar = form.querySelector(".selbar");
const allButton = form.querySelector("[data-pick-all]");
const tally = form.querySelector("[data-tally]");
const said = form.querySelector("[data-picked-said]");
const KEPT = `picked:${form.action}`;
const RUN = `bulk-run:${form.action}`;
const FREES = new Set(["archive", "delete", "restore", "retry"]); // what these were done to is elsewhere

let picked = new Set(); // codes, in the order chosen
let all = null; // {query, version, count, newest, but}: all that match, as of then
let matches = null; // how many match now, for the button
let anchor = null; // where a range begins
let sweep = null; // a range in the making: what was picked before it

const sheet = () => document.getElementById("sheet");
const cards = () => [...document.querySelectorAll("#sheet > .clip")];
const codeOf = (card) => card.id.slice(5);
const boxOf = (card) => card.querySelector(":scope > .pick");
const query = () => {
  const asked = new URLSearchParams(location.search);
  asked.delete("after");
  return asked.toString();
};
const size = () => (all ? all.count - all.but.size : picked.size);
const holds = (card) => (all ? Number(card.dataset.n) <= all.newest && !all.but.has(codeOf(card)) : picked.has(codeOf(card)));
const words = (count) => count.toLocaleString("en");

// ---- What is chosen, shown ----------------------------------------------------------------------
function show({ quiet = false } = {}) {
  for (const card of cards()) {
    const box = boxOf(card);
    if (box) box.checked = holds(card);
  }
  const count = size();
  const away = all ? 0 : [...picked].filter((code) => !document.getElementById(`clip-${code}`)).length;
  const text = all && !all.but.size ? `All ${words(count)} selected` : `${words(count)} selected${away ? `, ${words(away)} not shown` : ""}`;
  tally.textContent = text;
  document.body.classList.toggle("picking", count > 0);
  sheet()?.classList.toggle("picking", count > 0);
  for (const button of form.querySelectorAll("[data-when=few]")) button.hidden = count < 2 || count > 4;
  allButton.hidden = Boolean(all) || matches === null || matches <= picked.size;
  allButton.textContent = `All ${words(matches ?? 0)}`;
  form.elements.clips.value = all ? "" : [...picked].join(",");
  form.elements.query.value = all?.query ?? "";
  form.elements.version.value = all?.version ?? "";
  form.elements.but.value = all ? [...all.but].join(",") : "";
  if (quiet) return;
  said.textContent = count ? text : "Nothing selected";
  try {
    if (picked.size) sessionStorage.setItem(KEPT, [...picked].join(","));
    else sessionStorage.removeItem(KEPT);
  } catch {
    // Storage is full or forbidden: the choice lasts as long as the page.
  }
}

function set(card, on) {
  if (!boxOf(card)) return;
  const code = codeOf(card);
  if (all) on ? all.but.delete(code) : all.but.add(code);
  else on ? picked.add(code) : picked.delete(code);
}
function toggle(card, on = !holds(card)) {
  sweep = null;
  set(card, on);
  anchor = codeOf(card);
  changed();
}
function changed() {
  if (all && size() <= 0) all = null;
  if (size() && matches === null) askCount().catch(() => {});
  show();
}
function clear() {
  picked = new Set();
  all = anchor = sweep = matches = null;
  show();
}
// Gives up the choice, and with it the bar that may have the focus: that goes to a card, or the heading.
function leave(home) {
  clear();
  requestAnimationFrame(() => {
    if (document.activeElement !== document.body && !bar.contains(document.activeElement)) return;
    const link = home?.isConnected && home.querySelector("h3 a");
    (link || document.querySelector("#main h1"))?.focus({ preventScroll: true });
  });
}
// The first card after the chosen ones, which are about to go; else the last before them.
function beside() {
  const list = cards();
  const last = list.findLastIndex(holds);
  return list.slice(last + 1).find((card) => !holds(card)) ?? list.findLast((card) => !holds(card));
}
// From the anchor to this card; what an earlier end of the same range took in is let go.
function rangeTo(card) {
  const list = cards();
  const from = list.findIndex((one) => codeOf(one) === anchor);
  if (from < 0) return toggle(card, true);
  sweep ??= { picked: new Set(picked), but: new Set(all?.but) };
  picked = new Set(sweep.picked);
  if (all) all.but = new Set(sweep.but);
  const to = list.indexOf(card);
  const range = from <= to ? list.slice(from, to + 1) : list.slice(to, from + 1).reverse();
  for (const one of range) set(one, true);
  changed();
}

// ---- All that match -----------------------------------------------------------------------------
async function askCount() {
  const asked = query();
  matches = 0; // asked for once
  const response = await fetch(`${form.dataset.count}?query=${encodeURIComponent(asked)}`, { headers: { "HX-Request": "true" } });
  if (!response.ok) throw new Error(`count: ${response.status}`);
  const told = await response.json();
  matches = told.count;
  show({ quiet: true });
  return { query: asked, ...told, but: new Set() };
}
allButton.addEventListener("click", async () => {
  try {
    all = await askCount();
  } catch {
    said.textContent = "The clips could not be counted. Try again.";
    return;
  }
  picked = new Set();
  sweep = null;
  show();
});

// ---- By pointer ---------------------------------------------------------------------------------
const own = "button, input, summary, form, .plate, .lookat, .fail a, .flight a";
function inPicture(event, card) {
  if (event.target.closest(own)) return false;
  const box = card.querySelector(".frame").getBoundingClientRect();
  return event.clientY >= box.top && event.clientY <= box.bottom && event.clientX >= box.left && event.clientX <= box.right;
}
document.addEventListener("click", (event) => {
  const card = event.target.closest?.("#sheet > .clip");
  if (!card) return;
  if (pressed) {
    pressed = false;
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || !boxOf(card)) return;
  const box = event.target.closest(".pick");
  if (box) {
    if (event.shiftKey && anchor) rangeTo(card);
    else toggle(card, box.checked);
    return;
  }
  // Once something is chosen, pictures are for choosing; titles still lead to their clips.
  if (!inPicture(event, card) || !(size() || event.shiftKey)) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.shiftKey && anchor) rangeTo(card);
  else toggle(card);
}, true);

// A long press begins to choose where there is no box to see.
const PRESS_MS = 450;
let press = 0;
let pressed = false;
let start = null;
const letGo = () => clearTimeout(press);
document.addEventListener("pointerdown", (event) => {
  letGo();
  pressed = false;
  const card = event.target.closest?.("#sheet > .clip");
  if (event.pointerType !== "touch" || !card || !boxOf(card) || event.target.closest(own)) return;
  start = event;
  press = setTimeout(() => {
    pressed = true;
    navigator.vibrate?.(12);
    toggle(card);
  }, PRESS_MS);
}, { passive: true });
document.addEventListener("pointermove", (event) => {
  if (start && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > 10) letGo();
}, { passive: true });
for (const end of ["pointerup", "pointercancel", "scroll"]) document.addEventListener(end, letGo, { passive: true, capture: true });
document.addEventListener("contextmenu", (event) => {
  if (pressed && event.target.closest?.("#sheet > .clip")) event.preventDefault();
});

// ---- By key -------------------------------------------------------------------------------------
const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);
const focused = () => document.activeElement.closest?.("#sheet > .clip");
const elsewhere = (event) => event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open], .menu:popover-open");
document.addEventListener("keydown", (event) => {
  if (!event.shiftKey || !ARROWS.has(event.key) || elsewhere(event) || !lettersOn()) return;
  const card = focused();
  if (card && !sweep && codeOf(card) !== anchor) toggle(card, true);
}, true);
document.addEventListener("keydown", (event) => {
  if (elsewhere(event)) return;
  const card = focused();
  if (event.key === "Escape" && size()) {
    event.preventDefault();
    return leave(cards().find(holds));
  }
  if (!lettersOn() || !card) return;
  // gallery.js has moved the focus by now.
  if (event.shiftKey && ARROWS.has(event.key)) return rangeTo(card);
  if (event.key.toLowerCase() !== "x" || event.repeat) return;
  event.preventDefault();
  if (event.shiftKey && anchor) rangeTo(card);
  else toggle(card);
});

// ---- What is done with it -----------------------------------------------------------------------
function freshToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
form.addEventListener("reset", (event) => {
  event.preventDefault();
  leave(focused() ?? cards().find(holds));
});
form.addEventListener("click", (event) => {
  const button = event.target.closest("button[name=do]");
  if (!button) return;
  form.elements.request_token.value = freshToken(); // one press, one run
  button.closest(".menu")?.hidePopover();
}, true);
document.body.addEventListener("bulk", (event) => {
  const { action, run, going } = event.detail;
  if (going) sessionStorage.setItem(RUN, run);
  if (all || FREES.has(action)) leave(beside());
});
document.body.addEventListener("bulkover", () => sessionStorage.removeItem(RUN));

// ---- What else changes on the page --------------------------------------------------------------
const again = () => {
  if (all && all.query !== query()) return clear(); // another filter: those were not chosen
  show({ quiet: true });
};
for (const name of ["htmx:oobAfterSwap", "htmx:afterSwap", "htmx:afterSettle"]) document.body.addEventListener(name, () => (picked.size || all) && again());
new MutationObserver(() => (picked.size || all) && show({ quiet: true })).observe(document.getElementById("main"), { childList: true, subtree: true });
addEventListener("htmx:pushedIntoHistory", () => (matches = null));
addEventListener("pageshow", restore);

function restore() {
  const kept = sessionStorage.getItem(KEPT);
  if (kept && !picked.size && !all) picked = new Set(kept.split(","));
  if (picked.size) changed();
  const run = sessionStorage.getItem(RUN);
  // Left while it was going on: its toast comes back, and says how it ended.
  if (run && !document.getElementById(`bulk-${run}`)) htmx.ajax("GET", `/bulk/${run}/?toast=new`, { target: "#toasts", swap: "beforeend" });
}
