// Pages behind a share: drawings on the frame, playing all clips in a row, and the way to the field
// that needs a hand. player.js does the player; everything but drawing works without scripts.
import { isDrawing, readDrawing, stopDrawing } from "./draw.js";
import { drawn, size } from "./ink.js";
import "./live.js";
import { goTo, playhead } from "./player.js";

const SHOWN_MS = 900; // how long a drawing stays while the clip plays on
const $ = (id) => document.getElementById(id);

// ---- Drawings ---------------------------------------------------------------------------------
let form = null;
let marks = []; // { at, shapes }
let painted = null;

function paint(ms, frameMs, playing) {
  if (!$("ink")) return;
  const near = ({ at }) => (playing ? ms >= at - frameMs && ms < at + SHOWN_MS : Math.abs(ms - at) <= frameMs);
  const seen = isDrawing() ? [] : marks.filter(near);
  const key = seen.map(({ shapes }) => shapes).join();
  if (key === painted) return;
  painted = key;
  $("ink-others").replaceChildren(...seen.flatMap(({ shapes }) => JSON.parse(shapes).map((shape) => drawn(shape, size($("ink"))))));
}
document.addEventListener("playhead", ({ detail }) => paint(detail.ms, detail.frameMs, detail.playing));

function settle() {
  if ($("say-form") !== form) {
    form = $("say-form");
    if (form) readDrawing();
  }
  marks = [...document.querySelectorAll("#comment-list [data-drawing]")].map(({ dataset }) => ({ at: Number(dataset.at), shapes: dataset.drawing }));
  painted = null;
  const at = playhead();
  if (at) paint(at.ms, at.frameMs, false);
}
document.body.addEventListener("htmx:afterSettle", settle);
settle();
document.addEventListener("click", (event) => {
  if (event.target.closest("#comment-list [data-seek]")) stopDrawing();
  if (event.target.closest("#say-at")) goTo(Number($("at-ms").value));
});

// ---- Play all: one clip after the other, each on its own page, so that it can be commented on ----
const video = document.querySelector("#player video");
if (video && new URLSearchParams(location.search).has("run")) {
  video.loop = false;
  document.querySelector("[data-do=loop]")?.setAttribute("aria-pressed", "false");
  video.play().catch(() => {}); // the browser may want to be touched first
  video.addEventListener("ended", () => {
    const { following } = $("player").dataset;
    const busy = $("say")?.value.trim() || document.querySelector("dialog[open]");
    if (following && !busy) location.assign(`${following}?run=1`);
  });
}
// The playlist stands where the clip is.
const here = document.querySelector("#playlist [aria-current]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;

// ---- What was refused goes to the field that needs a hand -------------------------------------
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.xhr?.status === 422) document.querySelector("dialog[open] [aria-invalid], #say-form [aria-invalid]")?.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "say" || event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  $("say-it")?.click();
});
