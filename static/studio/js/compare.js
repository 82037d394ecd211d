// Two to four clips under one playhead: side by side, flipped in place, or their difference.
import { calm } from "./deck.js";
import { frameAt, frameLength, lengthOf as measured, middleOf, momentAt, setTime, timeOf } from "./frames.js";
import { beforeLiveSwap } from "./live.js";
import { lettersOn, typing } from "./studio.js";
import { timecode } from "./timecode.js";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
const LATE_S = 0.25; // further off than this a clip is set right at once, nearer by its pace
const PULL = 0.12; // the most its pace is changed for that
const STALL_MS = 150; // one clip without data this long holds the others
const $ = (id) => document.getElementById(id);
const main = $("main");
const panes = [...main.querySelectorAll(".pane")];
const videos = panes.map((pane) => pane.querySelector("video"));
const seek = $("seek");
const frame = frameLength(main.dataset.fps);
const button = (name) => main.querySelector(`[data-do=${name}]`);

let chosen = 0;
let going = false; // somebody pressed play
let speed = 1;
let loop = true;
let sound = false;
let head = 0; // the playhead, in seconds
let wanted = 0; // counts what was asked for: only the last counts
let stalled = 0; // since when one clip has no data
let holding = false;

const lengthOf = (video) => measured(video, video.dataset.ms);
const longest = () => Math.max(...videos.map(lengthOf));
const master = () => videos.reduce((long, video) => (lengthOf(video) > lengthOf(long) ? video : long));
// A clip that is over shows its last frame.
const within = (video, seconds) => Math.max(0, Math.min(seconds, lengthOf(video) - frame / 2));

const once = (video, names) =>
  new Promise((resolve) => {
    const done = () => (names.forEach((name) => video.removeEventListener(name, done)), resolve());
    names.forEach((name) => video.addEventListener(name, done));
  });
async function place(video, seconds) {
  if (video.readyState < 1) await once(video, ["loadedmetadata", "error"]);
  const at = within(video, seconds);
  if (Math.abs(timeOf(video) - at) < 0.0005 && !video.seeking) return;
  setTime(video, at);
  await once(video, ["seeked", "error"]);
}

// ---- The playhead: every clip stands where it does ------------------------------------------------------
async function moveTo(seconds) {
  const mine = ++wanted;
  head = Math.max(0, Math.min(seconds, longest() - frame / 2));
  for (const video of videos) video.pause();
  paint();
  await Promise.all(videos.map((video) => place(video, head)));
  if (mine !== wanted) return;
  main.dataset.settled = wanted;
  if (going) run();
}
function run() {
  const mine = ++wanted;
  stalled = 0;
  holding = false;
  main.classList.remove("buffering");
  for (const video of videos) {
    video.playbackRate = speed;
    if (head < lengthOf(video) - frame) video.play().catch(() => {});
  }
  requestAnimationFrame(() => mine === wanted && tick(mine));
}
function tick(mine) {
  if (mine !== wanted || !going) return;
  const lead = master();
  if (lead.ended || timeOf(lead) >= lengthOf(lead) - frame / 4) return loop ? void moveTo(0) : stop(longest());
  const starving = videos.some((video) => video.readyState < 3 && !video.ended && head < lengthOf(video) - 2 * frame);
  if (!starving) stalled = 0;
  else stalled ||= performance.now();
  if (!holding) head = timeOf(lead);
  if (stalled && !holding && performance.now() - stalled > STALL_MS) {
    holding = true;
    for (const video of videos) video.pause();
    main.classList.add("buffering");
  } else if (holding && !stalled) return void moveTo(head);
  if (!holding) for (const video of videos) if (video !== lead) follow(video);
  paint();
  requestAnimationFrame(() => tick(mine));
}
function follow(video) {
  if (head >= lengthOf(video) - frame) return;
  const off = timeOf(video) - head;
  if (video.paused && !video.ended) video.play().catch(() => {});
  if (Math.abs(off) > LATE_S) setTime(video, head);
  const pull = Math.abs(off) > frame / 3 ? Math.max(-PULL, Math.min(off * 2, PULL)) : 0;
  const rate = speed * (1 - pull);
  if (Math.abs(video.playbackRate - rate) > 0.005) video.playbackRate = rate;
}
function play() {
  if (going) return;
  going = true;
  showState();
  moveTo(head >= longest() - 1.5 * frame ? 0 : head);
}
// All stand on the same frame when they stop.
function stop(at = head) {
  going = false;
  showState();
  return moveTo(middleOf(frameAt(at, frame), frame));
}
const go = (seconds) => moveTo(seconds);
const stepFrames = (frames) => {
  going = false;
  showState();
  return moveTo(middleOf(frameAt(head, frame) + frames, frame));
};

