// The crop dialog: a window of the wanted shape over the picture, moved by hand or by arrow keys.
import { token } from "./upload.js";

const clamp = (value, least, most) => Math.min(Math.max(value, least), most);
const ratio = (shape) => {
  const [across, down] = shape.split(":").map(Number);
  return across / down;
};

// `done(still, dialog)` is called with the new still as the server kept it.
export function watchCrops(done) {
  document.addEventListener("htmx:afterSettle", (event) => {
    const dialog = event.target.id === "dialog-slot" ? event.target.querySelector("dialog.cropping") : null;
    if (dialog) new Crop(dialog, done);
  });
}

class Crop {
  constructor(dialog, done) {
    this.dialog = dialog;
    this.done = done;
    this.form = dialog.querySelector("form");
    this.picture = dialog.querySelector(".crop-area img");
    this.window = dialog.querySelector(".win");
    this.whole = Number(this.picture.getAttribute("width")) / Number(this.picture.getAttribute("height"));
    this.centre = { x: 0.5, y: 0.5 };
    // A picture that has the shape already is opened a little tighter: there is something to move.
    if (Math.abs(Math.log(this.whole / ratio(this.form.elements.shape.value))) < 0.02) this.form.elements.size.value = 82;
    this.window.addEventListener("pointerdown", (event) => this.grab(event));
    this.window.addEventListener("keydown", (event) => this.key(event));
    this.form.elements.size.addEventListener("input", () => this.place());
    this.form.addEventListener("change", (event) => {
      if (event.target.name === "pick-shape") this.reshape(event.target.value);
    });
    this.form.addEventListener("submit", (event) => this.send(event));
    this.place();
    this.window.focus();
  }

  reshape(shape) {
    this.form.elements.shape.value = shape;
    this.dialog.querySelector("[data-shape]").textContent = shape;
    this.place();
  }

  // The largest window of the shape, times the size, kept inside the picture.
  place() {
    const wanted = ratio(this.form.elements.shape.value);
    const size = Number(this.form.elements.size.value) / 100;
    const width = Math.min(1, wanted / this.whole) * size;
    const height = Math.min(1, this.whole / wanted) * size;
    this.centre.x = clamp(this.centre.x, width / 2, 1 - width / 2);
    this.centre.y = clamp(this.centre.y, height / 2, 1 - height / 2);
    const x = Math.max(0, this.centre.x - width / 2);
    const y = Math.max(0, this.centre.y - height / 2);
    const box = { x, y, width: Math.min(width, 1 - x), height: Math.min(height, 1 - y) };
    for (const [name, value] of Object.entries(box)) this.form.elements[name].value = value.toFixed(6);
    Object.assign(this.window.style, { left: `${x * 100}%`, top: `${y * 100}%`, width: `${width * 100}%`, height: `${height * 100}%` });
    const across = width < 1 ? Math.round((x / (1 - width)) * 100) : 50;
    const down = height < 1 ? Math.round((y / (1 - height)) * 100) : 50;
    this.window.setAttribute("aria-valuenow", height < 1 && width >= 1 ? down : across);
    this.window.setAttribute("aria-valuetext", `${across}% across, ${down}% down`);
  }

  grab(event) {
    event.preventDefault();
    this.window.focus();
    this.window.setPointerCapture(event.pointerId);
    const area = this.picture.getBoundingClientRect();
    const from = { ...this.centre };
    const move = (moved) => {
      this.centre = { x: from.x + (moved.clientX - event.clientX) / area.width, y: from.y + (moved.clientY - event.clientY) / area.height };
      this.place();
    };
    const release = () => {
      this.window.removeEventListener("pointermove", move);
      this.window.removeEventListener("pointerup", release);
      this.window.removeEventListener("pointercancel", release);
    };
    this.window.addEventListener("pointermove", move);
    this.window.addEventListener("pointerup", release);
    this.window.addEventListener("pointercancel", release);
  }

  key(event) {
    const step = event.shiftKey ? 0.1 : 0.01;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const sizes = { "+": 2, "=": 2, "-": -2 };
    if (moves[event.key]) {
      this.centre.x += moves[event.key][0] * step;
      this.centre.y += moves[event.key][1] * step;
    } else if (sizes[event.key]) {
      this.form.elements.size.value = Number(this.form.elements.size.value) + sizes[event.key];
    } else return;
    event.preventDefault();
    this.place();
  }

  async send(event) {
    event.preventDefault();
    const button = this.form.querySelector("[type=submit]");
    const error = this.form.querySelector(".error");
    button.disabled = true;
    error.hidden = true;
    try {
      const body = new FormData(this.form);
      body.delete("pick-shape");
      const answer = await fetch(this.form.action, { method: "POST", body, headers: { Accept: "application/json", "X-CSRFToken": token() } });
      const kept = await answer.json();
      if (!kept.stills.length) throw new Error(kept.errors[0].message);
      this.dialog.close();
      this.done(kept.stills[0], this.dialog);
    } catch (problem) {
      error.textContent = problem instanceof SyntaxError || problem instanceof TypeError ? "The crop was not kept. Try again in a moment." : problem.message;
      error.hidden = false;
      button.disabled = false;
    }
  }
}
