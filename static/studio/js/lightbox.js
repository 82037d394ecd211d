// The lightbox: one clip large, over the gallery or as a page of its own. It moves in the gallery's filter
// and order, beyond what that has loaded, and the address goes along.
import { calm, onSwipe, prepare, present, start, step, toggle } from "./deck.js";
import { frameLength, lengthOf, momentAt, timeOf } from "./frames.js";
import { beforeLiveSwap } from "./live.js";
import { showShortcuts } from "./shortcuts.js";
import { lettersOn, toast, typing } from "./studio.js";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
const AHEAD = 6; // the gallery's next page is asked for when so few cards are left
const page = document.querySelector(".lookpage");
const look = () => document.getElementById("look");
let dialog = null;
let gallery = null; // what the page was before: its title, the card, how far it was scrolled
const pieces = new Map(); // address -> promise of the fragment

// ---- Fetching -------------------------------------------------------------------------------------
async function ask(address) {
  const response = await fetch(address, { headers: { "HX-Request": "true", "HX-Current-URL": location.href } });
  const door = response.headers.get("HX-Redirect");
  if (door) location.assign(door);
  if (door || !response.ok) throw new Error(`${response.status}`);
  const piece = document.createElement("template");
  piece.innerHTML = await response.text();
  return piece.content.querySelector("#look");
}
function fetchOnce(address) {
  if (!pieces.has(address)) {
    const asked = ask(address);
    asked.catch(() => pieces.delete(address)); // asked again when it is wanted
    pieces.set(address, asked);
  }
  return pieces.get(address);
}

// ---- Showing ---------------------------------------------------------------------------------------
function put(fresh) {
  const video = fresh.querySelector("video");
  const shown = { src: video.getAttribute("src"), poster: video.getAttribute("poster"), label: video.getAttribute("aria-label") };
  // Taken out first: it would start to load beside the one that is ready.
  video.removeAttribute("src");
  const focused = document.activeElement?.closest?.("#look-earlier, #look-later, .fivebtn")?.id;
  if (look()) look().replaceWith(fresh);
  else dialog.append(fresh);
  htmx.process(fresh);
  mount(fresh, present(fresh.querySelector(".look-stage"), shown));
  const again = focused && document.getElementById(focused.replace(/^(give-\d)-.*/, `$1-${fresh.dataset.code}`));
  (again || fresh.querySelector(".t a")).focus({ preventScroll: true, focusVisible: false });
}

function mount(article, video) {
  const stage = article.querySelector(".look-stage");
  const bar = article.querySelector(".look-at");
  video.controls = false;
  const draw = () => (bar.value = (1000 * timeOf(video)) / lengthOf(video) || 0);
  for (const name of ["timeupdate", "seeked"]) video.addEventListener(name, draw);
  stage.addEventListener("click", (event) => event.target.closest("a, button") || toggle(video));
  onSwipe(stage, move);
  document.title = article.dataset.title;
  for (const side of ["later", "earlier"]) {
    if (!article.dataset[side]) continue;
    const address = article.dataset[side] + article.dataset.query;
    fetchOnce(address).then((next) => {
      const beside = next.querySelector("video");
      prepare(side === "later" && beside.getAttribute("src"), beside.getAttribute("poster"));
    }).catch(() => {});
  }
}

let moving = false;
let waiting = 0; // a key pressed while the clip before is still being fetched
async function move(way) {
  if (moving) return void (waiting = way);
  const from = look();
  const to = from.dataset[way < 0 ? "earlier" : "later"];
  if (!to) return say(way < 0 ? "This is the first clip." : "This is the last clip.");
  const address = to + from.dataset.query;
  moving = true;
  try {
    const fresh = await fetchOnce(address);
    pieces.delete(address);
    if (look() !== from) return;
    put(fresh);
    history.replaceState(dialog ? { look: address } : history.state, "", address);
    if (dialog) reach();
    refresh();
  } catch {
    say("Connection lost. This clip stays; try again in a moment.");
  } finally {
    moving = false;
    const next = waiting;
    waiting = 0;
    if (next && look()) move(next);
  }
}
function say(text) {
  look().querySelector("#look-said").textContent = text;
  look().querySelector(".look-bar").dataset.said = text;
  setTimeout(() => look()?.querySelector(".look-bar").removeAttribute("data-said"), 2500);
}

