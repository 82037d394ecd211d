// The stills page: drop, paste or choose many pictures; each shows its own progress.
import { watchCrops } from "./crop.js";
import { toast } from "./studio.js";
import { carriesFiles, named, pictures, upload } from "./upload.js";

const AT_ONCE = 2;
const page = document.querySelector("main[data-drop]");
const rows = document.getElementById("uploads");
const waiting = [];
let active = 0;

function add(files) {
  for (const file of files) waiting.push({ file, row: row(named(file)) });
  rows.hidden = !rows.children.length;
  next();
}

function row(name) {
  const box = document.createElement("div");
  box.className = "upload";
  const words = document.createElement("span");
  words.textContent = name;
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.value = 0;
  bar.setAttribute("aria-label", `Uploading ${name}`);
  box.append(words, bar);
  rows.append(box);
  return box;
}

async function next() {
  if (!waiting.length || active >= AT_ONCE) return;
  const { file, row: box } = waiting.shift();
  active += 1;
  next();
  const bar = box.querySelector("progress");
  try {
    const still = await upload(file, {
      url: page.dataset.drop,
      most: Number(page.dataset.mostBytes),
      onProgress: (part) => (bar.value = part * 100),
    });
    box.remove();
    if (!still.created) toast(`“${still.name}” was here already and is kept once.`);
  } catch (error) {
    refuse(box, error.message);
  }
  active -= 1;
  rows.hidden = !rows.children.length;
  if (waiting.length) next();
  else if (!active) refresh();
}

function refuse(box, message) {
  box.classList.add("bad");
  box.setAttribute("role", "alert");
  box.querySelector("progress").remove();
  const why = document.createElement("span");
  why.textContent = message;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn ghost";
  close.textContent = "Dismiss";
  close.addEventListener("click", () => {
    box.remove();
    rows.hidden = !rows.children.length;
  });
  box.append(why, close);
}

function refresh() {
  htmx.ajax("GET", page.dataset.drop, { target: "#stills", swap: "outerHTML" });
}

if (page) {
  const input = document.getElementById("files");
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
  document.addEventListener("paste", (event) => {
    const files = pictures(event.clipboardData);
    if (!files.length) return;
    event.preventDefault();
    add(files);
  });
  let depth = 0;
  const over = (on) => page.classList.toggle("over", on);
  document.addEventListener("dragenter", (event) => carriesFiles(event) && over(++depth > 0));
  document.addEventListener("dragleave", (event) => carriesFiles(event) && over(--depth > 0));
  document.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    over((depth = 0) > 0);
    add(pictures(event.dataTransfer));
  });
  addEventListener("beforeunload", (event) => {
    if (active || waiting.length) event.preventDefault();
  });
  watchCrops((still) => {
    toast(still.created ? `“${still.name}” is kept beside the original.` : "That is the whole picture, which is kept already.");
    refresh();
  });
}
