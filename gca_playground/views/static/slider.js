function render({ model, el }) {
  const stop = new AbortController();
  const { signal } = stop;
  prepare(el, "gca-slider", signal);
  const head = make("div", "gca-slider-head", el);
  const label = make("span", "gca-slider-label", head);
  const text = make("span", "gca-slider-text", head);
  const range = make("input", "gca-slider-range", el);
  const ends = make("div", "gca-slider-ends", el);
  const [low, high] = [make("span", "", ends), make("span", "", ends)];
  Object.assign(range, { type: "range", min: 0, step: 1 });
  for (const seenOnly of [head, ends]) seenOnly.setAttribute("aria-hidden", "true");

  function paint() {
    const [texts, index] = [model.get("texts"), model.get("index")];
    range.max = texts.length - 1;
    if (range.valueAsNumber !== index) range.value = index;
    range.style.setProperty("--gca-fill", texts.length > 1 ? index / (texts.length - 1) : 1);
    range.setAttribute("aria-valuetext", texts[index] ?? "");
    text.textContent = texts[index] ?? "";
  }

  function paintNames() {
    const [first, last] = model.get("ends");
    label.textContent = model.get("label");
    const [idle, told] = [model.get("idle"), model.get("description")];
    low.textContent = idle || first;
    high.textContent = idle ? "" : last;
    el.classList.toggle("gca-slider-idle", Boolean(idle));
    text.style.minWidth = `${Math.max(...model.get("texts").map((each) => each.length))}ch`;
    range.disabled = model.get("disabled");
    range.setAttribute("aria-label", model.get("label"));
    setAttribute(range, "aria-description", [idle, told].filter(Boolean).join("; "));
    setAttribute(el, "title", told);
    el.dataset.colour = model.get("colour");
  }

  function send(index) {
    model.set("index", index);
    model.save_changes();
    paint();
  }

  // Browsers differ in how far a page is: here a tenth of the track.
  function page(event) {
    const sign = { PageUp: 1, PageDown: -1 }[event.key];
    if (!sign || range.disabled) return;
    event.preventDefault();
    const last = model.get("texts").length - 1;
    const target = model.get("index") + sign * Math.max(1, Math.round(last / 10));
    send(Math.min(last, Math.max(0, target)));
  }

  range.addEventListener("input", () => send(range.valueAsNumber), { signal });
  range.addEventListener("keydown", page, { signal });
  label.addEventListener("click", () => range.focus(), { signal });
  listen(model, ["texts", "index"], paint, signal);
  listen(model, ["texts", "label", "ends", "description", "disabled", "idle", "colour"], paintNames, signal);
  paintNames();
  paint();
  return () => stop.abort();
}

export default { initialize: keepHearing, render };
