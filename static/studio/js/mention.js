// Typing @ in a comment offers the project's members: a list box that the keyboard moves through.
const MOST = 6;
const known = new Map(); // address → promise of the people there
let open = null; // { field, list, from, found, at }

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

function peopleAt(url) {
  if (!known.has(url)) {
    const asked = fetch(url, { headers: { Accept: "application/json" } })
      .then((response) => (response.ok ? response.json() : { people: [] }))
      .then(({ people }) => people)
      .catch(() => (known.delete(url), []));
    known.set(url, asked);
  }
  return known.get(url);
}

// What stands between an @ and the cursor, if a mention is being typed there.
function asked(field) {
  if (field.selectionStart !== field.selectionEnd) return null;
  const before = field.value.slice(0, field.selectionStart);
  const match = /(?:^|[^\p{L}\p{N}_@.])@([^\n@]{0,40})$/u.exec(before);
  return match && { from: before.length - match[1].length, words: plain(match[1]) };
}

async function look(field) {
  const want = asked(field);
  if (!want) return close();
  const people = await peopleAt(field.dataset.people);
  const now = asked(field);
  if (document.activeElement !== field || now?.from !== want.from || now.words !== want.words) return undefined;
  const fits = ({ name, handle }) => [name, handle, ...name.split(/\s+/)].some((word) => plain(word).startsWith(want.words));
  const found = people.filter(fits).slice(0, MOST);
  return found.length ? show(field, want.from, found) : close();
}

function show(field, from, found) {
  close();
  const list = document.createElement("ul");
  list.id = "mention-list";
  list.className = "mentions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "People in this project");
  found.forEach((person, index) => {
    const item = document.createElement("li");
    item.id = `mention-${index}`;
    item.setAttribute("role", "option");
    const face = document.createElement("span");
    face.className = "avatar s";
    face.dataset.u = person.hue;
    face.setAttribute("aria-hidden", "true");
    face.textContent = person.initials;
    const name = document.createElement("span");
    name.textContent = person.name;
    item.append(face, name);
    if (person.handle !== person.name) {
      const mail = document.createElement("span");
      mail.className = "dim";
      mail.textContent = person.handle;
      item.append(mail);
    }
    // Before the field loses the focus, which closes the list.
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      choose(index);
    });
    list.append(item);
  });
  field.after(list);
  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-haspopup", "listbox");
  field.setAttribute("aria-expanded", "true");
  field.setAttribute("aria-controls", list.id);
  open = { field, list, from, found, at: 0 };
  mark();
}

function mark() {
  [...open.list.children].forEach((item, index) => item.setAttribute("aria-selected", index === open.at));
  open.field.setAttribute("aria-activedescendant", `mention-${open.at}`);
}

function close() {
  if (!open) return;
  open.list.remove();
  for (const name of ["role", "aria-autocomplete", "aria-haspopup", "aria-expanded", "aria-controls", "aria-activedescendant"]) open.field.removeAttribute(name);
  open = null;
}

function choose(index) {
  const { field, from, found } = open;
  const rest = field.value.slice(field.selectionStart);
  const written = `${found[index].handle}${/^\s/.test(rest) ? "" : " "}`;
  field.setRangeText(written, from, field.selectionStart, "end");
  close();
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("input", (event) => event.target.matches?.("textarea[data-people]") && look(event.target));
document.addEventListener("click", (event) => event.target.matches?.("textarea[data-people]") && look(event.target));
document.addEventListener("focusout", (event) => event.target === open?.field && close());
document.addEventListener("keydown", (event) => {
  if (!open || event.target !== open.field || event.isComposing) return;
  const count = open.found.length;
  if (event.key === "ArrowDown") open.at = (open.at + 1) % count;
  else if (event.key === "ArrowUp") open.at = (open.at + count - 1) % count;
  else if ((event.key === "Enter" && !event.ctrlKey && !event.metaKey) || event.key === "Tab") {
    event.preventDefault();
    return void choose(open.at);
  } else if (event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    return void close();
  } else return;
  event.preventDefault();
  mark();
}, true);
