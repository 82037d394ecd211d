// Drawing on the frame: with a pen, a finger, a mouse or the keys. The shapes travel in the comment
// form; while there are any the form keeps the moment they were drawn at.
import { momentAt } from "./frames.js";
import { drawn, node, size, thinned } from "./ink.js";
import { goTo, playhead } from "./player.js";
import { toast } from "./studio.js";

const SLACK = 0.0015;
const MOST_SHAPES = 40; // studio/services/review/drawing.py says the same
const MOST_POINTS = 1500;
const $ = (id) => document.getElementById(id);
let shapes = [];
let atMs = 0; // the moment they belong to
let current = null; // the shape in the making
let held = false; // by a pressed button; else by its first click, until a second
let cross = [0.5, 0.5]; // where the keys are

const ink = () => $("ink");
export const isDrawing = () => $("player")?.classList.contains("drawing") ?? false;
const tool = () => document.querySelector("#inkbar [name=ink-tool]:checked").value;
const colour = () => document.querySelector("#inkbar [name=ink-colour]:checked").value;
const clamp = (value) => Math.round(Math.max(0, Math.min(1, value)) * 1e4) / 1e4;

function where(event) {
  const { width, height } = size(ink());
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(ink().getScreenCTM().inverse());
  return [clamp(at.x / width), clamp(at.y / height)];
}

function paint() {
  const group = $("ink-own");
  const frame = size(ink());
  const here = Math.abs((playhead()?.ms ?? 0) - atMs) <= (playhead()?.frameMs ?? 40);
  const all = here || isDrawing() ? [...shapes, ...(current ? [current] : [])] : [];
  group.replaceChildren(...all.map((shape) => drawn(shape, frame)));
  if (isDrawing() && ink() === document.activeElement) {
    const [x, y, arm] = [cross[0] * frame.width, cross[1] * frame.height, frame.width / 60];
    group.append(node("path", { class: "ink-cross", d: `M${x - arm} ${y}h${2 * arm}M${x} ${y - arm}v${2 * arm}` }));
  }
}

function changed(said = "") {
  const form = $("say-form");
  if (shapes.length) {
    form.dataset.pinned = "";
    $("drawing").value = JSON.stringify(shapes);
    $("at-ms").value = momentAt(atMs / 1000, playhead().frameMs / 1000);
  } else {
    delete form.dataset.pinned;
    $("drawing").value = "";
  }
  $("draw").setAttribute("aria-pressed", isDrawing() || shapes.length > 0);
  for (const name of ["ink-undo", "ink-clear"]) $(name).disabled = !shapes.length;
  if (said) $("ink-said").textContent = `${said} ${shapes.length === 1 ? "1 shape" : `${shapes.length} shapes`} on the frame.`;
  paint();
}

// ---- Shapes ---------------------------------------------------------------------------------
function begin(point) {
  if (shapes.length >= MOST_SHAPES) return void toast(`A drawing has at most ${MOST_SHAPES} shapes. Undo one, or comment once more.`, { tone: "error" });
  current = { kind: tool(), colour: colour(), points: tool() === "pen" ? [point] : [point, point] };
  paint();
}

function stretch(point) {
  if (!current) return;
  if (current.kind === "pen") current.points.push(point);
  else current.points[1] = point;
  paint();
}

function finish() {
  const shape = current;
  current = null;
  held = false;
  if (!shape) return;
  if (shape.kind === "pen") shape.points = thinned(shape.points, SLACK);
  const [[x1, y1], [x2, y2]] = [shape.points[0], shape.points.at(-1)];
  const count = [...shapes, shape].reduce((sum, one) => sum + one.points.length, 0);
  if (count > MOST_POINTS) toast("That line is too long for one drawing. Clear some of it first.", { tone: "error" });
  else if (shape.kind === "pen" || Math.hypot(x2 - x1, y2 - y1) > 0.005) shapes.push(shape);
  changed("Drawn.");
}