// ---- What the page shows --------------------------------------------------------------------------------
function showState() {
  main.classList.toggle("playing", going);
  button("play").setAttribute("aria-label", going ? "Pause all" : "Play all");
}
function paint() {
  seek.value = Math.round(head * 1000);
  seek.style.setProperty("--at", `${(100 * head) / longest()}%`);
  seek.setAttribute("aria-valuetext", `${head.toFixed(2)} of ${longest().toFixed(2)} seconds`);
  $("now").textContent = timecode(head);
  videos.forEach((video, index) => (panes[index].querySelector(".over").hidden = head < lengthOf(video) - frame / 4 || lengthOf(video) >= longest() - frame));
}
const letter = (index) => panes[index].id.slice(-1);
const view = () => main.dataset.view;
function showChoice() {
  // The difference is of the first and the chosen; of the first and the second if that is the first.
  const other = chosen || 1;
  panes.forEach((pane, index) => {
    pane.classList.toggle("on", index === chosen);
    pane.classList.toggle("under", view() === "difference" && index === 0);
    pane.classList.toggle("against", view() === "difference" && index === other);
    pane.querySelector("[data-choose]").setAttribute("aria-pressed", index === chosen);
  });
  videos.forEach((video, index) => (video.muted = !(sound && index === chosen)));
  const said = { side: "", flip: letter(chosen), difference: `${letter(0)} against ${letter(other)}` }[view()];
  if ($("which").textContent !== said) $("which").textContent = said;
}
function choose(index) {
  chosen = (index + panes.length) % panes.length;
  showChoice();
}
// In the side by side view the first press puts them in one place, the next ones flip.
function flip() {
  if (view() === "side") return setView("flip");
  if (view() === "difference" && panes.length > 2) return choose((chosen || 1) % (panes.length - 1) + 1);
  choose(chosen + 1);
}
function setView(name) {
  main.dataset.view = name;
  const radio = main.querySelector(`[name=view][value=${name}]`);
  radio.checked = true;
  const query = new URLSearchParams(location.search);
  if (name === "side") query.delete("view");
  else query.set("view", name);
  history.replaceState(history.state, "", `?${query}`);
  for (const back of main.querySelectorAll("[name=back]")) back.value = location.pathname + location.search;
  showChoice();
}

