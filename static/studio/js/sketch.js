// Previs in place: a quick look in the finder, the contact sheet, and camera tiles on your frame.
// All of it is drawn by the server from the same camera paths as the real previs.
import { toast } from "./studio.js";

const ENDS = ["start", "end"];
const SEEN = ["concepts", "duration_s", "aspect_ratio", "loop", "start", "start_clip", "end", "end_clip"];
const TRIES = 4; // while other people's looks are being drawn
const WAIT_MS = 1000;
const byId = (id) => document.getElementById(id);
const form = () => byId("compose");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// ---- The finder ----------------------------------------------------------------------------
let look = null; // { key, box, stop, urls, playing }: what is being drawn, or plays

// Everything that would look different; the words count only where there is no frame.
function key() {
  const data = new FormData(form());
  const words = SEEN.slice(4).some((name) => data.get(name)) ? "" : data.get("prompt").trim();
  return JSON.stringify([words, ...SEEN.map((name) => data.getAll(name))]);
}

export async function sketchNow() {
  if (look?.key === key()) return;
  if (!frame() && !byId("prompt").value.trim()) {
    askForWords();
    return;
  }
  drop();
  const mine = { key: key(), box: document.createElement("div"), stop: new AbortController(), urls: [], playing: false };
  look = mine;
  mine.box.className = "sketch";
  paintSketch();
  byId("finder").scrollIntoView({ block: "nearest" });
  const body = new FormData(form());
  drawn("first/", body, mine).then((url) => !mine.playing && put(mine, "img", url), () => {});
  try {
    const url = await drawn("", body, mine);
    mine.playing = true;
    put(mine, "video", url);
    byId("sketch-said").textContent = "The previs plays in the finder.";
  } catch (error) {
    if (look !== mine) return;
    drop();
    toast(error instanceof TypeError ? "Connection lost. Nothing was drawn; try again." : error.message, { tone: "error" });
  }
  paintSketch();
}

// Beside the field, where a toast would cover the button; the next quote takes it away.
function askForWords() {
  const line = document.createElement("p");
  line.className = "error refused";
  line.setAttribute("role", "alert");
  line.textContent = "Write what happens in the shot, or add a frame, to see it.";
  byId("prompt-notes").querySelector(".refused")?.remove();
  byId("prompt-notes").append(line);
  byId("prompt").focus();
}

async function drawn(what, body, mine) {
  const address = `${form().dataset.sketch}${what}`;
  const answer = await patiently(() => fetch(address, { method: "POST", body, signal: mine.stop.signal }));
  const type = answer.headers.get("Content-Type") ?? "";
  if (answer.ok && /^(video|image)/.test(type)) {
    const url = URL.createObjectURL(await answer.blob());
    mine.urls.push(url);
    return url;
  }
  throw new Error(type.startsWith("text/plain") ? await answer.text() : "That did not work. Nothing on this page was lost; try again.");
}

// Asks again while the server is busy with other people's looks.
async function patiently(ask) {
  for (let tries = 1; ; tries += 1) {
    const answer = await ask();
    if (answer.status !== 503 || tries === TRIES) return answer;
    await new Promise((done) => setTimeout(done, WAIT_MS));
  }
}

function put(mine, kind, url) {
  const picture = document.createElement(kind);
  if (kind === "video") {
    Object.assign(picture, { muted: true, autoplay: true, playsInline: true, loop: !calm.matches });
    picture.setAttribute("aria-label", "Previs of the shot");
  } else picture.alt = "First frame of the previs";
  picture.src = url;
  // The frame stays underneath until the clip has something to show.
  if (kind === "video") picture.addEventListener("loadeddata", () => picture.previousElementSibling?.remove());
  mine.box.append(picture);
}

function drop() {
  if (!look) return;
  look.stop.abort();
  look.box.remove();
  look.urls.forEach((url) => URL.revokeObjectURL(url));
  look = null;
}

