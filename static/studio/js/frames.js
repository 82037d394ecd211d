// Time as frames, as studio/media/frames.py counts: one rule for every player, and for both languages.

// Seconds a frame takes, from the data-fps of an element: "25", or exactly "24000/1001".
export function frameLength(fps) {
  const [frames, seconds = 1] = String(fps || 24).split("/").map(Number);
  return seconds / frames;
}

// The number of the frame on screen; a hundredth of a frame is what a browser may be off.
export const frameAt = (seconds, frame) => Math.max(0, Math.floor(seconds / frame + 0.01));

// The number of the frame that whole milliseconds mean: a frame's own beginning, rounded up or down,
// means that frame. No frame begins within a millionth of one beside it.
export const frameOf = (ms, frame) => Math.max(0, Math.ceil((ms + 1) / 1000 / frame - 1e-7) - 1);

// Half a frame in, so that rounding never shows or means the frame before.
export const middleOf = (number, frame) => (number + 0.5) * frame;

// What is sent of the frame on screen: whole milliseconds in the middle of it.
export const middleAt = (seconds, frame) => Math.round(1000 * middleOf(frameAt(seconds, frame), frame));

// What is sent of a moment: whole milliseconds that mean the frame on screen.
export function momentAt(seconds, frame) {
  const ms = Math.round(seconds * 1000);
  return frameOf(ms, frame) === frameAt(seconds, frame) ? ms : middleAt(seconds, frame);
}

// Where a video has to stand to show the frame that whole milliseconds mean.
export function placeOf(ms, frame) {
  const number = frameOf(ms, frame);
  return ms / 1000 < number * frame ? middleOf(number, frame) : ms / 1000;
}

// Seconds on a video's own clock at which its first frame appears; its address says so where not at 0.
function startOf(video) {
  const start = Number(/#starts=([\d.]+)$/.exec(video.src)?.[1] ?? 0);
  return start >= video.duration ? 0 : start;
}

// Where a video stands, from its first frame.
export const timeOf = (video) => Math.max(0, video.currentTime - startOf(video));
// How long it is: as the server measured it (milliseconds), or longer where its sound goes on. What the
// browser says is not known at first, not to the end in some files, and never in a WebM that was
// written while it was made.
export function lengthOf(video, measuredMs = 0) {
  const told = Number.isFinite(video.duration) ? video.duration - startOf(video) : 0;
  return Math.max(told, measuredMs / 1000);
}
export function setTime(video, seconds) {
  video.currentTime = seconds + startOf(video);
}

// A moment as people read it, cut to hundredths as the server's timecode is: 0:03.79.
export function timecode(seconds) {
  const hundredths = Math.max(0, Math.floor(seconds * 100 + 1e-6));
  return `${Math.floor(hundredths / 6000)}:${String(Math.floor(hundredths / 100) % 60).padStart(2, "0")}.${String(hundredths % 100).padStart(2, "0")}`;
}
