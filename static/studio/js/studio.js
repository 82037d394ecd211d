// What every page needs: toasts, menus, dialogs, the keys that go places, and calm errors.
// Everything works without this file; it only makes things live.
import "./focus.js";
import { showShortcuts } from "./shortcuts.js";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// ---- Toasts ---------------------------------------------------------------------------
const FADE_MS = 6000;

export function toast(text, { tone = "success", link = null } = {}) {
  const box = document.createElement("div");
  box.className = "toast";
  if (!link) box.dataset.fades = "";
  const words = document.createElement("span");
  words.textContent = text;
  box.append(words);
  if (link) {
    const open = document.createElement("a");
    open.className = "btn";
    open.href = link.href;
    open.textContent = link.text;
    box.append(open);
  }
  if (tone === "error") box.classList.add("bad");
  $("#toasts").append(box);
  fade(box);
  return box;
}

function fade(box) {
  if (!("fades" in box.dataset)) return;
  const ms = Number(box.dataset.fades) || FADE_MS;
  let timer = setTimeout(() => box.remove(), ms);
  for (const come of ["pointerenter", "focusin"]) box.addEventListener(come, () => clearTimeout(timer));
  for (const go of ["pointerleave", "focusout"]) box.addEventListener(go, () => (timer = setTimeout(() => box.remove(), FADE_MS / 2)));
}

$$("#toasts .toast").forEach(fade);
new MutationObserver((changes) => {
  // Some come in a wrapper, which htmx leaves around them.
  for (const change of changes) for (const node of change.addedNodes) for (const box of [node, ...(node.querySelectorAll?.(".toast") ?? [])]) if (box.matches?.(".toast[data-fades]")) fade(box);
}).observe($("#toasts"), { childList: true });

// ---- Menus: anchored by CSS where the browser can, by their button's place elsewhere -----
document.addEventListener("toggle", (event) => {
  const menu = event.target;
  if (!menu.matches?.(".menu[popover]") || event.newState !== "open") return;
  if (CSS.supports("position-area: block-end")) return;
  const opener = $(`[popovertarget="${menu.id}"]`);
  if (!opener || innerWidth <= 720) return;
  const at = opener.getBoundingClientRect();
  menu.style.left = `${Math.min(at.left, innerWidth - menu.offsetWidth - 16)}px`;
  menu.style.top = `${at.bottom}px`;
}, true);

// ---- Dialogs: a fragment swapped into #dialog-slot opens itself ---------------------------
let opener = null;
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-dialog]");
  if (button) {
    opener = button;
    document.getElementById(button.dataset.dialog)?.showModal();
  }
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog")?.close();
  const dismiss = event.target.closest("[data-dismiss]");
  if (dismiss) dismiss.closest(".toast, .notice")?.remove();
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target?.id === "dialog-slot") opener = event.detail.elt;
});
document.addEventListener("htmx:afterSettle", (event) => {
  const dialog = event.target.id === "dialog-slot" ? $("dialog", event.target) : null;
  if (dialog && !dialog.open) dialog.showModal();
});
document.addEventListener("close", (event) => {
  if (event.target.matches?.("dialog")) opener?.focus?.();
  opener = null;
}, true);
document.body.addEventListener("closeDialog", () => $$("dialog[open]").forEach((dialog) => dialog.close()));
document.body.addEventListener("toast", (event) => toast(event.detail.value ?? event.detail.text, event.detail));

// ---- Calm errors: the page and what was typed stay as they are ------------------------------
function trouble(text) {
  $$("#toasts .toast[data-trouble]").forEach((old) => old.remove());
  toast(text, { tone: "error" }).dataset.trouble = "";
}
document.body.addEventListener("htmx:sendError", (event) => {
  if (event.detail.elt.dataset.quiet === undefined) trouble("Connection lost. Nothing was sent; try again in a moment.");
});
document.body.addEventListener("htmx:responseError", (event) => {
  if (event.detail.elt.dataset.quiet !== undefined) return;
  const said = event.detail.xhr.getResponseHeader("Content-Type")?.startsWith("text/plain") && event.detail.xhr.responseText;
  trouble(said || "That did not work. Nothing on this page was lost; try again.");
});
// An invalid form comes back with its messages: go to the first field that needs a hand.
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.xhr?.status === 422) $("[aria-invalid=true]", event.target)?.focus();
});

// ---- Copy buttons -----------------------------------------------------------------------
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select?.();
  try {
    await navigator.clipboard.writeText(field.value ?? field.textContent);
  } catch {
    document.execCommand("copy");
  }
  const before = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => (button.textContent = before), 1600);
});

// ---- Keys: an element with data-key="n" is what the letter N presses -------------------------
export function typing(target) {
  return target.closest?.("input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]") != null;
}
export const lettersOn = () => document.body.dataset.shortcuts !== "off";
let went = 0;
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing(event.target) || !lettersOn() || $("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (key === "?") return showShortcuts();
  if (key === "g") return void (went = Date.now());
  const combined = Date.now() - went < 1200 ? `g ${key}` : key;
  went = 0;
  const wanted = $(`[data-key="${CSS.escape(combined)}"]`) ?? (combined === key ? null : $(`[data-key="${CSS.escape(key)}"]`));
  if (!wanted) return;
  event.preventDefault();
  if (wanted.matches("input, textarea")) wanted.focus();
  else wanted.click();
});
