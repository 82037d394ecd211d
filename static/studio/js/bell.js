// The bell: fetched when it is opened, counted beside the page, told in the tab while that is hidden.
const ALONE_MS = 60000; // nothing else asks on this page, or it is hidden
const BESIDE_MS = 180000; // live.js asks already, and its answers bring the bell: this is for other projects
const DESKTOP = "ray-studio-desktop";

const count = () => document.getElementById("bell-count");
const unread = () => Number(count()?.dataset.unread ?? 0);

// ---- The panel --------------------------------------------------------------------------
document.getElementById("bell-menu")?.addEventListener("toggle", (event) => {
  if (event.newState === "open") htmx.trigger("#bell-panel", "opened");
});

// ---- Asking, calmly -----------------------------------------------------------------------
let timer = 0;
let asked = Date.now();

function plan(delay) {
  clearTimeout(timer);
  const beside = document.getElementById("live") && !document.hidden;
  timer = setTimeout(ask, delay ?? (beside ? BESIDE_MS : ALONE_MS));
}

async function ask() {
  if (!count()) return;
  asked = Date.now();
  const { unread: known, newest } = count().dataset;
  try {
    const query = new URLSearchParams({ unread: known, newest });
    const response = await fetch(`/notifications/changes/?${query}`, { headers: { "HX-Request": "true" } });
    if (response.headers.get("HX-Redirect")) return; // signed out elsewhere: whatever is pressed next says so
    if (response.status === 200) show(await response.text());
  } catch {
    // No connection, or the page is being left: the next time will tell.
  }
  plan();
}

function show(html) {
  htmx.swap(document.body, html, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
  const says = count().dataset.says;
  if (document.hidden && says && wanted()) new Notification("Ray Studio", { body: says, tag: "ray-studio" });
}

// ---- The tab: a number before the title and a dot on its picture while nobody looks -------------
const icon = document.querySelector("link[rel=icon]");
const plainIcon = icon?.href;
let plainTitle = "";

function mark() {
  const marked = document.hidden && unread() > 0;
  if (marked) {
    plainTitle ||= document.title;
    document.title = `(${count().firstElementChild.textContent}) ${plainTitle}`;
  } else if (plainTitle) {
    document.title = plainTitle;
    plainTitle = "";
  }
  const href = marked ? count().dataset.marked : plainIcon;
  if (icon && icon.getAttribute("href") !== href) icon.href = href;
}

// ---- The desktop, only where somebody pressed for it ---------------------------------------------
const wanted = () => {
  try {
    return localStorage.getItem(DESKTOP) === "on" && Notification.permission === "granted";
  } catch {
    return false; // no storage, or no notifications, in this browser
  }
};

const button = document.querySelector("[data-desktop]");
const said = document.querySelector("[data-desktop-said]");
function drawDesktop() {
  button.setAttribute("aria-pressed", String(wanted()));
  button.textContent = wanted() ? "Shown on this desktop" : "Show them on this desktop";
}
if (button && "Notification" in window) {
  button.hidden = false;
  drawDesktop();
  button.addEventListener("click", async () => {
    if (wanted()) localStorage.removeItem(DESKTOP);
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(DESKTOP, "on");
    else said.textContent = "Your browser does not allow it. Its settings for this site can.";
    drawDesktop();
  });
}

if (count()) {
  // The number is swapped by whatever answer brings it.
  new MutationObserver(mark).observe(document.getElementById("bell"), { childList: true, subtree: true });
  document.addEventListener("visibilitychange", () => {
    mark();
    plan(!document.hidden && Date.now() - asked > ALONE_MS / 2 ? 50 : undefined);
  });
  plan();
}