// ---- What people do ----------------------------------------------------------------------------------------
function pace(way, around = false) {
  let at = SPEEDS.indexOf(speed) + way;
  if (around && at >= SPEEDS.length) at = 0;
  speed = SPEEDS[Math.max(0, Math.min(at, SPEEDS.length - 1))];
  for (const video of videos) video.playbackRate = speed;
  button("speed").firstChild.textContent = `${speed}×`;
}
const actions = {
  play: () => (going ? stop() : play()),
  back: () => stepFrames(-1),
  on: () => stepFrames(1),
  loop: () => button("loop").setAttribute("aria-pressed", (loop = !loop)),
  flip,
  speed: () => pace(1, true),
  sound: () => {
    sound = !sound;
    button("sound").setAttribute("aria-pressed", sound);
    main.classList.toggle("muted", !sound);
    showChoice();
  },
};
main.addEventListener("click", (event) => {
  const name = event.target.closest("[data-do]")?.dataset.do;
  if (name) return actions[name]();
  const pane = event.target.closest(".pane");
  if (!pane) return;
  if (event.target.closest("[data-choose]")) return choose(panes.indexOf(pane));
  // One at a time, a tap on the picture flips it; side by side it plays.
  if (event.target.closest(".pic")) return view() === "side" ? actions.play() : flip();
});
main.addEventListener("focusin", (event) => {
  const index = panes.indexOf(event.target.closest(".pane"));
  if (index >= 0 && view() === "side") choose(index);
});
main.addEventListener("toggle", (event) => {
  if (!event.target.matches(".ask") || !event.target.open) return;
  if (going) stop();
  event.target.querySelector("textarea").focus();
}, true);
seek.addEventListener("input", () => go(seek.value / 1000));
$("views").addEventListener("change", (event) => setView(event.target.value));
document.body.addEventListener("htmx:configRequest", (event) => {
  const pane = event.detail.elt.closest?.(".judge")?.closest(".pane");
  if (!pane || !event.detail.parameters.text) return;
  event.detail.parameters.at_ms = momentAt(head, frameLength(pane.querySelector("video").dataset.fps));
});

const press = (selector) => panes[chosen].querySelector(selector)?.click();
const KEYS = {
  " ": actions.play, k: actions.play, j: () => pace(-1), l: () => pace(1), o: actions.loop, m: actions.sound,
  ",": actions.back, ".": actions.on, ArrowLeft: () => go(head - 1), ArrowRight: () => go(head + 1), Home: () => go(0), End: () => go(longest()),
  f: flip, d: () => setView(view() === "difference" ? "side" : "difference"), s: () => setView("side"),
  "[": () => choose(chosen - 1), "]": () => choose(chosen + 1),
  a: () => press(".judge .ok"), r: () => press(".judge .no"),
};
for (const stars of "012345") KEYS[stars] = () => press(`.judge [name=rating][value="${stars}"]`);
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open], .menu:popover-open")) return;
  const asking = event.key === "Escape" && event.target.closest?.(".ask[open]");
  if (asking) return (asking.open = false), asking.querySelector("summary").focus();
  if (typing(event.target)) return;
  const named = event.key.length > 1;
  const action = KEYS[named ? event.key : event.key.toLowerCase()];
  if (!action || (!named && event.key !== " " && !lettersOn())) return;
  if (event.key === " " && event.target.closest("button, a, summary")) return;
  if (named && event.target.closest("input, .takes")) return; // a control's own keys
  event.preventDefault();
  event.stopPropagation(); // S and the like go nowhere else here
  action();
}, { capture: true });

// ---- What others do: their ratings and verdicts, not under somebody's hands -----------------------------------
let asking = false;
async function refresh() {
  if (asking) return;
  asking = true;
  const response = await fetch(location.href).catch(() => null);
  asking = false;
  if (!response?.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const form of main.querySelectorAll(".judge")) {
    const other = fresh.getElementById(form.id);
    if (!other || form.querySelector("details[open]") || form.classList.contains("htmx-request")) continue;
    if (["rating", "verdict", "stands"].every((name) => form.dataset[name] === other.dataset[name])) continue;
    form.replaceWith(other);
    htmx.process(other);
  }
}
beforeLiveSwap((answer) => answer.querySelectorAll("[hx-swap-oob]:not(#live, #queue-pill)").forEach((piece) => piece.remove()));
document.body.addEventListener("htmx:oobAfterSwap", (event) => event.detail.target?.id === "live" && refresh());

for (const video of videos) video.controls = false;
$("transport").hidden = false;
main.classList.add("ready", "muted");
if (innerWidth <= 720 && !new URLSearchParams(location.search).has("view")) main.dataset.view = "flip";
setView(view());
showState();
if (calm.matches) moveTo(frame / 2);
else play();
