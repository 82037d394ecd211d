// Keeps a page current: asks #live's address for what changed, at the pace of what is going on.
const MOVING_MS = 2000; // something is in flight: the pace of its cards
const IDLE_MS = 2500; // nothing is: only to notice what others do
const TROUBLE_MS = 8000; // the server cannot answer: what is on the page stays
const ASLEEP_AFTER_MS = 10 * 60 * 1000; // nothing in flight and nobody here: no requests at all
const STUCK_MS = 30000;

let timer = 0;
let lastSign = Date.now();
let asking = null; // the request under way
let prepare = () => {};

const live = () => document.getElementById("live");
const moving = () => Number(live()?.dataset.moving ?? 0) > 0;
const asleep = () => document.hidden || (!moving() && Date.now() - lastSign > ASLEEP_AFTER_MS);

function plan(delay = moving() ? MOVING_MS : IDLE_MS) {
  clearTimeout(timer);
  if (!asleep()) timer = setTimeout(ask, delay);
}

async function ask() {
  if (asleep() || asking || !live()) return;
  asking = new AbortController();
  const stuck = setTimeout(() => asking?.abort(), STUCK_MS);
  let answered = false;
  try {
    // Not through htmx: it reports a request cut off by leaving the page as an error.
    const headers = { "HX-Request": "true", "HX-Current-URL": location.href };
    const response = await fetch(live().dataset.from, { headers, signal: asking.signal });
    const door = response.headers.get("HX-Redirect");
    if (door) return void location.assign(door);
    if (response.status === 200) show(await response.text());
    answered = response.ok;
  } catch {
    // No connection, or the page is being left: the next try will tell.
  } finally {
    clearTimeout(stuck);
    asking = null;
    plan(answered ? undefined : TROUBLE_MS);
  }
}

function show(html) {
  const answer = document.createElement("template");
  answer.innerHTML = html;
  const after = prepare(answer.content);
  htmx.swap(document.body, answer.innerHTML, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
  after?.();
}

// Lets a page look at an answer before it is swapped: it gets the elements in a fragment, and may
// return what to do once they are in place.
export function beforeLiveSwap(look) {
  prepare = look;
}

for (const sign of ["pointermove", "keydown", "focus", "visibilitychange", "touchstart", "pageshow"]) {
  addEventListener(sign, () => {
    const slept = Date.now() - lastSign > ASLEEP_AFTER_MS;
    lastSign = Date.now();
    if (slept || sign === "visibilitychange" || sign === "pageshow") plan(50);
  }, { passive: true, capture: true });
}
addEventListener("pagehide", () => asking?.abort());
// Something was done on this page: see what became of it at once.
document.body.addEventListener("changed", () => plan(50));

// A morph leaves alone what a person opened and what is playing.
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.localName === "details");
Idiomorph.defaults.callbacks.beforeNodeRemoved = (node) => !node.classList?.contains("hoverplay");
plan();
