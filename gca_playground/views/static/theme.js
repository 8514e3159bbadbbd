// Plotly fits its figures to the page when the window changes, not when only the lab does: pass that on.
function watchWidth(el, signal) {
  let width = 0;
  const fit = ([{ contentRect }]) => {
    if (contentRect.width === width) return;
    width = contentRect.width;
    requestAnimationFrame(() => window.dispatchEvent(new Event("resize")));
  };
  const observer = new ResizeObserver(fit);
  const attach = () => {
    const lab = el.closest(".gca-lab");
    if (signal.aborted) return;
    if (!lab) return requestAnimationFrame(attach);
    for (const panel of [lab, ...lab.querySelectorAll(".gca-clouds")]) observer.observe(panel);
  };
  attach();
  signal.addEventListener("abort", () => observer.disconnect());
}

// anywidget loads this module once a model.
let opened = false;

// A lab's view is made after the models of all its parts: from now on they hear Python. What it said before, while
// JupyterLab was connecting or busy, one of them may have missed.
function tellOpen(model) {
  if (!opened) model.send({ open: true });
  opened = true;
}

function render({ model, el }) {
  const stop = new AbortController();
  el.style.display = "none";
  const tell = (dark) => {
    if (model.get("dark") === dark) return;
    model.set("dark", dark);
    model.save_changes();
  };
  watchDark(tell, stop.signal);
  tellOpen(model);
  ownKeys((target) => target.closest(".gca-lab"), stop.signal); // for ipywidgets' own buttons and menus
  watchWidth(el, stop.signal);
  return () => stop.abort();
}

export default { initialize: keepHearing, render };