// What others did to this clip, and who stands beside it by now. What somebody types here stays.
async function refresh() {
  const at = look();
  if (!at) return;
  const { address, key, query } = at.dataset;
  const fresh = await ask(`${address}${query ? "&" : "?"}key=${key}`).catch(() => null);
  if (!fresh || look() !== at) return;
  for (const side of ["earlier", "later"]) {
    at.dataset[side] = fresh.dataset[side];
    const link = document.getElementById(`look-${side}`);
    Idiomorph.morph(link, fresh.querySelector(`#look-${side}`).outerHTML);
  }
  const form = at.querySelector(".judge");
  const other = fresh.querySelector(".judge");
  const same = ["rating", "verdict", "stands"].every((name) => form.dataset[name] === other.dataset[name]);
  if (same || form.querySelector("details[open]") || form.classList.contains("htmx-request")) return;
  form.replaceWith(other);
  htmx.process(other);
}

// ---- Over the gallery ---------------------------------------------------------------------------------
const cardOf = (code) => document.getElementById(`clip-${code}`);
function filterOf(search) {
  const query = new URLSearchParams(search);
  query.delete("after"); // a page of the list is no filter
  return query.size ? `?${query}` : "";
}
const addressOf = (card) => card.querySelector(".lookat").pathname + filterOf(location.search);
async function open(address, { push = true } = {}) {
  if (dialog) return;
  gallery = { title: document.title, top: scrollY, code: address.match(/look\/([0-9a-f-]+)/)[1] };
  dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  dialog.setAttribute("aria-label", "Lightbox");
  dialog.addEventListener("cancel", (event) => (event.preventDefault(), leave()));
  dialog.addEventListener("wheel", (event) => event.target.closest("textarea") || event.preventDefault(), { passive: false });
  const mine = dialog;
  try {
    const fresh = await ask(address);
    if (dialog !== mine) return;
    document.body.append(dialog);
    dialog.showModal();
    put(fresh);
    if (push) {
      history.scrollRestoration = "manual"; // coming back, the card decides and not the browser
      history.pushState({ look: address }, "", address);
    }
    reach();
  } catch {
    dialog = null;
    toast("The clip could not be opened. Try again in a moment.", { tone: "error" });
  }
}
const leave = () => (dialog ? history.back() : look().querySelector("[data-shut]").click());
function shut() {
  const code = look()?.dataset.code;
  dialog.remove();
  dialog = null;
  pieces.clear();
  document.title = gallery.title;
  const card = cardOf(code) ?? cardOf(gallery.code);
  scrollTo({ top: gallery.top, behavior: "instant" });
  card?.querySelector("h3 a").focus({ preventScroll: true, focusVisible: true });
  card?.scrollIntoView({ block: "nearest", behavior: "instant" });
  history.scrollRestoration = "auto";
}
// The gallery behind keeps up, so that its card is there to come back to.
function reach() {
  const more = document.querySelector("#sheet > .more");
  if (!dialog || !more || more.classList.contains("htmx-request")) return;
  const all = [...document.querySelectorAll("#sheet > .clip")];
  const at = all.indexOf(cardOf(look()?.dataset.code));
  if (at < 0 || at >= all.length - AHEAD) htmx.trigger(more, "revealed");
}
if (!page) document.body.addEventListener("htmx:afterSettle", () => dialog && reach());

