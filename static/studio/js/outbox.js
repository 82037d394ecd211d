// What was decided and is on its way: one request at a time, in order, kept in this browser until the
// server has it. A lost connection delays it; a page closed meanwhile sends it when it is open again.
const FIRST_MS = 1000;
const LONGEST_MS = 15000;
const STUCK_MS = 20000;
const STALE_MS = 12 * 3600 * 1000; // older than this it is no longer what somebody means

export class Outbox {
  // `changed(waiting, trouble)` follows every change; `refused(code, sentence, truth)` a refusal for good.
  constructor(name, { changed, refused }) {
    this.shelf = name;
    this.name = `${name}-${crypto.randomUUID?.() ?? Date.now()}`; // of this page alone
    this.changed = changed;
    this.refused = refused;
    this.sending = false;
    this.trouble = false;
    this.timer = 0;
    this.wait = FIRST_MS;
    this.resting = [];
    this.waiting = this.read();
    this.keep();
    addEventListener("online", () => this.flush());
    if (this.waiting.length) this.flush();
  }
  // What earlier pages could not send. One that is still open may send it too, which does no harm.
  read() {
    const left = [];
    try {
      for (const name of Object.keys(localStorage).filter((key) => key.startsWith(`${this.shelf}-`))) {
        left.push(...JSON.parse(localStorage.getItem(name)));
        localStorage.removeItem(name);
      }
    } catch {
      // Not ours to read, or not readable: there is nothing to send.
    }
    return left.filter(({ at }) => Date.now() - at < STALE_MS).sort((a, b) => a.at - b.at);
  }
  keep() {
    try {
      if (this.waiting.length) localStorage.setItem(this.name, JSON.stringify(this.waiting));
      else localStorage.removeItem(this.name);
    } catch {
      // No room or no permission: it is kept as long as the page is.
    }
  }
  // What of a clip is not at the server yet: {rating, verdict}, each perhaps missing.
  of(code) {
    return Object.assign({}, ...this.waiting.filter((one) => one.code === code).map((one) => one.values));
  }
  send(code, values) {
    // Only the last rating of a clip counts; what is being sent already cannot be changed any more.
    const later = this.waiting.slice(this.sending ? 1 : 0);
    const same = later.find((one) => one.code === code && Object.keys(one.values).join() === Object.keys(values).join());
    if (same) Object.assign(same, { values, at: Date.now() });
    else this.waiting.push({ code, values, at: Date.now() });
    this.keep();
    this.flush();
  }
  idle() {
    return this.waiting.length && !this.trouble ? new Promise((resolve) => this.resting.push(resolve)) : Promise.resolve();
  }
  async flush() {
    clearTimeout(this.timer);
    if (this.sending) return;
    while (this.waiting.length) {
      this.changed(this.waiting.length, this.trouble);
      this.sending = true;
      const sent = await this.post(this.waiting[0]).catch(() => false);
      this.sending = false;
      this.trouble = !sent;
      if (!sent) {
        this.changed(this.waiting.length, true);
        this.timer = setTimeout(() => this.flush(), this.wait);
        this.wait = Math.min(2 * this.wait, LONGEST_MS);
        break;
      }
      this.wait = FIRST_MS;
      this.waiting.shift();
      this.keep();
      if (!this.waiting.length) this.changed(0, false);
    }
    this.resting.splice(0).forEach((done) => done());
  }
  // True once the server has it or will never take it; false to try again.
  async post({ code, values }) {
    const response = await fetch(`/clips/${code}/judge/`, {
      method: "POST",
      headers: { "HX-Request": "true", "HX-Current-URL": location.href, "X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value },
      body: new URLSearchParams(values),
      signal: AbortSignal.timeout(STUCK_MS),
    });
    const door = response.headers.get("HX-Redirect");
    if (door) return location.assign(door), false; // signed out: it is sent after the way in again
    if (response.ok) return true;
    if (response.status >= 500 || response.status === 429) return false;
    const piece = document.createElement("template");
    piece.innerHTML = response.status === 422 ? await response.text() : "";
    const said = piece.content.querySelector(".error span")?.textContent;
    this.refused(code, said ?? "This clip cannot be judged any more.", piece.content.querySelector(".judge")?.dataset);
    return true;
  }
}
