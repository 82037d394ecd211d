// A blind pair plays as one: both start together and stay together.
import { setTime, timeOf } from "./frames.js";

const [left, right] = document.querySelectorAll(".blind video");
const both = document.querySelector("[data-both]");
const APART_S = 0.04; // one frame at 24 a second

function together() {
  if (Math.abs(timeOf(left) - timeOf(right)) > APART_S) setTime(right, timeOf(left));
}
function play() {
  setTime(right, timeOf(left));
  for (const video of [left, right]) video.play().catch(() => {});
}
both.hidden = false;
both.addEventListener("click", () => {
  if (left.paused) play();
  else for (const video of [left, right]) video.pause();
});
left.addEventListener("seeked", together);
left.addEventListener("play", play);
left.addEventListener("pause", () => right.pause());
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play();