// Before htmx's own: it would fetch the gallery anew, which is still there beneath.
addEventListener("popstate", (event) => {
  const wanted = event.state?.look;
  if (page || (!dialog && !wanted)) return;
  event.stopImmediatePropagation();
  if (!wanted) shut();
  else if (!dialog) open(wanted, { push: false });
  else ask(wanted).then(put, () => leave());
}, { capture: true });

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const opener = event.target.closest("#sheet .lookat");
  if (opener) {
    event.preventDefault();
    return void open(addressOf(opener.closest(".clip")));
  }
  const table = event.target.closest("[data-takes-filter]");
  if (table) table.search = filterOf(location.search); // as it is by now, not as the page came
  if (!look()) return;
  const side = event.target.closest("#look-earlier, #look-later");
  if (side) {
    event.preventDefault();
    move(side.id === "look-earlier" ? -1 : 1);
  }
  if (event.target.closest("[data-shut]") && dialog) {
    event.preventDefault();
    leave();
  }
  if (event.target.closest("[data-shows-keys]")) showShortcuts();
});
document.addEventListener("toggle", (event) => {
  const asking = event.target.matches?.(".judge .ask") && event.target;
  if (!asking?.open || !look()?.contains(asking)) return;
  look().querySelector("video").pause(); // the note belongs to the frame being looked at
  asking.querySelector("textarea").focus();
}, true);
document.body.addEventListener("htmx:configRequest", (event) => {
  const form = event.detail.elt.closest?.("#look .judge");
  if (form && event.detail.parameters.text) event.detail.parameters.at_ms = momentAt(timeOf(video()), frameLength(look().dataset.fps));
});
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (!event.detail.successful || !event.detail.pathInfo?.requestPath.endsWith("/judge/")) return;
  pieces.clear(); // what was fetched ahead may say otherwise
  document.body.dispatchEvent(new Event("changed"));
});
// The page's cursor moved: something in this project changed.
document.body.addEventListener("htmx:oobAfterSwap", (event) => event.detail.target?.id === "live" && look() && refresh());
if (page) beforeLiveSwap((answer) => answer.querySelectorAll("[hx-swap-oob]:not(#live)").forEach((piece) => piece.remove()));

// ---- Keys ------------------------------------------------------------------------------------------------
const video = () => look().querySelector("video");
const press = (selector) => look().querySelector(selector)?.click();
function pace(way) {
  const next = Math.max(0, Math.min(SPEEDS.indexOf(video().playbackRate) + way, SPEEDS.length - 1));
  video().playbackRate = SPEEDS[next];
  say(`${SPEEDS[next]}×`);
}
const KEYS = {
  ArrowLeft: () => move(-1), ArrowRight: () => move(1), "[": () => move(-1), "]": () => move(1),
  " ": () => toggle(video()), k: () => toggle(video()), j: () => pace(-1), l: () => pace(1),
  ",": () => step(video(), -1, look().dataset.fps), ".": () => step(video(), 1, look().dataset.fps),
  m: () => (video().muted = !video().muted, say(video().muted ? "Sound off" : "Sound on")),
  f: () => (document.fullscreenElement ? document.exitFullscreen() : look().requestFullscreen()),
  a: () => press(".judge .ok"), r: () => press(".judge .no"), Enter: () => location.assign(look().dataset.page),
  "?": () => showShortcuts(),
};
for (const stars of "012345") KEYS[stars] = () => press(`.judge [name=rating][value="${stars}"]`);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog.shortcuts[open]")) return;
  if (!look()) return openByKey(event);
  if (event.key === "Escape") {
    event.preventDefault();
    if (event.repeat) return;
    const asking = look().querySelector(".ask[open]");
    if (!asking) return leave();
    asking.open = false;
    return void asking.querySelector("summary").focus();
  }
  if (typing(event.target)) return;
  const named = event.key.length > 1;
  const action = KEYS[named ? event.key : event.key.toLowerCase()];
  if (!action || (!named && event.key !== " " && !lettersOn())) return;
  // Space and Enter press what has the focus, except the title that has it from the start.
  if ([" ", "Enter"].includes(event.key) && event.target.closest("button, summary, a:not(.t a)")) return;
  if (event.key === "Enter" && event.target.closest(".t a")) return;
  event.preventDefault();
  event.stopPropagation();
  if (!event.repeat || named || ",.".includes(event.key)) action();
}, { capture: true });
function openByKey(event) {
  const card = event.key === " " && event.target.closest?.("#sheet > .clip h3 a") && event.target.closest(".clip");
  if (!card || event.repeat || !card.querySelector(".lookat") || document.querySelector(".menu:popover-open")) return;
  event.preventDefault();
  open(addressOf(card));
}

if (page) {
  const first = look().querySelector("video");
  first.controls = false;
  mount(look(), first);
  if (calm.matches) first.pause();
  else start(first);
}
