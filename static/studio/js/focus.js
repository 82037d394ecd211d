// Whoever works by keys stays where they are. A button that asks is disabled or swapped, a toast goes, a
// form brings its page anew: each would put the focus back to the top of the page.

const toasts = document.getElementById("toasts");
const STOPS = "a[href], button, input, select, textarea, summary, [tabindex]";
let held = ""; // the id of a button that asked: what stands there afterwards has the focus back
let asked = null; // the button itself: a refusal leaves it where it was, in a dialog too
let home = null; // the place from which the focus came into the toasts
let last = null; // what had the focus last, the toasts and dialogs left out

function nowhere() {
  const at = document.activeElement ?? document.body;
  return at === document.body || at.closest("dialog:not([open])") !== null;
}

// ---- Places: found again when their nodes were swapped, or the page was loaded anew ------------------
function placeOf(stop) {
  const menu = stop?.closest("[popover]");
  if (menu) {
    // A menu is closed by then: its button stands for it.
    const openers = [...document.querySelectorAll(`[popovertarget="${menu.id}"]`)];
    return placeOf(openers.find((one) => one.checkVisibility()) ?? openers.find((one) => one.closest("[popover]")));
  }
  const box = stop?.closest("[id]");
  if (!box || box.matches("main")) return null;
  return { id: box.id, nth: box === stop ? -1 : [...box.querySelectorAll(STOPS)].indexOf(stop) };
}
function goTo(place) {
  const box = place && document.getElementById(place.id);
  const stop = place?.nth < 0 ? box : box?.querySelectorAll(STOPS)[place.nth];
  stop?.focus({ preventScroll: true });
  const heading = document.querySelector("main h1");
  if (!nowhere() || !heading) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

// ---- A button that asks -----------------------------------------------------------------------------
document.addEventListener("htmx:beforeRequest", (event) => {
  const at = document.activeElement ?? document.body;
  if (!event.detail.elt.contains(at) && at.form !== event.detail.elt) return;
  asked = at;
  if (at.id && !at.closest("dialog")) held = at.id;
});
document.addEventListener("focusin", ({ target, relatedTarget }) => {
  if (target !== asked) asked = null;
  if (target.closest("dialog")) return;
  if (target.id !== held) held = "";
  if (!toasts.contains(target)) last = target;
  else if (!toasts.contains(relatedTarget)) home = placeOf(last);
});
// Whoever presses something since has gone on, as with Escape out of a field.
for (const press of ["keydown", "pointerdown"]) {
  document.addEventListener(press, ({ target }) => {
    asked = null;
    if (!target.closest?.("dialog")) held = "";
  }, true);
}
// Even if a dialog asked something in between.
function giveBack() {
  if (held && nowhere()) document.getElementById(held)?.focus({ preventScroll: true });
}
document.addEventListener("htmx:afterSettle", giveBack);
document.addEventListener("close", giveBack, true);
document.addEventListener("htmx:afterRequest", () => {
  if (asked?.isConnected && nowhere()) asked.focus({ preventScroll: true });
});

// ---- A toast that goes, by its own button or because it was answered ----------------------------------
let within = null; // the toast that has the focus
document.addEventListener("focusin", ({ target }) => (within = target.closest(".toast")));
new MutationObserver(() => {
  if (!within || within.isConnected) return;
  within = null;
  if (nowhere()) goTo(home);
}).observe(toasts, { childList: true, subtree: true });

// ---- A form that brings its page anew -----------------------------------------------------------------
const KEPT = "focus-place";
const SOON_MS = 30_000;
document.addEventListener("submit", (event) => {
  const at = document.activeElement;
  // Only where the focus can be seen: whoever clicks does not miss it.
  if (event.defaultPrevented || event.target.method !== "post" || !at?.matches(":focus-visible")) return;
  const place = toasts.contains(at) ? home : placeOf(at);
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ page: location.pathname, place, at: Date.now() }));
  } catch {
    // No room or not allowed: the page begins at its top.
  }
});
function comeBack() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  sessionStorage.removeItem(KEPT);
  if (kept?.page !== location.pathname || Date.now() - kept.at > SOON_MS) return;
  if (location.hash || !nowhere() || document.querySelector("[autofocus]")) return;
  const wrong = document.querySelector("[aria-invalid=true]");
  if (wrong) wrong.focus();
  else goTo(kept.place);
}
comeBack();
