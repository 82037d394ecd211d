// An archive's upload in parts, one after the other. After any trouble it waits, longer each time, asks the
// server how far it is, and goes on from there; so does another page with the same file, a day later.
import { token } from "./upload.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30000;
const STALLED_MS = 60000; // in which nothing went out and no answer came
const TROUBLE = "The studio did not take this part.";

// For good: the message is for people.
export class Refused extends Error {}

// It may pass by itself. `status` is 0 where no answer came; `pause` is what the server asked for, in ms.
class Trouble extends Error {
  constructor(message, status = 0, pause = 0) {
    super(message);
    this.status = status;
    this.pause = pause;
  }
}

export class ArchiveUpload {
  // `onProgress(bytes)` follows what is here, `onPause(sentence)` trouble; "" once it goes on.
  constructor(file, { beginUrl, edgeBytes, onBegin = () => {}, onProgress, onPause }) {
    Object.assign(this, { file, beginUrl, edgeBytes, onBegin, onProgress, onPause });
    this.stopped = new AbortController();
    this.pause = FIRST_PAUSE_MS;
    this.url = "";
    this.partBytes = 0;
    this.received = 0;
    this.sure = true; // whether the server has said so since the last trouble
  }

  // Resolves once the import has begun. Rejects with Refused, or with an AbortError after `cancel`.
  async send() {
    const begun = await this.persist(() => this.begin());
    this.url = begun.url;
    this.partBytes = begun.part_bytes;
    this.arrived(begun.received);
    this.onBegin(this.url);
    do {
      while (this.received < this.file.size) await this.persist(() => this.sendPart());
      const { received } = await this.persist(() => this.post(`${this.url}finish/`));
      this.received = received ?? this.file.size;
    } while (this.received < this.file.size);
  }

  // Stops, and has the server remove what is here. Rejects with the server's sentence.
  async cancel() {
    this.stopped.abort();
    if (this.url) await ask("POST", `${this.url}cancel/`, {});
  }

  async begin() {
    const { name, size } = this.file;
    const edges = new Blob([this.file.slice(0, this.edgeBytes), this.file.slice(Math.max(this.edgeBytes, size - this.edgeBytes))]);
    try {
      return await this.post(`${this.beginUrl}?${new URLSearchParams({ name, size })}`, await this.read(edges));
    } catch (error) {
      // Before the first byte a full disk is a reason to choose another day.
      throw error.status === 507 ? new Refused(error.message) : error;
    }
  }

  async sendPart() {
    if (!this.sure) this.arrived((await ask("GET", this.url, { signal: this.stopped.signal })).received);
    if (this.received >= this.file.size) return;
    const offset = this.received;
    const part = await this.read(this.file.slice(offset, offset + this.partBytes));
    this.sure = false;
    const onSent = (bytes) => this.onProgress(Math.min(offset + bytes, this.file.size));
    this.arrived((await this.post(`${this.url}part/?offset=${offset}`, part, onSent)).received);
  }

  arrived(bytes) {
    this.received = bytes;
    this.sure = true;
    this.onProgress(bytes);
  }

  // Read before it is sent: a file that was changed or moved meanwhile is no lost connection.
  async read(blob) {
    try {
      return await blob.arrayBuffer();
    } catch {
      throw new Refused(`“${this.file.name}” cannot be read any more. Was it moved or changed? Choose it again.`);
    }
  }

  post(url, body = null, onSent = () => {}) {
    return ask("POST", url, { body, onSent, signal: this.stopped.signal });
  }

  // Does this until it succeeds or is refused for good.
  async persist(step) {
    for (;;) {
      try {
        const done = await step();
        this.pause = FIRST_PAUSE_MS;
        this.onPause("");
        return done;
      } catch (error) {
        if (!(error instanceof Trouble)) throw error;
        const ms = Math.max(this.pause, error.pause);
        this.pause = Math.min(2 * this.pause, LONGEST_PAUSE_MS);
        this.onProgress(this.received);
        this.onPause(`${error.message} Trying again in ${Math.ceil(ms / 1000)} s.`);
        await rest(ms, this.stopped.signal);
      }
    }
  }
}

// Waits, until the connection is back at the latest.
function rest(ms, signal) {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const end = (settle, value) => {
      clearTimeout(timer);
      over.abort();
      settle(value);
    };
    const timer = setTimeout(() => end(resolve), ms);
    addEventListener("online", () => end(resolve), { signal: over.signal });
    signal.addEventListener("abort", () => end(reject, stopped()), { signal: over.signal });
    if (signal.aborted) end(reject, stopped());
  });
}

const stopped = () => new DOMException("stopped", "AbortError");

// Resolves with what the server answers, as an object; {received} too where it has another part than this.
function ask(method, url, { body = null, onSent = () => {}, signal = null }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(stopped());
    const request = new XMLHttpRequest();
    let timer = 0;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALLED_MS);
    };
    const lost = () => reject(signal?.aborted ? stopped() : new Trouble("Connection lost."));
    request.open(method, url);
    // Refusals come as a sentence, not as a page.
    request.setRequestHeader("HX-Request", "true");
    request.setRequestHeader("HX-Current-URL", location.href);
    request.setRequestHeader("X-CSRFToken", token());
    if (body) request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => {
      alive();
      onSent(event.loaded);
    });
    request.addEventListener("loadend", () => clearTimeout(timer));
    request.addEventListener("error", lost);
    request.addEventListener("abort", lost);
    request.addEventListener("load", () => {
      try {
        resolve(understood(request));
      } catch (error) {
        reject(error);
      }
    });
    signal?.addEventListener("abort", () => request.abort());
    alive();
    request.send(body);
  });
}

function understood(request) {
  if (request.getResponseHeader("HX-Redirect")) {
    throw new Refused("You are signed out. Sign in again, then choose the same file: what is here stays for a day.");
  }
  const kind = request.getResponseHeader("Content-Type") ?? "";
  const { status } = request;
  if (status === 204) return {};
  if ((status < 300 || status === 409) && kind.startsWith("application/json")) return JSON.parse(request.responseText);
  const sentence = kind.startsWith("text/plain") ? request.responseText : "";
  if (status === 400 || status === 429 || status >= 500) {
    throw new Trouble(sentence || TROUBLE, status, 1000 * Number(request.getResponseHeader("Retry-After") ?? 0));
  }
  throw new Refused(sentence || `${TROUBLE} Reload this page, then choose the file again.`);
}
