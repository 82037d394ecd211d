// The sheet of shortcuts: one table, shown for the page at hand. A row whose third part is a selector
// is shown where something matches it: what is not on the page has no key.
const key = (letter) => `[data-key="${letter}"]`;
const CLIP_KEYS = [["Space or K", "Play, pause"], [", .", "One frame back, on"]];
const JUDGE_KEYS = [["1 to 5", "Rate"], ["0", "Clear the rating"], ["A", "Approve"], ["R", "Needs changes, and what"]];
const SHEETS = [
  { title: "Lightbox", over: "#look", keys: [["← →", "Previous, next clip"], ...CLIP_KEYS, ["J L", "Slower, faster"], ["M", "Sound"], ["F", "Full screen"], ...JUDGE_KEYS, ["Enter", "Open the clip's page"], ["Esc", "Back to the clips"], ["?", "This list"]] },
  { title: "Light table", over: "main.lt", keys: [["1 to 5", "Rate and go on"], ["0", "No rating, and go on"], ["A", "Approve"], ["R or N", "Needs changes, and what"], ["Z", "Undo"], ["U", "Next unrated clip"], ["← →", "Previous, next clip"], ...CLIP_KEYS, ["Enter", "Open the clip's page"], ["Esc", "Back to the clips"], ["?", "This list"]] },
  { title: "Anywhere", when: "body", keys: [["N", "New shot", key("n")], ["?", "This list"], ["G then C", "Clips", key("g c")], ["G then H", "Chains", key("g h")], ["G then A", "Activity", key("g a")], ["G then O", "Collections", key("g o")], ["G then R", "Review", key("g r")], ["G then T", "Stills", key("g t")], ["G then S", "Spend", key("g s")], ["G then P", "All projects", key("g p")]] },
  { title: "Clips", when: "#sheet", keys: [["/", "Search", key("/")], ["← ↑ → ↓", "Move between clips"], ["Enter", "Open"], ["Space", "Look at it in the lightbox"], ["1 to 5", "Rate"], ["0", "Clear the rating"], ["X", "Select", "#picked"], ["Shift + X", "Select to here", "#picked"], ["Shift + ← → ↑ ↓", "Select on the way", "#picked"], ["Esc", "Clear the selection", "#picked"]] },
  { title: "Compare", when: "main.compare.ready", keys: [...CLIP_KEYS, ["J L", "Slower, faster"], ["← →", "One second back, on"], ["Home End", "First, last frame"], ["O", "Loop"], ["M", "Sound of the chosen clip"], ["F", "Flip to the next in place"], ["D", "Difference"], ["S", "Side by side"], ["[ ]", "Choose the previous, next clip"]] },
  { title: "The chosen clip", when: "main.compare.ready", keys: JUDGE_KEYS },
  { title: "Chain", when: "#timeline", keys: [["← →", "Segments"], ["↑ ↓", "Main cut and branches"], ["E", "Extend", key("e")], ["B", "Branch from here", key("b")], ["Space or K", "Play, pause"], [", .", "One frame back, on"], ["Home End", "Beginning, end"], ["F", "Full screen"], ["M", "Sound"]] },
  { title: "Player", when: "#player", keys: [["Space or K", "Play, pause"], ["J", "Slower"], ["L", "Faster"], [", .", "One frame back, on"], ["← →", "One second back, on"], ["Home End", "First, last frame"], ["F", "Full screen"], ["M", "Sound"], ["O", "Loop"]] },
  { title: "Review", when: "#verdict", keys: [["C", "Comment on this frame", key("c")], ["A", "Approve", key("a")], ["R", "Needs changes", key("r")], ["1 to 5", "Rate", "#rate-1"], ["0", "Clear the rating", "#rate-1"], ["D", "Draw on the frame", key("d")], ["S", "Keep the frame as a still", key("s")], ["@", "Mention somebody in a comment", "[data-people]"], ["Ctrl + Enter", "Send the comment", "#say"]] },
  { title: "Clip", when: "#actions", keys: [["[", "Newer clip", key("[")], ["]", "Older clip", key("]")], ["E", "Extend", key("e")], ["B", "Branch, in a chain", key("b")], ["V", "Compare takes", key("v")]] },
  { title: "New shot", when: "form.desk, .desk form", keys: [["Ctrl + Enter", "Generate"], ["Ctrl + Shift + Enter", "Previs"]] },
];
const isMac = /Mac|iP/.test(navigator.platform);
const found = (selector) => document.querySelector(selector) !== null;

// What covers the page has its own keys, and the page's do nothing meanwhile.
function sheets() {
  const over = SHEETS.find((sheet) => sheet.over && found(sheet.over));
  const shown = over ? [over] : SHEETS.filter(({ when }) => when && found(when));
  return shown
    .map((sheet) => ({ ...sheet, keys: sheet.keys.filter(([, , needs]) => !needs || found(needs)) }))
    .filter(({ keys }) => keys.length);
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

function build() {
  const dialog = element("dialog", "shortcuts");
  dialog.setAttribute("aria-labelledby", "shortcuts-h");
  const head = element("header", "dlg-head");
  const title = element("h2", "", "Shortcuts");
  title.id = "shortcuts-h";
  const close = element("button", "btn", "Close");
  close.type = "button";
  close.dataset.close = "";
  head.append(title, close);
  const body = element("div", "dlg-body");
  for (const sheet of sheets()) {
    const group = element("section", "stack-s");
    const list = element("dl", "keys");
    for (const [keys, does] of sheet.keys) {
      const dt = element("dt");
      for (const word of (isMac ? keys.replace("Ctrl", "⌘") : keys).split(" ")) {
        const joins = ["or", "to", "then", "+"].includes(word);
        dt.append(element(joins ? "span" : "kbd", joins ? "dim" : "kbd", word), " ");
      }
      list.append(dt, element("dd", "", does));
    }
    group.append(element("h3", "", sheet.title), list);
    body.append(group);
  }
  dialog.append(head, body);
  if (document.body.dataset.shortcuts === "off") {
    const note = element("p", "notice", "Single keys are switched off in your account.");
    body.before(note);
  }
  dialog.addEventListener("close", () => dialog.remove());
  return dialog;
}

export function showShortcuts() {
  if (found("dialog[open]:not(.lightbox)")) return;
  document.querySelectorAll(".menu:popover-open").forEach((menu) => menu.hidePopover());
  const dialog = build();
  document.body.append(dialog);
  dialog.showModal();
}
for (const opener of document.querySelectorAll("[data-shows-shortcuts]")) {
  opener.hidden = false; // without script there are none
  opener.addEventListener("click", showShortcuts);
}
