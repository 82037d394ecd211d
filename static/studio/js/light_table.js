// The light table: a digit rates the clip and the next one plays. Each rating is sent at once; what
// cannot be sent is kept in this browser and tried again until it is.
import { onSwipe, prepare, present, start, step, toggle } from "./deck.js";
import { frameLength, momentAt, timeOf } from "./frames.js";
import { Outbox } from "./outbox.js";
import { lettersOn, toast, typing } from "./studio.js";

const NEAR = 6; // more of the strip is fetched when so few are left
const $ = (id) => document.getElementById(id);
const main = $("main");
const { address, joint, person, project } = main.dataset;
const stage = $("lt-stage");
const desk = $("lt-desk");
const list = $("lt-list");
const items = () => [...list.querySelectorAll(".lt-item")];
const one = (code) => $(`lt-${code}`);

let here = list.querySelector("[aria-current]");
let video = stage.querySelector("video");
let total = Number(here.dataset.total);
let unrated = Number(here.dataset.unrated);
let place = Number(here.dataset.place);
const undone = []; // what Z takes back, the latest last

// ---- The strip: as far as it is loaded, and more of it -------------------------------------------------
async function ask(query) {
  const headers = { "HX-Request": "true", "HX-Current-URL": location.href };
  const response = await fetch(`${address}${joint}${query}`, { headers });
  const door = response.headers.get("HX-Redirect");
  if (door) location.assign(door);
  if (door || !response.ok) throw new Error(`${response.status}`);
  const piece = document.createElement("template");
  piece.innerHTML = response.status === 204 ? "" : await response.text();
  return [...piece.content.querySelectorAll("li")];
}
const asking = { before: null, after: null };
// Returns how many came. A clip the strip holds already is not shown twice.
function extend(side) {
  asking[side] ??= (async () => {
    const edge = side === "after" ? items().at(-1) : items()[0];
    try {
      const fresh = (await ask(`${side}=${edge.dataset.key}`)).filter((li) => !one(li.firstElementChild.dataset.code));
      fresh.forEach((li) => keep(li.firstElementChild));
      if (side === "after") list.append(...fresh);
      else {
        const left = here.getBoundingClientRect().left;
        list.prepend(...fresh);
        $("lt-strip").scrollLeft += here.getBoundingClientRect().left - left;
      }
      return fresh.length;
    } catch {
      return 0;
    } finally {
      asking[side] = null;
    }
  })();
  return asking[side];
}
// What is still on its way to the server is what counts.
function keep(item) {
  const waiting = outbox.of(item.dataset.code);
  if (waiting.rating !== undefined) item.dataset.rating = waiting.rating;
  if (waiting.verdict !== undefined) item.dataset.verdict = waiting.verdict;
}

// ---- Showing ---------------------------------------------------------------------------------------------
function show(item) {
  here.removeAttribute("aria-current");
  here = item;
  here.setAttribute("aria-current", "true");
  const { src, poster, title, facts, code } = item.dataset;
  video = present(stage, { src, poster, label: title });
  $("lt-title").textContent = title;
  $("lt-facts").textContent = facts;
  desk.action = `/clips/${code}/judge/`;
  $("lt-ask").open = false;
  $("lt-why").value = "";
  document.title = `${title} · Light table`;
  history.replaceState(history.state, "", `${address}${joint}clip=${code}`);
  paint();
  centre();
  const all = items();
  const at = all.indexOf(here);
  for (const near of [all[at + 1], all[at + 2], all[at - 1]]) if (near) prepare(near.dataset.src, near.dataset.poster);
  if (at >= all.length - NEAR) extend("after");
  if (at < NEAR) extend("before").then((count) => at === 0 && place === 1 && arrived(count));
}
// Clips that came meanwhile and stand before the first one.
function arrived(count) {
  total += count;
  unrated += count;
  place += count;
  paint();
}
function paint() {
  const rating = Number(here.dataset.rating);
  for (const star of desk.querySelectorAll(".fivebtn")) {
    star.classList.toggle("on", Number(star.value) <= rating);
    star.setAttribute("aria-pressed", Number(star.value) === rating);
  }
  const approved = here.dataset.verdict === "approved";
  $("lt-approve").setAttribute("aria-pressed", approved);
  $("lt-approve").firstChild.textContent = approved ? "Approved " : "Approve ";
  $("lt-changes").toggleAttribute("data-on", here.dataset.verdict === "needs_changes");
  $("lt-place").textContent = place;
  $("lt-total").textContent = total;
  $("lt-unrated").textContent = Math.max(0, unrated);
  $("lt-progress").max = total;
  $("lt-progress").value = place;
  const all = items();
  disable($("lt-back"), here === all[0]);
  disable($("lt-on"), here === all.at(-1));
  $("lt-undo").disabled = !undone.length;
}
function disable(link, off) {
  link.toggleAttribute("aria-disabled", off);
  if (off) link.setAttribute("aria-disabled", "true");
}
function centre() {
  const strip = $("lt-strip");
  const box = here.getBoundingClientRect();
  const view = strip.getBoundingClientRect();
  strip.scrollLeft += box.left + box.width / 2 - view.left - view.width / 2;
}
async function move(way) {
  let all = items();
  let next = all[all.indexOf(here) + way];
  if (!next && (await extend(way > 0 ? "after" : "before"))) {
    all = items();
    next = all[all.indexOf(here) + way];
    if (way < 0 && place === 1) arrived(all.indexOf(here));
  }
  if (!next) return flash(way > 0 ? "That was the last one" : "This is the first one");
  place += way;
  show(next);
}
let flashing = 0;
function flash(text) {
  clearTimeout(flashing);
  $("lt-flash").textContent = text;
  $("lt-flash").hidden = false;
  flashing = setTimeout(() => ($("lt-flash").hidden = true), 900);
}
async function toUnrated() {
  const all = items();
  const at = all.indexOf(here);
  const near = all.slice(at + 1).find((item) => item.dataset.rating === "0");
  if (near) return (place += all.indexOf(near) - at), show(near);
  await outbox.idle();
  try {
    const fresh = await ask(`unrated=1&from_key=${all.at(-1).dataset.key}`);
    if (!fresh.length) return toast("Everything here is rated.");
    list.replaceChildren(...fresh);
    const next = list.querySelector("[aria-current]");
    items().forEach(keep);
    ({ place, total, unrated } = { place: Number(next.dataset.place), total: Number(next.dataset.total), unrated: Number(next.dataset.unrated) });
    show(next);
  } catch {
    toast("Connection lost. Try again in a moment.", { tone: "error" });
  }
}

