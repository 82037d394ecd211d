// The chain page: plays clips one after another without a gap, keeps the playhead and the timeline
// together, and shows what others do to the chain without stopping anything.
import { frameAt, middleOf, setTime, timeOf } from "./frames.js";
import { beforeLiveSwap } from "./live.js";
import { lettersOn, typing } from "./studio.js";
import { timecode } from "./timecode.js";
import { layOut, segmentsTo } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const main = $("main");
const player = $("cutter");
const seek = () => $("scrubber");
const timeline = () => $("timeline");
const LATE_MS = 400; // a clip that takes longer to start shows that it is being waited for

// ---- The path: what plays, in order -----------------------------------------------------------
let chain = timeline().dataset.chain;
let cut = [];
let at = 0; // the segment under the playhead

function readPath() {
  const held = cut[at]?.id;
  const list = timeline().querySelector(`ol[data-chain="${chain}"]`) ?? timeline().querySelector("ol.line");
  chain = list.dataset.chain;
  cut = segmentsTo(list);
  at = Math.max(0, cut.findIndex((one) => one.id === held));
}

// ---- Two decks: one plays, the next waits beneath it with its first frame ready ----------------------
const first = player.querySelector("video");
const decks = first ? [first, first.cloneNode(false)] : [];
let deck = first;
let muted = false;
let going = false; // somebody pressed play
let handing = false; // the next deck is starting
let wanted = 0; // counts what was asked to be shown: only the last counts

for (const video of decks) {
  video.controls = false;
  video.removeAttribute("data-of");
}
if (first) {
  decks[1].classList.remove("on");
  decks[1].removeAttribute("src");
  decks[1].removeAttribute("poster");
  decks[1].setAttribute("aria-hidden", "true");
  first.after(decks[1]);
  player.querySelector(".transport").hidden = false;
}
const spare = () => decks.find((video) => video !== deck);

function load(video, one) {
  video.dataset.of = one.id;
  if (video.getAttribute("src") === one.src) return;
  video.preload = "auto";
  video.src = one.src;
}
const once = (video, names) =>
  new Promise((resolve) => {
    const done = () => (names.forEach((name) => video.removeEventListener(name, done)), resolve());
    names.forEach((name) => video.addEventListener(name, done));
  });

async function moveTo(video, seconds) {
  if (video.readyState < 1) await once(video, ["loadedmetadata", "error"]);
  if (Math.abs(timeOf(video) - seconds) > 0.001) {
    setTime(video, seconds);
    await once(video, ["seeked", "error"]);
  }
  if (video.readyState < 2) await once(video, ["loadeddata", "seeked", "error"]);
}

function raise(video) {
  const old = deck;
  deck = video;
  for (const one of decks) {
    one.classList.toggle("on", one === video);
    one.toggleAttribute("aria-hidden", one !== video);
  }
  if (old !== video) old.pause();
}

const nextPlayable = (index) => cut.findIndex((one, place) => place > index && one.src);

function prepareNext() {
  const next = cut[nextPlayable(at)];
  if (!next || !decks.length) return;
  const video = spare();
  load(video, next);
  moveTo(video, 0);
}

// Shows one moment of one segment; playing goes on if it was.
async function show(index, seconds, { select = true } = {}) {
  const mine = ++wanted;
  const one = cut[index];
  if (!one) return;
  handing = false;
  const left = cut[at];
  at = index;
  local = Math.max(0, Math.min(seconds, one.until - one.frame / 2));
  mark();
  if (select) choose();
  if (!one.src) {
    // It does not play yet: the playhead waits where it will stand.
    pause();
    return sayWhy(one);
  }
  say("");
  const video = deck.dataset.of === one.id ? deck : spare();
  load(video, one);
  if (video === deck && left === one && !going) setTime(video, local);
  else await moveTo(video, local);
  if (mine !== wanted) return;
  raise(video);
  if (going) start(video);
  prepareNext();
}

function start(video) {
  const late = setTimeout(() => player.classList.add("buffering"), LATE_MS);
  const settled = () => (clearTimeout(late), player.classList.remove("buffering"));
  return video.play().then(settled, () => (settled(), going && video === deck && video.paused && pause()));
}

