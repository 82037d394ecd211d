// The clip page: transport, timecode, comment marks, the keys of an editing desk, and what others
// do to the same clip, shown without taking the cursor or the words of whoever is typing.
import { frameAt, frameLength, lengthOf, middleOf, momentAt, placeOf, setTime, timeOf } from "./frames.js";
import { beforeLiveSwap } from "./live.js";
import { lettersOn, typing } from "./studio.js";
import { timecode } from "./timecode.js";

const SPEEDS = [0.25, 0.5, 1, 1.5, 2];
const $ = (id) => document.getElementById(id);
let desk = null; // the player on the page, if the shot plays
let hideDone = false;

function mount(player) {
  const video = player.querySelector("video");
  const frame = frameLength(player.dataset.fps);
  const length = () => lengthOf(video, player.dataset.duration);
  const seek = $("seek");
  const button = (name) => player.querySelector(`[data-do=${name}]`);
  video.controls = false;
  player.querySelector(".transport").hidden = false;

  // ---- What the page shows follows the video -------------------------------------------------
  const show = () => {
    if (!video.isConnected) return; // the page went on to another clip
    const at = timeOf(video);
    seek.value = Math.round(at * 1000);
    seek.style.setProperty("--at", `${(100 * at) / length()}%`);
    seek.setAttribute("aria-valuetext", `${at.toFixed(2)} of ${length().toFixed(2)} seconds`);
    $("now").textContent = timecode(at);
    player.dispatchEvent(new CustomEvent("playhead", { bubbles: true, detail: { ms: at * 1000, frameMs: frame * 1000, playing: !video.paused } }));
    // A drawing, or words from before an error, keep the moment they were made for.
    if (!$("say") || "pinned" in $("say").form.dataset) return;
    $("say-at").hidden = $("say-hint").hidden = false;
    $("at-ms").value = momentAt(at, frame);
    $("say-at").textContent = timecode($("at-ms").value / 1000);
  };
  const tick = () => {
    show();
    if (!video.paused && video.isConnected) requestAnimationFrame(tick);
  };
  const state = () => {
    player.classList.toggle("playing", !video.paused);
    button("play").setAttribute("aria-label", video.paused ? "Play" : "Pause");
    if (!video.paused) tick();
  };
  for (const event of ["seeking", "seeked", "loadedmetadata", "pause"]) video.addEventListener(event, show);
  for (const event of ["play", "pause"]) video.addEventListener(event, state);
  video.addEventListener("waiting", () => player.classList.add("buffering"));
  for (const event of ["playing", "canplay", "error"]) video.addEventListener(event, () => player.classList.remove("buffering"));
  show();

  // ---- What people do ---------------------------------------------------------------------------
  const pace = (step, around = false) => {
    let at = SPEEDS.indexOf(video.playbackRate) + step;
    if (around && at >= SPEEDS.length) at = 0;
    video.playbackRate = SPEEDS[Math.max(0, Math.min(at, SPEEDS.length - 1))];
    button("speed").firstChild.textContent = `${video.playbackRate}×`;
  };
  const go = (seconds, keepPlaying = false) => {
    if (!keepPlaying) video.pause();
    setTime(video, Math.max(0, Math.min(seconds, length() - frame / 2)));
  };
  const step = (frames) => go(middleOf(frameAt(timeOf(video), frame) + frames, frame));
  const actions = {
    play: () => (video.paused ? video.play().catch(() => {}) : video.pause()),
    loop: () => button("loop").setAttribute("aria-pressed", (video.loop = !video.loop)),
    mute: () => {
      video.muted = !video.muted;
      button("mute").setAttribute("aria-pressed", video.muted);
      player.classList.toggle("muted", video.muted);
    },
    full: () => (document.fullscreenElement ? document.exitFullscreen() : player.requestFullscreen()),
    speed: () => pace(1, true),
  };
  player.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name) actions[name]();
    else if (event.target === video) actions.play();
  });
  seek.addEventListener("input", () => go(seek.value / 1000));
  const keys = {
    " ": actions.play, k: actions.play, m: actions.mute, f: actions.full, o: actions.loop,
    j: () => pace(-1), l: () => pace(1), ",": () => step(-1), ".": () => step(1),
    ArrowLeft: () => go(timeOf(video) - 1, true), ArrowRight: () => go(timeOf(video) + 1, true),
    Home: () => go(0), End: () => go(length()),
  };
  return { player, video, seek, show, goTo: (ms) => go(placeOf(ms, frame)), keys };
}

function settle() {
  const player = $("player");
  if (!player) desk = null;
  else if (desk?.player !== player) desk = mount(player);
  desk?.show(); // a fresh comment form gets the playhead
  $("comments")?.classList.toggle("hide-done", hideDone);
  if ($("hide-done")) $("hide-done").checked = hideDone;
}
document.body.addEventListener("htmx:afterSettle", settle);
settle();

// The moment the page is at, for what stands beside the player: milliseconds, or null without one.
export const playhead = () => desk && { ms: timeOf(desk.video) * 1000, frameMs: 1000 * frameLength(desk.player.dataset.fps) };
export const goTo = (ms) => desk?.goTo(ms);

// ---- Keys ---------------------------------------------------------------------------------------
const OWN_KEYS = "button, a, summary, input[type=checkbox], input[type=radio], .takes";
document.addEventListener("keydown", (event) => {
  if (!desk || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target) || document.querySelector("dialog[open], .menu:popover-open")) return;
  const named = event.key.length > 1;
  const action = desk.keys[named ? event.key : event.key.toLowerCase()];
  if (!action || (!named && event.key !== " " && !lettersOn())) return;
  // Space presses what has the focus; arrows move within stars, takes and the track.
  if (event.key === " " && event.target.closest(OWN_KEYS)) return;
  if (named && (event.target === desk.seek || event.target.closest("input[type=radio], .takes"))) return;
  event.preventDefault();
  action();
});
document.addEventListener("click", (event) => {
  const moment = event.target.closest("[data-seek]");
  if (!moment || !desk) return;
  desk.goTo(Number(moment.dataset.seek));
  desk.player.scrollIntoView({ block: "nearest" });
});
// The second click of a double click must not take back what the first decided.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest(".verdict")) event.stopImmediatePropagation(), event.preventDefault();
}, true);
document.addEventListener("focusin", (event) => {
  if (event.target.id === "say") desk?.video.pause(); // the note belongs to the frame being looked at
});
document.addEventListener("change", (event) => {
  if (event.target.id !== "hide-done") return;
  hideDone = event.target.checked;
  settle();
});
if (!document.getElementById("say-mode")) document.body.addEventListener("sayfirst", () => $("say")?.focus());

// ---- What others do -------------------------------------------------------------------------------
const FIELDS = "textarea, input:not([type=hidden], [type=radio], [type=checkbox], [type=range])";
const isBusy = (piece) =>
  [...piece.querySelectorAll(FIELDS)].some((field) => field === document.activeElement || field.value !== field.defaultValue);

beforeLiveSwap((answer) => {
  if (answer.querySelector("#main")) {
    const title = document.querySelector(".rename[open] #title");
    const focused = title === document.activeElement;
    return title && (() => restoreTitle(title.value, focused));
  }
  for (const piece of answer.querySelectorAll("[hx-swap-oob]")) {
    const here = piece.id && $(piece.id);
    if (piece.id && (!here || isBusy(here))) piece.remove();
  }
  return undefined;
});
// The whole page came anew while a title was being typed.
function restoreTitle(value, focused) {
  const rename = document.querySelector(".rename");
  if (!rename) return;
  rename.open = true;
  $("title").value = value;
  if (focused) $("title").focus();
}
