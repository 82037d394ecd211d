// Time as frames, as studio/media/frames.py counts: one rule for every player.

// Seconds a frame takes, from the data-fps of an element: "25", or exactly "24000/1001".
export function frameLength(fps) {
  const [frames, seconds = 1] = String(fps || 24).split("/").map(Number);
  return seconds / frames;
}

// The number of the frame on screen; a hundredth of a frame is what a browser may be off.
export const frameAt = (seconds, frame) => Math.max(0, Math.floor(seconds / frame + 0.01));

// The number of the frame that whole milliseconds mean: its own beginning, rounded up or down, means it.
export const frameOf = (ms, frame) => Math.max(0, Math.ceil((ms + 1) / 1000 / frame - 1e-7) - 1);

// Half a frame in, so that rounding never means the frame before.
export const middleOf = (number, frame) => (number + 0.5) * frame;

// What is sent of the frame on screen, in milliseconds.
export const middleAt = (seconds, frame) => Math.round(1000 * middleOf(frameAt(seconds, frame), frame));

// What is sent of a moment: milliseconds that mean the frame on screen.
export function momentAt(seconds, frame) {
  const ms = Math.round(seconds * 1000);
  return frameOf(ms, frame) === frameAt(seconds, frame) ? ms : middleAt(seconds, frame);
}

// Where a video has to stand to show the frame that milliseconds mean.
export function placeOf(ms, frame) {
  const number = frameOf(ms, frame);
  return ms / 1000 < number * frame ? middleOf(number, frame) : ms / 1000;
}

// When a video's first frame appears on its own clock; its address says so where not at 0.
function startOf(video) {
  const start = Number(/#starts=([\d.]+)$/.exec(video.src)?.[1] ?? 0);
  return start >= video.duration ? 0 : start;
}

// Where a video stands, from its first frame.
export const timeOf = (video) => Math.max(0, video.currentTime - startOf(video));
// How long it is: as the server measured, or longer where its sound goes on. Browsers know it late, not
// to the end in some files, and never in a WebM that was written while it was made.
export function lengthOf(video, measuredMs = 0) {
  const told = Number.isFinite(video.duration) ? video.duration - startOf(video) : 0;
  return Math.max(told, measuredMs / 1000);
}
export function setTime(video, seconds) {
  video.currentTime = seconds + startOf(video);
}
