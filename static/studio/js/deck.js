// What the lightbox and the light table share: clips that are ready before they are asked for, and
// the hands that move between them.
import { frameAt, frameLength, lengthOf, middleOf, setTime, timeOf } from "./frames.js";

const KEPT = 4; // videos kept ready
const SWIPE_PX = 48;
const warm = new Map(); // address -> video, the longest unused first

export const calm = matchMedia("(prefers-reduced-motion: reduce)");

function release(video) {
  video.removeAttribute("src"); // lets go of the download
  video.load();
}

// Starts fetching a clip and its poster that will probably be looked at next.
export function prepare(src, poster) {
  if (poster) new Image().src = poster;
  if (!src || warm.has(src)) return;
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true, preload: "auto", src });
  warm.set(src, video);
  for (const old of [...warm.keys()].slice(0, -KEPT)) {
    release(warm.get(old));
    warm.delete(old);
  }
}

// Puts the clip in place of the video on show: the one made ready, or a new one.
export function present(stage, { src, poster, label }) {
  const old = stage.querySelector("video");
  if (old.getAttribute("src") === src) return start(old), old;
  const video = warm.get(src) ?? document.createElement("video");
  warm.delete(src);
  Object.assign(video, { muted: true, loop: true, playsInline: true, preload: "auto", poster, className: "picture" });
  if (video.getAttribute("src") !== src) video.src = src;
  video.setAttribute("aria-label", label);
  if (old !== video) {
    old.replaceWith(video);
    old.pause();
    release(old);
  }
  start(video);
  return video;
}

export function start(video) {
  if (!calm.matches) video.play().catch(() => {});
}
export const toggle = (video) => (video.paused ? video.play().catch(() => {}) : video.pause());

export function step(video, frames, fps) {
  const frame = frameLength(fps);
  video.pause();
  const at = middleOf(frameAt(timeOf(video), frame) + frames, frame);
  setTime(video, Math.max(0, Math.min(at, (lengthOf(video) || Infinity) - frame / 2)));
}

// A finger drawn sideways over the picture moves on; up and down still scrolls.
export function onSwipe(stage, move) {
  let from = null;
  stage.addEventListener("pointerdown", (event) => {
    from = event.pointerType === "mouse" || event.target.closest("a, button") ? null : { x: event.clientX, y: event.clientY };
  });
  stage.addEventListener("pointerup", (event) => {
    if (!from) return;
    const [across, down] = [event.clientX - from.x, event.clientY - from.y];
    from = null;
    if (Math.abs(across) < SWIPE_PX || Math.abs(across) < 1.5 * Math.abs(down)) return;
    // The click that follows a swipe is not a tap on the picture.
    const swallow = (click) => (click.stopPropagation(), click.preventDefault());
    stage.addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => stage.removeEventListener("click", swallow, { capture: true }), 50);
    move(across < 0 ? 1 : -1);
  });
  stage.addEventListener("pointercancel", () => (from = null));
}