// The next deck starts while the last frame of this one is still there, and takes over with its first.
function handOver() {
  const index = nextPlayable(at);
  if (index < 0) return cut[at].item.isConnected && deck.ended ? pause() : undefined;
  if (handing) return;
  handing = true;
  const mine = ++wanted;
  const video = spare();
  const one = cut[index];
  load(video, one);
  const take = () => {
    if (mine !== wanted || !going) return video.pause();
    raise(video);
    at = index;
    handing = false;
    mark();
    follow();
    prepareNext();
  };
  const begin = () => {
    if (mine !== wanted) return;
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(() => mine === wanted && handing && take());
    start(video).then(() => mine === wanted && handing && !video.requestVideoFrameCallback && take());
  };
  if (video.readyState >= 2 && timeOf(video) < 0.001 && !video.seeking) begin();
  else moveTo(video, 0).then(begin);
}

// ---- Playing --------------------------------------------------------------------------------------
let local = 0; // where in the segment the playhead is, in seconds

function tick() {
  if (!going) return;
  const one = cut[at];
  if (one?.src && deck.dataset.of === one.id) {
    local = timeOf(deck);
    if (deck.ended || local >= one.until - one.frame) handOver();
  }
  paint();
  requestAnimationFrame(tick);
}

function play() {
  if (going || !decks.length) return;
  const last = cut.findLastIndex((one) => one.src);
  const done = at > last || (at === last && local >= cut[at].until - 1.5 * cut[at].frame);
  let index = done ? 0 : at;
  if (!cut[index].src) index = nextPlayable(index);
  if (index < 0) return;
  going = true;
  player.classList.add("playing");
  button("play").setAttribute("aria-label", "Pause");
  show(index, index === at && !done ? local : 0, { select: false }).then(() => requestAnimationFrame(tick));
}

function pause() {
  if (!going) return;
  going = handing = false;
  for (const video of decks) video.pause();
  player.classList.remove("playing");
  button("play").setAttribute("aria-label", "Play the whole chain");
  paint();
  choose();
}

for (const video of decks) {
  video.addEventListener("ended", () => going && video === deck && handOver());
  video.addEventListener("waiting", () => video === deck && going && player.classList.add("buffering"));
  for (const name of ["playing", "canplay"]) video.addEventListener(name, () => player.classList.remove("buffering"));
  // Paused by the system (a phone call, headphones): the button says so.
  video.addEventListener("pause", () => going && video === deck && !handing && !video.ended && !document.hidden && pause());
}

const button = (name) => player.querySelector(`[data-do=${name}]`);
const now = () => (cut[at] ? cut[at].start + local : 0);
function goTo(seconds, options) {
  const index = cut.findLastIndex((one) => one.start <= seconds + 0.0005);
  if (index >= 0) show(index, seconds - cut[index].start, options);
}
function stepFrames(frames) {
  pause();
  const one = cut[at];
  const target = middleOf(frameAt(local, one.frame) + frames, one.frame);
  if (target < 0 && at > 0) return show(at - 1, cut[at - 1].until);
  if (target >= one.until && cut[at + 1]) return show(at + 1, 0);
  show(at, target, { select: false });
}
const actions = {
  play: () => (going ? pause() : play()),
  earlier: () => show(local > 1 || at === 0 ? at : at - 1, 0),
  later: () => at + 1 < cut.length && show(at + 1, 0),
  mute: () => {
    muted = !muted;
    for (const video of decks) video.muted = muted;
    button("mute").setAttribute("aria-pressed", muted);
    player.classList.toggle("muted", muted);
  },
  full: () => (document.fullscreenElement ? document.exitFullscreen() : player.requestFullscreen()),
};
player.addEventListener("click", (event) => {
  const name = event.target.closest("[data-do]")?.dataset.do;
  if (name) actions[name]();
  else if (event.target.closest(".decks")) actions.play();
});

