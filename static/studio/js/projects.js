// While something is in flight the projects page asks for its cards again; not while hidden.
document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.id === "projects") event.preventDefault();
});
