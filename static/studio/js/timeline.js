// A chain's timeline as data: the segments on the way to a branch's end, and their exact widths.

import { frameLength, frameOf } from "./frames.js";

function itemsTo(list) {
  const own = [...list.children].filter((item) => item.matches(".seg-li"));
  const fork = list.parentElement.closest(".seg-li");
  if (!fork) return own;
  const before = itemsTo(fork.parentElement);
  return [...before.slice(0, before.indexOf(fork) + 1), ...own];
}

// The segments from the beginning to the end of one list, with where each starts and gives way.
export function segmentsTo(list) {
  let start = 0;
  const items = itemsTo(list);
  return items.map((item, index) => {
    const { src, poster, label, title, state } = item.dataset;
    const length = item.dataset.ms / 1000;
    const frame = frameLength(item.dataset.fps);
    // A continuation from an earlier frame takes over behind it, not at the very end.
    const joins = items[index + 1]?.dataset.joins;
    const until = joins === undefined ? length : Math.min((frameOf(Number(joins), frame) + 1) * frame, length);
    const one = { id: item.id, item, src, poster, label, title, state, start, length, until, frame };
    one.lane = Number(item.parentElement.dataset.lane ?? 0);
    start += length;
    return one;
  });
}

// Exact widths, in a sheet of their own: a swap of the timeline leaves them alone.
const widths = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, widths];
export function layOut(timeline) {
  const items = [...timeline.querySelectorAll(".seg-li")];
  const rules = items.map((item) => `#${item.id} { --sec: ${item.dataset.ms / 1000}; }`);
  widths.replaceSync(`.cut { --total: ${Math.max(1, Number(timeline.dataset.seconds))}; }\n${rules.join("\n")}`);
}