// ---- Judging: shown at once, sent at once, taken back with Z ------------------------------------------------
function set(item, name, value) {
  if (name === "rating") unrated += (value === "0") - (item.dataset.rating === "0");
  item.dataset[name] = value;
}
function judge(name, value, more = {}) {
  undone.push({ code: here.dataset.code, name, before: here.dataset[name] });
  set(here, name, value);
  outbox.send(here.dataset.code, { [name]: value, ...more });
  paint();
}
function rate(stars) {
  judge("rating", stars);
  flash(stars === "0" ? "No rating" : "★".repeat(Number(stars)));
  move(1);
}
function approve() {
  judge("verdict", here.dataset.verdict === "approved" ? "" : "approved");
  flash(here.dataset.verdict ? "Approved" : "No verdict");
}
function askForChanges() {
  if (here.dataset.verdict === "needs_changes") return judge("verdict", ""), flash("No verdict");
  $("lt-ask").open = true;
}
function undo() {
  const last = undone.pop();
  if (!last) return;
  const item = one(last.code);
  outbox.send(last.code, { [last.name]: last.before });
  if (item) {
    set(item, last.name, last.before);
    const all = items();
    place += all.indexOf(item) - all.indexOf(here);
    show(item);
  } else paint();
  flash("Undone");
}

const outbox = new Outbox(`light-table-${person}-${project}`, {
  changed: (waiting, trouble) => {
    const words = trouble ? `${waiting} not saved yet. Trying again.` : waiting ? "Saving" : "Saved";
    if ($("lt-saved").textContent !== words) $("lt-saved").textContent = words;
    $("lt-saved").classList.toggle("warnc", trouble);
  },
  // The server will not have it: what it says, and what the clip really is.
  refused: (code, sentence, truth) => {
    toast(sentence, { tone: "error" });
    const item = one(code);
    if (!item || !truth) return;
    for (const name of ["rating", "verdict"]) set(item, name, truth[name]);
    paint();
  },
});
items().forEach(keep);

// ---- What people do ------------------------------------------------------------------------------------------
desk.addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, value, id } = event.submitter ?? {};
  if (name === "rating") return rate(value);
  if (id === "lt-approve") return approve();
  if (id !== "lt-say") return;
  const text = $("lt-why").value.trim();
  if (!text) return $("lt-why").focus();
  judge("verdict", "needs_changes", { text, at_ms: momentAt(timeOf(video), frameLength(here.dataset.fps)) });
  $("lt-why").value = "";
  $("lt-ask").open = false;
  $("lt-changes").focus();
  flash("Needs changes");
  start(video);
});
$("lt-ask").addEventListener("toggle", () => {
  if (!$("lt-ask").open) return;
  video.pause(); // the note belongs to the frame being looked at
  $("lt-why").focus();
});
main.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.target.closest("#lt-changes[data-on]")) return event.preventDefault(), askForChanges();
  const link = event.target.closest("#lt-back, #lt-on, #lt-next-unrated, .lt-item, #lt-undo");
  if (!link) return void (event.target.closest(".lt-stage") && toggle(video));
  event.preventDefault();
  if (link.id === "lt-back") move(-1);
  else if (link.id === "lt-on") move(1);
  else if (link.id === "lt-next-unrated") toUnrated();
  else if (link.id === "lt-undo") undo();
  else {
    const all = items();
    place += all.indexOf(link) - all.indexOf(here);
    show(link);
  }
});
onSwipe(stage, move);
addEventListener("pageshow", (event) => event.persisted && outbox.flush());

const KEYS = {
  a: approve, r: askForChanges, n: askForChanges, u: toUnrated, z: undo,
  ArrowRight: () => move(1), ArrowLeft: () => move(-1), "]": () => move(1), "[": () => move(-1), Backspace: () => move(-1),
  " ": () => toggle(video), k: () => toggle(video), ",": () => step(video, -1, here.dataset.fps), ".": () => step(video, 1, here.dataset.fps),
  Enter: () => location.assign(`/clips/${here.dataset.code}/`), Escape: () => $("lt-shut").click(),
};
for (const stars of "012345") KEYS[stars] = () => rate(stars);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape" && $("lt-ask").open) {
    event.preventDefault();
    $("lt-ask").open = false;
    return $("lt-changes").focus();
  }
  if (typing(event.target)) return;
  const named = event.key.length > 1;
  const action = KEYS[named ? event.key : event.key.toLowerCase()];
  if (!action || (!named && event.key !== " " && !lettersOn())) return;
  if ([" ", "Enter"].includes(event.key) && event.target.closest("button, a, summary")) return;
  event.preventDefault();
  event.stopPropagation();
  // Held down, a digit rates one clip, not all that follow.
  if (!event.repeat || named || ",.".includes(event.key)) action();
}, { capture: true });

video.controls = false;
start(video);
show(here);