// ---- Pen, finger, mouse: drag, or press at one end and again at the other -------------------------
const handlers = {
  pointerdown(event) {
    if (!event.isPrimary || event.button > 0) return;
    event.preventDefault();
    ink().setPointerCapture(event.pointerId);
    if (current) return void (stretch(where(event)), (held = true));
    begin(where(event));
    held = true;
  },
  pointermove(event) {
    if (!current || !event.isPrimary) return;
    const moves = current.kind === "pen" ? (event.getCoalescedEvents?.() ?? []) : [];
    for (const move of moves.length ? moves : [event]) stretch(where(move));
  },
  pointerup(event) {
    if (!current || !held || !event.isPrimary) return;
    const [[x1, y1], [x2, y2]] = [current.points[0], current.points.at(-1)];
    held = false;
    if (current.kind === "pen" || Math.hypot(x2 - x1, y2 - y1) > 0.01) finish();
  },
  pointercancel() {
    current = null;
    held = false;
    paint();
  },
  focus: paint,
  blur: paint,
  keydown(event) {
    const step = event.shiftKey ? 0.1 : 0.02;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) {
      cross = cross.map((value, axis) => clamp(value + moves[event.key][axis]));
      if (current) stretch(cross);
      else paint();
    } else if (event.key === "Enter" || event.key === " ") current ? finish() : begin(cross);
    else return;
    event.preventDefault();
  },
};

// ---- Beginning and ending ---------------------------------------------------------------------
export function startDrawing() {
  const player = $("player");
  if (!player || isDrawing()) return;
  player.querySelector("video").pause();
  if (shapes.length) goTo(atMs);
  else atMs = playhead().ms;
  player.classList.add("drawing");
  $("inkbar").hidden = false;
  ink().setAttribute("tabindex", "0");
  ink().setAttribute("role", "application");
  ink().setAttribute("aria-label", "The frame. Arrow keys move the cross; Enter begins a shape and ends it; Escape stops drawing.");
  ink().removeAttribute("aria-hidden");
  for (const [name, handler] of Object.entries(handlers)) ink().addEventListener(name, handler);
  changed();
  player.scrollIntoView({ block: "nearest" });
  ink().focus({ preventScroll: true });
}

export function stopDrawing({ focus = false } = {}) {
  if (!isDrawing()) return;
  current = null;
  $("player").classList.remove("drawing");
  $("inkbar").hidden = true;
  for (const name of ["tabindex", "role", "aria-label"]) ink().removeAttribute(name);
  ink().setAttribute("aria-hidden", "true");
  for (const [name, handler] of Object.entries(handlers)) ink().removeEventListener(name, handler);
  changed();
  if (focus) $("say").focus();
}

document.addEventListener("click", (event) => {
  const id = event.target.closest("button")?.id;
  if (id === "draw") isDrawing() ? stopDrawing({ focus: true }) : startDrawing();
  else if (id === "ink-done") stopDrawing({ focus: true });
  else if (id === "ink-undo") shapes.pop(), changed("Taken back.");
  else if (id === "ink-clear") (shapes = []), changed("Cleared.");
});
document.addEventListener("keydown", (event) => {
  if (!isDrawing()) return;
  if (event.key === "Escape") stopDrawing({ focus: true });
  else if (event.key === "z" && (event.ctrlKey || event.metaKey) && event.target.id !== "say") shapes.pop(), changed("Taken back.");
  else return;
  event.preventDefault();
}, true);
document.addEventListener("playhead", ({ detail }) => {
  if (!isDrawing() && !shapes.length) return;
  const away = Math.abs(detail.ms - atMs) > detail.frameMs;
  if (away && !shapes.length && !current) atMs = detail.ms;
  else if (away && isDrawing()) stopDrawing();
  paint();
});

// A form that came back with an error brings its drawing; one that was taken brings none, and the
// clip can be played again.
export function readDrawing() {
  const field = $("drawing");
  if (!field || !ink()) return;
  $("draw").hidden = false;
  let kept = [];
  try {
    kept = JSON.parse(field.value || "[]");
  } catch {
    // Not ours: the server said what is wrong with it.
  }
  shapes = kept;
  if (!shapes.length) stopDrawing();
  if (shapes.length && $("at-ms").value) atMs = Number($("at-ms").value);
  changed();
}
