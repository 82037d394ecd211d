// Time as frames, as studio/media/frames.py counts: one rule for every player.

// Seconds a frame takes, from the data-fps of an element.
export const frameLength = (fps) => 1 / (Number(fps) || 24);

// The number of the frame on screen; a hundredth of a frame is what a browser may be off.
export const frameAt = (seconds, frame) => Math.floor(seconds / frame + 0.01);

// Half a frame in, so that rounding never shows or means the frame before.
export const middleOf = (number, frame) => (number + 0.5) * frame;
