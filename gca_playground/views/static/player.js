// When the last tick went out. anywidget loads this module once a model, so all views of one player
// share it, and two views do not make it run faster.
let lastTick = -Infinity;

function render({ model, el }) {
  const stop = new AbortController();
  const { signal } = stop;
  prepare(el, "gca-player", signal);
  const button = make("button", "gca-button gca-primary", el);
  button.type = "button";
  let timer = 0;

  function paint() {
    const playing = model.get("playing");
    button.textContent = playing ? "❚❚ pause" : "▶ play";
    button.disabled = model.get("disabled");
    button.setAttribute("aria-pressed", playing);
    button.setAttribute("aria-label", playing ? "pause" : "play");
    setAttribute(button, "title", model.get("description"));
  }

  function plan() {
    clearTimeout(timer);
    if (!model.get("playing") || signal.aborted) return;
    const since = performance.now() - lastTick;
    timer = setTimeout(count, Math.max(0, model.get("interval_ms") - since));
  }

  function count() {
    if (model.get("tick") !== model.get("acknowledged")) return;
    lastTick = performance.now();
    model.set("tick", model.get("tick") + 1);
    model.save_changes();
  }

  function toggle() {
    model.set("playing", !model.get("playing"));
    model.save_changes();
  }

  button.addEventListener("click", toggle, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  listen(model, ["playing", "disabled", "description"], paint, signal);
  listen(model, ["playing", "acknowledged", "interval_ms"], plan, signal);
  paint();
  plan();
  return () => stop.abort();
}

export default { initialize: keepHearing, render };