// ---- What the page shows follows the playhead --------------------------------------------------------
function paint() {
  const head = $("playhead");
  head.style.setProperty("--at", now());
  head.style.setProperty("--in", cut[at]?.lane ?? 0);
  $("now").textContent = timecode(now());
  $("whole").textContent = timecode(cut.length ? cut.at(-1).start + cut.at(-1).length : 0);
  if (document.activeElement !== seek() || going) seek().value = now();
  seek().setAttribute("aria-valuetext", `${timecode(now())}, segment ${cut[at]?.label ?? ""}`);
}
function mark() {
  for (const item of timeline().querySelectorAll(".seg-li[aria-current]")) if (item !== cut[at]?.item) item.removeAttribute("aria-current");
  cut[at]?.item.setAttribute("aria-current", "true");
  $("playing").textContent = cut[at] ? `${cut[at].label}, ${cut[at].title}` : "";
  deck?.setAttribute("aria-label", $("playing").textContent);
  paint();
}
function sayWhy(one) {
  const words = one.item.querySelector(":scope > .strip .in .t")?.textContent ?? one.state;
  say(`${one.label} is not here yet: ${words.toLowerCase()}`);
}
function say(text) {
  $("unready").hidden = !text;
  $("unready").textContent = text;
}
// Keeps the playhead in view by scrolling the timeline alone, never the page.
function follow() {
  const view = timeline().getBoundingClientRect();
  const box = cut[at].item.getBoundingClientRect();
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
  if (box.left < view.left || box.left > view.right - 80) timeline().scrollBy({ left: box.left - view.left - 96, behavior });
}

// The panel and the address say what is selected; while it plays they wait until it stops.
let asking = 0;
function choose() {
  if (going || !cut[at]) return;
  clearTimeout(asking);
  asking = setTimeout(() => {
    const pk = cut[at]?.item.dataset.pk;
    if (going || !pk || ($("selected").dataset.segment === pk && timeline().dataset.chain === chain)) return;
    const address = `/chains/${chain}/?segment=${pk}`;
    history.replaceState(history.state, "", address);
    // Another path is another choice in the export block too; else that is left alone.
    const exports = timeline().dataset.chain === chain ? "" : "&with=exports";
    htmx.ajax("GET", address + exports, { source: timeline(), target: timeline(), swap: "none" });
  }, 120);
}
// Asked before another path was chosen: what it says is of the wrong one.
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const asked = event.detail.requestConfig;
  if (asked?.elt === timeline() && !asked.path.includes(chain)) event.detail.shouldSwap = false;
  turnsSeen = turns;
});
let turns = 0; // counts the choices of another path
let turnsSeen = 0; // how many there had been when the last answer was swapped in
function pathTo(code) {
  if (code === chain) return;
  turns += 1;
  chain = code;
  const kept = cut[at]?.id;
  readPath();
  for (const item of timeline().querySelectorAll(".seg-li")) item.classList.toggle("off", !cut.some((one) => one.item === item));
  at = Math.max(0, cut.findIndex((one) => one.id === kept));
}

