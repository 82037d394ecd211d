// The gallery's filter menus count when they are opened, and Back leads to where one was.
import { toast } from "./studio.js";

const form = document.querySelector("form.filters");

// ---- Menus: each line says how many clips it would show, the other filters holding ----------
const asked = new Map(); // menu -> the request under way

document.addEventListener("toggle", async (event) => {
  const menu = event.target;
  if (!menu.matches?.(".menu[data-counts]") || event.newState !== "open") return;
  asked.get(menu)?.abort();
  const asking = new AbortController();
  asked.set(menu, asking);
  menu.setAttribute("aria-busy", "true");
  try {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const headers = { "HX-Request": "true", "HX-Current-URL": location.href };
    const answer = await fetch(`${menu.dataset.counts}?${query}`, { headers, signal: asking.signal });
    const door = answer.headers.get("HX-Redirect");
    if (door) return void location.assign(door);
    if (!answer.ok) throw new Error(answer.status);
    Idiomorph.morph(menu, await answer.text(), { morphStyle: "innerHTML", ignoreActiveValue: true });
  } catch (trouble) {
    if (trouble.name !== "AbortError") toast("The counts did not come. The filters still work.", { tone: "error" });
  } finally {
    if (asked.get(menu) === asking) menu.removeAttribute("aria-busy");
  }
}, true);

// A day chosen takes the place of "this month", and the other way round; before htmx reads the form.
form.addEventListener("change", ({ target }) => {
  if (target.name === "date" && target.value) for (const day of form.querySelectorAll("[type=date]")) day.value = "";
  if (target.type === "date") for (const preset of form.querySelectorAll("[name=date]")) preset.checked = !preset.value;
}, true);

// ---- Back: the pages that were loaded, the place, the card that was opened --------------------
const KEPT = "gallery-place";
const sheet = () => document.getElementById("sheet");
const more = () => sheet()?.querySelector(".more");
const after = (link) => new URL(link.getAttribute("hx-get"), location).searchParams.get("after");
let first = more() && after(more()); // where the first page ended

// A new filter, sort or search begins at its own first page.
document.body.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target?.id === "gallery") first = more() && after(more());
});

addEventListener("pagehide", () => {
  const cards = sheet()?.querySelectorAll(":scope > .clip");
  if (!cards?.length) return;
  const opened = document.activeElement?.closest?.("#sheet > .clip");
  const kept = {
    page: location.href,
    y: scrollY,
    first,
    last: cards[cards.length - 1].dataset.place,
    whole: !more(),
    focus: opened?.id ?? "",
  };
  try {
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  } catch {
    // No room or not allowed: Back then leads to the top.
  }
});

async function goBack() {
  const [visit] = performance.getEntriesByType("navigation");
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  if (visit?.type !== "back_forward" || kept?.page !== location.href) return;
  const link = more();
  if (link && kept.first && (kept.whole || after(link) !== kept.last)) {
    const url = new URL(link.getAttribute("hx-get"), location);
    // From where this visit's first page ends, for clips have come since; to where the last one did.
    url.searchParams.set("until", kept.last);
    await htmx.ajax("GET", url.pathname + url.search, { source: link, target: link, swap: "outerHTML" });
  }
  scrollTo({ top: kept.y, behavior: "instant" });
  document.getElementById(kept.focus)?.querySelector("h3 a")?.focus({ preventScroll: true });
}
if (document.readyState === "complete") goBack();
else addEventListener("load", goBack);
