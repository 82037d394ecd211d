// Sending pictures: one request per file, with progress, and a sentence when it is refused.

const MB = 1024 * 1024;

export function token() {
  return JSON.parse(document.body.getAttribute("hx-headers") ?? "{}")["X-CSRFToken"] ?? "";
}

// The pictures among what was dropped or pasted.
export function pictures(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.size > 0);
}

export const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

// A pasted picture has no name of its own; browsers all call it image.png.
export function named(file) {
  if (file.name && file.name !== "image.png") return file.name;
  const now = new Date();
  return `Pasted ${now.getHours()}.${String(now.getMinutes()).padStart(2, "0")}.png`;
}

// Resolves with the still as the server kept it; rejects with an Error whose message is for people.
export function upload(file, { url, most, onProgress = () => {}, signal = null }) {
  if (most && file.size > most) {
    return Promise.reject(new Error(`The file is too large. A picture may have at most ${Math.round(most / MB)} MB.`));
  }
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("X-CSRFToken", token());
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      let answer = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // Not ours: a sign-in page, or a proxy's error page.
      }
      if (answer?.stills?.length) resolve(answer.stills[0]);
      else if (answer?.errors?.length) reject(new Error(answer.errors[0].message));
      else if (new URL(request.responseURL || location.href).pathname.startsWith("/login/")) reject(new Error("You are signed out. Sign in again, then add the picture."));
      else if (request.status === 413) reject(new Error("The file is too large for this server."));
      else reject(new Error("The picture could not be stored. Try again in a moment."));
    });
    request.addEventListener("error", () => reject(new Error("Connection lost. The picture was not stored; try again.")));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    signal?.addEventListener("abort", () => request.abort());
    const form = new FormData();
    form.append("stills", file, named(file));
    request.send(form);
  });
}
