// The import page: the chosen archive goes up in parts, with its progress; what is here of it already is said.
import { ArchiveUpload, Refused } from "./archive_upload.js";
import { toast } from "./studio.js";

const form = document.getElementById("import-form");
const input = document.getElementById("archive");
const box = document.getElementById("upload");
const [bar, amount, state] = box.querySelectorAll("progress, .amount, .hint");
const error = document.getElementById("archive-error");
let upload = null;

const megabytes = (bytes) => (bytes / 1e6).toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

function show(file, bytes) {
  const percent = Math.floor((100 * bytes) / file.size);
  bar.value = percent;
  amount.textContent = `${percent} %, ${megabytes(bytes)} of ${megabytes(file.size)} MB`;
}

function refuse(sentence) {
  error.hidden = !sentence;
  error.querySelector("span").textContent = sentence;
  input.toggleAttribute("aria-invalid", Boolean(sentence));
  if (sentence) input.focus();
}

function busy(on) {
  box.hidden = !on;
  for (const control of [input, form.querySelector("[type=submit]")]) control.disabled = on;
}

const unfinished = () => [...document.querySelectorAll("[data-upload]")];

input.addEventListener("change", () => {
  const file = input.files[0];
  refuse("");
  const known = file && unfinished().find(({ dataset }) => dataset.name === file.name && Number(dataset.size) === file.size);
  document.getElementById("archive-known").textContent = known ? `${known.dataset.percent} % is here already. The upload goes on from there.` : "";
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = input.files[0];
  if (!file || upload) return;
  refuse("");
  busy(true);
  show(file, 0);
  state.textContent = "";
  upload = new ArchiveUpload(file, {
    beginUrl: form.dataset.uploads,
    edgeBytes: Number(form.dataset.edgeBytes),
    onBegin: (url) => unfinished().find(({ dataset }) => url === dataset.upload)?.remove(),
    onProgress: (bytes) => show(file, bytes),
    onPause: (sentence) => (state.textContent = sentence),
  });
  try {
    await upload.send();
    upload = null;
    location.assign(location.pathname);
  } catch (refused) {
    upload = null;
    busy(false);
    if (refused instanceof Refused) refuse(refused.message);
    else if (refused.name !== "AbortError") throw refused;
  }
});

box.querySelector("button").addEventListener("click", async () => {
  const { name } = upload.file;
  try {
    await upload.cancel();
    toast(`The upload of “${name}” was cancelled.`);
  } catch {
    toast(`The upload of “${name}” was stopped. What is here of it is removed after a day.`, { tone: "error" });
  }
});

addEventListener("beforeunload", (event) => {
  if (upload) event.preventDefault();
});
