// The compose page: frames by drop, paste and pick; the counter; the draft; the keys.
// Prices, hints and everything else that depends on a choice come from the server's quote.
import { watchCrops } from "./crop.js";
import { paintSketch } from "./sketch.js";
import { toast } from "./studio.js";
import { carriesFiles, pictures, upload } from "./upload.js";

const ENDS = ["start", "end"];
const byId = (id) => document.getElementById(id);
const form = () => byId("compose");
const prompt = () => byId("prompt");

// ---- Asking for a quote ------------------------------------------------------------------
// An answer to an earlier state of the form must not undo what was chosen since. It is not
// aborted, which htmx would report as an error, but left aside; the next one is already queued.
let choices = 0;
let asked = 0;
let leaving = false;
document.addEventListener("change", (event) => {
  if (form().contains(event.target)) choices += 1;
}, true);
const changed = () => form().dispatchEvent(new Event("change", { bubbles: true }));

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id !== "quoter") return;
  if (leaving) event.preventDefault();
  asked = choices;
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.requestConfig.elt.id === "quoter" && asked !== choices) event.detail.shouldSwap = false;
});
// A closed box asks nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "sent-box" && (leaving || !event.detail.elt.open)) event.preventDefault();
});
for (const trouble of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(trouble, (event) => {
    if (event.detail.elt.id !== "quoter" || leaving) return;
    byId("cost").querySelector(".refused")?.remove();
    byId("cost").append(sentence("This price may be out of date: the server did not answer. It is checked again before anything is sent."));
  });
}

// ---- The prompt: counter and draft ---------------------------------------------------------
const draftKey = () => `prompt:${form().dataset.project}`;

function count() {
  const notes = byId("prompt-notes");
  const box = byId("count");
  if (!box || !notes) return;
  const length = [...prompt().value.trim()].length + Number(notes.dataset.added);
  const most = Number(notes.dataset.most);
  box.textContent = `${length} / ${most}`;
  box.classList.toggle("over", length > most);
}
document.addEventListener("input", (event) => {
  if (event.target.id !== "prompt") return;
  sessionStorage.setItem(draftKey(), prompt().value);
  count();
});
if (!prompt().value && sessionStorage.getItem(draftKey())) {
  prompt().value = sessionStorage.getItem(draftKey());
  changed();
}
count();

document.addEventListener("click", (event) => {
  const past = event.target.closest("[data-prompt]");
  if (!past) return;
  event.preventDefault();
  past.closest("[popover]").hidePopover();
  prompt().value = past.dataset.prompt;
  prompt().dispatchEvent(new Event("input", { bubbles: true }));
  prompt().focus();
});

// ---- Presets ---------------------------------------------------------------------------------
// After the click has gone its way: a button that loses the focus is no longer what was pressed.
document.addEventListener("click", (event) => {
  const menu = event.target.closest("[data-closes]")?.closest("[popover]");
  if (menu) setTimeout(() => menu.hidePopover());
});
document.addEventListener("keydown", (event) => {
  const button = event.key === "Enter" && event.target.dataset?.enter;
  if (!button) return;
  event.preventDefault();
  byId(button).click();
});

// ---- Camera: taking a chosen concept away ---------------------------------------------------
document.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-uncheck]");
  if (!chip) return;
  event.preventDefault();
  const box = byId(`c-${chip.dataset.uncheck}`);
  box.checked = false;
  chip.remove();
  box.focus({ preventScroll: true });
  changed();
});

// ---- Frames -----------------------------------------------------------------------------------
const sending = {}; // end -> { part, stop } while a picture is on its way
const refused = {}; // end -> why the last picture was not taken

function put(end, code) {
  delete refused[end];
  byId(end).value = code;
  byId(`${end}-clip`).value = "";
  changed();
}

async function send(end, file) {
  sending[end]?.stop.abort();
  const mine = { part: 0, stop: new AbortController(), preview: file.type.startsWith("image/") ? URL.createObjectURL(file) : "" };
  sending[end] = mine;
  delete refused[end];
  paint();
  try {
    const still = await upload(file, {
      url: form().dataset.stills,
      most: Number(form().dataset.mostBytes),
      signal: mine.stop.signal,
      onProgress: (part) => {
        mine.part = part;
        paint();
      },
    });
    if (sending[end] === mine) put(end, still.code);
  } catch (error) {
    if (error.name !== "AbortError") refused[end] = error.message;
  }
  if (mine.preview) URL.revokeObjectURL(mine.preview);
  if (sending[end] === mine) delete sending[end];
  paint();
}