// ---- Pointing ---------------------------------------------------------------------------------------
document.addEventListener("click", (event) => {
  const strip = event.target.closest(".timeline a[id^=strip-]");
  if (!strip || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const item = strip.closest(".seg-li");
  if (!cut.some((one) => one.item === item)) pathTo(item.parentElement.dataset.chain);
  const index = cut.findIndex((one) => one.item === item);
  const box = strip.getBoundingClientRect();
  // From the keyboard a click has no place: then it is the segment's beginning.
  const part = event.detail ? (event.clientX - box.left) / box.width : 0;
  show(index, Math.max(0, Math.min(part, 1)) * cut[index].length);
});
document.addEventListener("input", (event) => {
  if (event.target.id !== "scrubber") return;
  goTo(Math.min(Number(event.target.value), cut.at(-1).start + cut.at(-1).length - 0.001));
});

// ---- Keys ---------------------------------------------------------------------------------------------
function otherPath(step) {
  const lists = [...timeline().querySelectorAll("ol[data-chain]")].sort((a, b) => (a.dataset.lane ?? 0) - (b.dataset.lane ?? 0));
  const next = lists[lists.findIndex((list) => list.dataset.chain === chain) + step];
  if (!next) return;
  pathTo(next.dataset.chain);
  const index = cut.findIndex((one) => one.item.parentElement === next);
  const still = cut.findIndex((one) => one.start <= now() && now() < one.start + one.length);
  show(Math.max(index, still, 0), 0);
  follow();
}
function beside(step) {
  const next = at + step;
  if (!cut[next]) return;
  show(next, 0);
  follow();
}
const KEYS = {
  " ": actions.play, k: actions.play, m: actions.mute, f: actions.full,
  ",": () => stepFrames(-1), ".": () => stepFrames(1),
  ArrowLeft: () => beside(-1), ArrowRight: () => beside(1), ArrowUp: () => otherPath(-1), ArrowDown: () => otherPath(1),
  Home: () => show(0, 0), End: () => show(cut.length - 1, cut.at(-1).until),
};
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target) || document.querySelector("dialog[open], .menu:popover-open")) return;
  const named = event.key.length > 1;
  const action = KEYS[named ? event.key : event.key.toLowerCase()];
  if (!action || !cut.length || (!named && event.key !== " " && !lettersOn())) return;
  if (event.key === " " && event.target.closest("button, a, summary, select")) return;
  if (named && event.target === seek()) return; // a slider's own keys
  event.preventDefault();
  action();
});

// ---- What others do: swapped in pieces, never under somebody's hands -------------------------------
const FIELDS = "textarea, input:not([type=hidden], [type=radio], [type=checkbox], [type=range])";
const isBusy = (piece) =>
  [...piece.querySelectorAll(FIELDS)].some((field) => field === document.activeElement || field.value !== field.defaultValue);
beforeLiveSwap((answer) => {
  turnsSeen = turns;
  const stale = answer.querySelector("#timeline")?.dataset.chain !== chain;
  for (const piece of answer.querySelectorAll("[hx-swap-oob]")) {
    const here = piece.id && $(piece.id);
    if (piece.id && (!here || isBusy(here) || (stale && piece.id !== "queue-pill"))) piece.remove();
  }
});
// The playhead and the mark of the segment under it belong to this page, not to the server's answer.
const mayChange = Idiomorph.defaults.callbacks.beforeAttributeUpdated;
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node, kind) =>
  !(node.id === "playhead" && name === "style") &&
  !(node.id === "scrubber" && (name === "hidden" || name === "value")) &&
  !(name === "aria-current" && node.matches?.(".seg-li")) &&
  mayChange(name, node, kind);

document.body.addEventListener("htmx:afterSettle", () => {
  if (!timeline()) return;
  const moved = document.body.querySelector("#selected")?.dataset.segment;
  // Between a swap and its settling a key may have chosen another path: that one is shown.
  if (turns === turnsSeen) chain = timeline().dataset.chain;
  const held = cut[at]?.id;
  readPath();
  layOut(timeline());
  seek().hidden = false;
  if (!cut.length) return;
  if (!cut.some((one) => one.id === held)) {
    // What the playhead stood on is gone, or the path is another one.
    const index = Math.max(0, cut.findIndex((one) => one.item.dataset.pk === moved));
    return show(index, 0);
  }
  if (!cut[at].src) sayWhy(cut[at]);
  else if (!$("unready").hidden && !going) return show(at, local, { select: false }); // it plays by now
  mark();
  if (!handing) prepareNext();
});

// A page that opened before anything played is another page once something does.
if (!first) {
  document.body.addEventListener("htmx:afterSettle", () => timeline().querySelector(".seg-li[data-src]") && location.reload());
}

readPath();
layOut(timeline());
seek().hidden = false;
main.classList.add("ready");
const opened = cut.findIndex((one) => one.item.hasAttribute("aria-current"));
at = Math.max(0, opened);
if (first) {
  decks[0].dataset.of = cut[at]?.src === first.getAttribute("src") ? cut[at].id : "";
  show(at, 0, { select: false });
} else mark();