// The finder and the buttons come new with every quote; the look goes when it is no longer true.
export function paintSketch() {
  if (look && look.key !== key()) drop();
  const making = Boolean(look && !look.playing);
  byId("previs")?.classList.toggle("is-busy", making);
  byId("finder").classList.toggle("looking", Boolean(look));
  byId("finder").classList.toggle("playing", Boolean(look?.playing));
  if (!look || look.box.isConnected) return;
  byId("finder").querySelector(".view").append(look.box);
  look.box.querySelector("video")?.play().catch(() => {});
}

// Without script the button asks for a whole previs clip; "Keep it as a clip" still does.
document.addEventListener("click", (event) => {
  if (!event.target.closest("#previs")) return;
  event.preventDefault();
  sketchNow();
});
for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => look && form().contains(event.target) && paintSketch());
}

// ---- Strips: one camera word on the frame that is there --------------------------------------
const strips = new Map(); // address -> an image on its way

function frame() {
  const field = ENDS.flatMap((end) => [end, `${end}-clip`]).find((id) => byId(id)?.value);
  return field ? `${field.replace("-", "_")}=${byId(field).value}` : "";
}
function strip(slug, shape = "") {
  const address = `${form().dataset.moves}${slug}.webp?${frame()}${shape && `&aspect_ratio=${encodeURIComponent(shape)}`}`;
  if (!strips.has(address)) {
    const there = fetched(address);
    there.catch(() => strips.delete(address));
    strips.set(address, there);
  }
  return strips.get(address);
}
// Fetched, not given to an image by its address: that would not say that it is only not its turn yet.
async function fetched(address) {
  const answer = await patiently(() => fetch(address));
  if (!answer.ok) throw new Error(answer.statusText);
  const image = new Image();
  image.alt = "";
  image.src = URL.createObjectURL(await answer.blob());
  await image.decode();
  return image;
}

// ---- Tiles -----------------------------------------------------------------------------------
let tile = null;
let ahead = ""; // the frame whose other tiles are being fetched

async function see(next) {
  if (next === tile) return;
  tile?.querySelector(".seen")?.remove();
  tile = next;
  const on = frame();
  if (!next || !on || calm.matches) return;
  try {
    const image = await strip(next.querySelector("input").value);
    if (tile !== next || frame() !== on) return;
    const box = document.createElement("span");
    box.className = "seen";
    box.setAttribute("aria-hidden", "true");
    box.append(image);
    next.append(box);
    fetchAhead(next, on);
  } catch {
    // The glyph says it too.
  }
}

// One at a time, nearest first: the next tile under the pointer is then there at once.
async function fetchAhead(from, on) {
  if (ahead === on) return;
  ahead = on;
  const all = [...document.querySelectorAll(".concept input")];
  const at = all.indexOf(from.querySelector("input"));
  const order = all.map((box, index) => [Math.abs(index - at), box.value]).sort((one, other) => one[0] - other[0]);
  for (const [, slug] of order) {
    if (frame() !== on || document.hidden) break;
    await strip(slug).catch(() => {});
  }
  if (frame() !== on) ahead = "";
}
document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "mouse") see(event.target.closest?.(".concept") ?? null);
});
document.addEventListener("focusin", (event) => {
  if (event.target.matches(":focus-visible")) see(event.target.closest(".concept"));
});

// ---- The contact sheet -------------------------------------------------------------------------
document.addEventListener("htmx:afterSettle", async (event) => {
  if (event.target.id !== "dialog-slot" || !byId("moves") || !frame()) return;
  const shape = byId("moves").dataset.shape;
  for (const cell of byId("moves").querySelectorAll("[data-strip]")) {
    if (!cell.isConnected) return;
    await strip(cell.dataset.strip, shape).then((image) => cell.replaceChildren(image), () => {});
  }
});
document.addEventListener("click", (event) => {
  const cell = event.target.closest("[data-choose]");
  if (!cell) return;
  const box = byId(`c-${cell.dataset.choose}`);
  box.checked = !box.checked;
  cell.setAttribute("aria-pressed", box.checked);
  box.dispatchEvent(new Event("change", { bubbles: true }));
});
