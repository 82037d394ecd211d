// How many clips fit in a row. Kept in a cookie, so that the next page comes as it was left.
const WORDS = ["Largest", "Large", "Medium", "Small", "Contact sheet"];
const YEAR_S = 365 * 24 * 3600;
const ranges = [...document.querySelectorAll("[data-density-range]")];
const main = document.getElementById("main");

// What is at the top of the view stays there while the rows around it change.
function holding(change) {
  const below = document.querySelector(".filters")?.getBoundingClientRect().bottom ?? 0;
  const focused = document.activeElement?.closest?.("#sheet > .clip");
  const card = focused ?? [...document.querySelectorAll("#sheet > .clip")].find((one) => one.getBoundingClientRect().bottom > below);
  const before = card?.getBoundingClientRect().top;
  change();
  if (card && scrollY > 0) scrollBy({ top: card.getBoundingClientRect().top - before, behavior: "instant" });
}
function show(step) {
  for (const range of ranges) {
    range.value = step;
    range.setAttribute("aria-valuetext", WORDS[step - 1]);
  }
}
function choose(step) {
  show(step);
  if (main.dataset.density === String(step)) return;
  holding(() => (main.dataset.density = step));
  document.cookie = `density=${step};path=/;max-age=${YEAR_S};samesite=lax`;
}

for (const range of ranges) {
  range.addEventListener("input", () => choose(Number(range.value)));
  // Its own keys: elsewhere the arrows move between cards.
  range.addEventListener("keydown", (event) => event.key.startsWith("Arrow") && event.stopPropagation());
  // It is no filter: the form around it must not ask for anything.
  range.addEventListener("change", (event) => event.stopPropagation());
}
if (ranges.length) show(Number(main.dataset.density));
