// Judging a clip: the comment form and what it is for at the moment, the drawing and the comment the
// playhead is at, stills, stars by number. What others do arrives beside it and never in it.
import { isDrawing, readDrawing, stopDrawing } from "./draw.js";
import { middleAt } from "./frames.js";
import { drawn, size } from "./ink.js";
import "./mention.js";
import { goTo, playhead } from "./player.js";
import { lettersOn, typing } from "./studio.js";
import { timecode } from "./timecode.js";

const SHOWN_MS = 900; // how long a drawing stays while the clip plays on
const $ = (id) => document.getElementById(id);
let form = null; // the comment form on the page
let unsent = ""; // words set aside while an older comment is changed
let chosen = ""; // the comment that was gone to

// ---- What the form is for ----------------------------------------------------------------------
const VERBS = { "": "Comment", reply: "Reply", edit: "Save", ask: "Ask for changes" };

function setMode(mode, { code = "", whom = "" } = {}) {
  const what = { reply: `Reply to ${whom}`, ask: "What should change?" }[mode] ?? "";
  form.dataset.mode = mode;
  $("say-mode").hidden = !mode;
  $("say-what").textContent = what;
  $("say-verb").textContent = VERBS[mode];
  $("reply-to").value = mode === "reply" ? code : "";
  $("edits").value = "";
  $("asks").value = mode === "ask" ? "1" : "";
  if (mode) $("say").focus();
}

function leaveMode() {
  if (form.dataset.mode === "edit") $("say").value = unsent;
  unsent = "";
  setMode("");
  $("say").focus();
}

document.addEventListener("click", (event) => {
  if (!form) return;
  const reply = event.target.closest("[data-reply]");
  const off = event.target.closest("#say-off");
  const asks = event.target.closest("button[data-asks]");
  if (reply) setMode("reply", { code: reply.dataset.reply, whom: reply.dataset.whom });
  else if (off) leaveMode();
  else if (asks) setMode("ask");
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
document.body.addEventListener("sayfirst", () => form && setMode("ask"));
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "say") return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "Escape" && !event.defaultPrevented) form.dataset.mode ? leaveMode() : $("say").blur();
});
document.body.addEventListener("htmx:beforeSwap", (event) => {
  // An older comment takes the form's place to be changed: what was being typed waits.
  if (event.target.id === "say-form" && event.detail.requestConfig?.verb === "get" && !$("edits").value) unsent = $("say").value;
});

function takeForm() {
  const now = $("say-form");
  if (now === form || !now) return;
  const first = form === null;
  form = now;
  const { mode } = form.dataset;
  const failed = $("say").getAttribute("aria-invalid") === "true";
  if (unsent && mode !== "edit" && !failed) ($("say").value = unsent), (unsent = "");
  if ("pinned" in form.dataset) {
    $("say-at").hidden = $("say-hint").hidden = false;
    $("say-at").textContent = timecode(Number($("at-ms").value) / 1000);
  }
  readDrawing();
  if (mode === "edit" && !first) $("say").focus();
}

// ---- Where the playhead is -----------------------------------------------------------------------
let marks = []; // { code, at, shapes, done }

function readMarks() {
  marks = [...document.querySelectorAll("#comment-list [data-drawing]")].map((said) => ({
    code: said.id, at: Number(said.dataset.at), shapes: said.dataset.drawing, done: said.classList.contains("done"),
  }));
  for (const said of document.querySelectorAll("#comment-list .comment")) said.classList.toggle("chosen", said.id === chosen);
}

let painted = "";
function paintMarks(ms, frameMs, playing) {
  const ink = $("ink");
  if (!ink) return;
  const near = ({ at, done, code }) => (playing ? !done && ms >= at - frameMs && ms < at + SHOWN_MS : Math.abs(ms - at) <= frameMs && (!done || code === chosen));
  const seen = isDrawing() ? [] : marks.filter(near);
  const key = seen.map(({ code, shapes }) => code + shapes.length).join();
  if (key === painted) return;
  painted = key;
  $("ink-others").replaceChildren(...seen.flatMap(({ shapes }) => JSON.parse(shapes).map((shape) => drawn(shape, size(ink)))));
}
document.addEventListener("playhead", ({ detail }) => paintMarks(detail.ms, detail.frameMs, detail.playing));

function choose(code) {
  chosen = code;
  readMarks();
}
document.addEventListener("click", (event) => {
  const moment = event.target.closest("#comment-list [data-seek]");
  if (moment) choose(moment.closest(".comment").id), stopDrawing();
  const back = event.target.closest("#say-at");
  if (back) goTo(Number($("at-ms").value));
});

// A link to a comment goes to its moment too.
function arrive() {
  const said = /^#comment-[\w-]+$/.test(location.hash) && document.querySelector(location.hash);
  if (!said) return;
  const thread = said.closest(".comment");
  choose(thread.id);
  const video = document.querySelector("#player video");
  const go = () => thread.dataset.at && goTo(Number(thread.dataset.at));
  if (video?.readyState) go();
  else video?.addEventListener("loadedmetadata", go, { once: true });
  // The browser puts the comment on top, and with that the picture out of sight.
  scrollTo(0, 0);
  said.scrollIntoView({ block: "nearest" });
}

function settle() {
  takeForm();
  readMarks();
  painted = null;
  const at = playhead();
  if (at) paintMarks(at.ms, at.frameMs, false);
}
document.body.addEventListener("htmx:afterSettle", settle);
addEventListener("hashchange", arrive);
settle();
arrive();

// ---- Stills, stars, toasts -------------------------------------------------------------------------
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.elt.id !== "grab") return;
  const { ms, frameMs } = playhead();
  event.detail.parameters.set("at_ms", String(middleAt(ms / 1000, frameMs / 1000)));
});
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !lettersOn()) return;
  if (typing(event.target) || document.querySelector("dialog[open], .menu:popover-open")) return;
  if (!/^[0-5]$/.test(event.key)) return;
  const star = $(`rate-${event.key}`);
  if (star && !star.checked) star.click();
});
document.addEventListener("htmx:afterRequest", (event) => {
  const done = event.target.closest?.(".toast");
  if (done && event.detail.successful && done.querySelector("[data-dismiss-after]")) done.remove();
});
