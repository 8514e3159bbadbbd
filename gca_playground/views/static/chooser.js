// One button a lab, and the address of the page that opens the chosen one.
function render({ model, el }) {
  const stop = new AbortController();
  const { signal } = stop;
  prepare(el, "gca-chooser", signal);
  const nav = make("nav", "gca-chooser-labs", el);
  nav.setAttribute("aria-label", "labs");

  function choose(name) {
    model.set("chosen", name);
    model.save_changes();
    if (!model.get("in_address")) return;
    const address = new URL(location.href);
    address.searchParams.delete("state"); // of the lab that was there
    address.searchParams.set("lab", name);
    history.replaceState(history.state, "", address);
  }

  function button([name, title, about]) {
    const made = make("button", "gca-chooser-lab", nav);
    made.type = "button";
    made.dataset.lab = name;
    make("span", "gca-chooser-title", made).textContent = title;
    make("span", "gca-chooser-about", made).textContent = about;
    made.addEventListener("click", () => choose(name), { signal });
  }

  function paint() {
    for (const made of nav.children) setAttribute(made, "aria-current", made.dataset.lab === model.get("chosen") && "page");
  }

  model.get("labs").forEach(button);
  listen(model, ["chosen"], paint, signal);
  paint();
  return () => stop.abort();
}

export default { initialize: keepHearing, render };