// Progress and refusals belong to this page alone, so they are drawn again after every swap.
function paint() {
  for (const end of ENDS) {
    const well = byId(`well-${end}`);
    if (!well) continue;
    well.querySelector(".sending")?.remove();
    well.querySelector(".refused")?.remove();
    if (sending[end]) byId(`frame-${end}`).append(progress(end, sending[end]));
    if (refused[end]) well.append(sentence(refused[end]));
  }
}
function progress(end, { part, preview }) {
  const box = document.createElement("div");
  box.className = "sending";
  if (preview) {
    const picture = document.createElement("img");
    picture.src = preview;
    picture.alt = "";
    picture.addEventListener("error", () => picture.remove());
    box.append(picture);
  }
  const words = document.createElement("span");
  words.textContent = part < 1 ? `${Math.round(part * 100)}%` : "Keeping it";
  const bar = document.createElement("progress");
  bar.max = 1;
  bar.value = part;
  bar.setAttribute("aria-label", `Uploading the ${end} frame`);
  box.append(words, bar);
  return box;
}
function sentence(text) {
  const line = document.createElement("p");
  line.className = "error refused";
  line.setAttribute("role", "alert");
  line.textContent = text;
  return line;
}

// The buttons are submits for a page without script; here they only change the hidden fields.
document.addEventListener("click", (event) => {
  const remove = event.target.closest("[data-remove]");
  const swap = event.target.closest("[data-swap]");
  if (!remove && !swap) return;
  event.preventDefault();
  if (remove) {
    emptied = remove.dataset.remove;
    sending[emptied]?.stop.abort();
    put(emptied, "");
    return;
  }
  for (const [one, other] of [["start", "end"], ["start-clip", "end-clip"]]) {
    [byId(one).value, byId(other).value] = [byId(other).value, byId(one).value];
  }
  changed();
});
let emptied = "";

const filled = (end) => sending[end] || byId(end).value || byId(`${end}-clip`).value;
function takeIn(files, end = null) {
  for (const file of files.slice(0, ENDS.length)) {
    const to = end ?? ENDS.find((one) => !filled(one));
    if (!to) return void toast("Both frames are filled. Remove one first.", { tone: "error" });
    send(to, file);
    end = null;
  }
}

document.addEventListener("change", (event) => {
  const end = event.target.id?.replace("-file", "");
  if (event.target.type !== "file" || !ENDS.includes(end)) return;
  const files = [...event.target.files];
  event.target.value = ""; // it goes to the stills now, not again with the form
  if (files.length) takeIn(files, end);
});
document.addEventListener("paste", (event) => {
  const files = pictures(event.clipboardData);
  if (!files.length || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  takeIn(files);
});
document.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  const over = event.target.closest?.(".well");
  document.querySelectorAll(".well").forEach((well) => well.classList.toggle("over", well === over));
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.querySelectorAll(".well.over").forEach((well) => well.classList.remove("over"));
});
document.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  document.querySelectorAll(".well.over").forEach((well) => well.classList.remove("over"));
  takeIn(pictures(event.dataTransfer), event.target.closest?.(".well")?.dataset.end ?? null);
});
document.addEventListener("click", (event) => {
  const pick = event.target.closest("[data-pick]");
  if (!pick) return;
  const dialog = pick.closest("dialog");
  dialog.close();
  put(dialog.dataset.end, pick.dataset.pick);
});
watchCrops((still, dialog) => put(dialog.dataset.end, still.code));

// ---- After every answer -----------------------------------------------------------------------
document.addEventListener("htmx:afterSettle", () => {
  count();
  paint();
  paintSketch();
});
// A remove button that went away with its frame hands its focus to what took its place.
document.addEventListener("htmx:afterSettle", () => {
  if (emptied && document.activeElement === document.body) byId(`${emptied}-file`)?.focus({ preventScroll: true });
  emptied = "";
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id !== "compose") return;
  const busy = ENDS.filter((end) => sending[end]);
  if (busy.length) {
    event.preventDefault();
    toast(`The ${busy.join(" and ")} frame is still being uploaded. Nothing was sent.`, { tone: "error" });
    return;
  }
  leaving = true; // the shot is on its way: prices no longer matter
  prompt().readOnly = true; // what is typed now would be lost to the answer
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.elt.id !== "compose") return;
  prompt().readOnly = false;
  sent = event.detail.xhr.getResponseHeader("HX-Redirect")?.startsWith("/p/") ?? false;
  leaving = sent;
  if (sent) sessionStorage.removeItem(draftKey());
});
// Back to a page that was kept in memory: its token is spent, and would make nothing new.
let sent = false;
addEventListener("pageshow", (event) => {
  if (event.persisted && sent) location.reload();
});

// ---- Keys ---------------------------------------------------------------------------------------
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  (event.shiftKey ? byId("previs") ?? byId("generate") : byId("generate")).click();
});
