// A collection: drag or arrow its clips into order, and play them one after the other.
const list = () => document.getElementById("ordered");
const items = () => [...(list()?.children ?? [])];
const moved = document.getElementById("moved");

// ---- Order --------------------------------------------------------------------------------------
async function put(item, to) {
  const at = items().indexOf(item);
  if (to < 0 || to >= items().length || to === at) return;
  const code = item.dataset.clip;
  await htmx.ajax("POST", list().dataset.move, { target: "#collection", swap: "morph", values: { clip: code, to } });
  moved.textContent = `${item.dataset.title} is ${to + 1} of ${items().length}`;
  document.querySelector(`#in-${CSS.escape(code)} h3 a`)?.focus({ preventScroll: true });
}
document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey) return;
  const item = document.activeElement.closest?.("#ordered > li");
  const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
  if (!item || !step || !item.querySelector(".orderer")) return;
  event.preventDefault();
  put(item, items().indexOf(item) + step);
});

let dragged = null;
function ready() {
  for (const button of document.querySelectorAll("[data-play-all]")) button.hidden = false;
  for (const item of items()) item.draggable = Boolean(item.querySelector(".orderer"));
}
document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.("#ordered > li");
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged.dataset.title);
  dragged.classList.add("dragged");
});
function place(event) {
  const over = event.target.closest?.("#ordered > li");
  if (!over || over === dragged) return null;
  const box = over.getBoundingClientRect();
  return { over, after: event.clientX > box.left + box.width / 2 };
}
const unmark = () => items().forEach((item) => item.classList.remove("before", "after"));
document.addEventListener("dragover", (event) => {
  if (!dragged) return;
  const found = place(event);
  if (!found) return;
  event.preventDefault();
  unmark();
  found.over.classList.add(found.after ? "after" : "before");
});
document.addEventListener("drop", (event) => {
  const found = dragged && place(event);
  if (!found) return;
  event.preventDefault();
  const rest = items().filter((item) => item !== dragged);
  put(dragged, rest.indexOf(found.over) + (found.after ? 1 : 0));
});
document.addEventListener("dragend", () => {
  dragged?.classList.remove("dragged");
  unmark();
  dragged = null;
});

// ---- Play all: one plays, the next is fetched behind it -----------------------------------------
const reel = document.getElementById("playall");
const screens = [0, 1].map(() => Object.assign(document.createElement("video"), { playsInline: true }));
reel.prepend(...screens);
let films = [];
let at = 0;

function show(index) {
  at = index;
  const film = films[at];
  const [front, back] = screens;
  const waiting = back.dataset.src === film.src;
  const [now, then] = waiting ? [back, front] : [front, back];
  screens.splice(0, 2, now, then);
  if (!waiting) load(now, film);
  now.hidden = false;
  then.hidden = true;
  then.pause();
  now.currentTime = 0;
  now.controls = true;
  now.play().catch(() => {});
  reel.querySelector("[data-title]").textContent = film.title;
  reel.querySelector("[data-place]").textContent = `${at + 1} of ${films.length}`;
  reel.querySelector("[data-step='-1']").disabled = at === 0;
  reel.querySelector("[data-step='1']").disabled = at === films.length - 1;
  if (films[at + 1]) load(then, films[at + 1]);
}
function load(video, film) {
  video.src = film.src;
  video.dataset.src = film.src;
  video.preload = "auto";
}
const step = (by) => films[at + by] && show(at + by);
for (const video of screens) video.addEventListener("ended", () => video === screens[0] && step(1));
reel.addEventListener("click", (event) => {
  const button = event.target.closest("[data-step]");
  if (button) step(Number(button.dataset.step));
});
reel.addEventListener("keydown", (event) => {
  if (event.target.localName === "video" && event.key.startsWith("Arrow")) return; // its own controls
  if (event.key === "ArrowRight") step(1);
  if (event.key === "ArrowLeft") step(-1);
});
reel.addEventListener("close", () => {
  for (const video of screens) {
    video.pause();
    video.removeAttribute("src");
    delete video.dataset.src;
    video.load();
  }
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-play-all]")) {
    films = items().filter((item) => item.dataset.src).map((item) => ({ src: item.dataset.src, title: item.dataset.title }));
    reel.showModal();
    show(0);
  }
  const opens = event.target.closest("[data-opens]");
  if (opens) {
    opens.closest(".menu")?.hidePopover();
    const details = document.getElementById(opens.dataset.opens);
    details.open = true;
    details.querySelector("input:not([type=hidden])").focus();
  }
});
document.body.addEventListener("htmx:afterSettle", ready);
ready();
