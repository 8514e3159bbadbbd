// Small pictures in rows, each with a line below it; where one may pick, each is a button and the arrow keys go on.
const STEPS = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

function drawPicture(canvas, levels, table, [rows, cols]) {
  if (!rows || !cols || levels.length !== rows * cols) return;
  Object.assign(canvas, { width: cols, height: rows });
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(cols, rows);
  levels.forEach((level, k) => image.data.set([...table.subarray(3 * level, 3 * level + 3), 255], 4 * k));
  pen.putImageData(image, 0, 0);
}

function render({ model, el }) {
  const stop = new AbortController();
  const { signal } = stop;
  prepare(el, "gca-gallery", signal);
  const list = make("div", "gca-gallery-items", el);
  list.setAttribute("role", "group");
  let dark = false;

  function go(event) {
    const step = STEPS[event.key];
    const at = [...list.children].indexOf(event.target);
    if (!step || at < 0 || !model.get("pickable")) return;
    event.preventDefault();
    list.children[Math.min(list.children.length - 1, Math.max(0, at + step))].focus();
  }

  function item(k) {
    const pickable = model.get("pickable");
    const made = make(pickable ? "button" : "div", "gca-gallery-item", list);
    make("canvas", "", made).setAttribute("aria-hidden", "true");
    make("span", "gca-gallery-caption", made).setAttribute("aria-hidden", "true");
    if (!pickable) return made.setAttribute("role", "img");
    made.type = "button";
    made.addEventListener("click", () => model.send({ type: "pick", index: k }), { signal });
  }

  function build() {
    const count = model.get("captions").length;
    if (list.children.length === count) return;
    list.replaceChildren();
    for (let k = 0; k < count; k++) item(k);
  }

  function paint() {
    build();
    const [levels, shape] = [numbers(model.get("pixels"), Uint8Array), model.get("shape")];
    const table = numbers(model.get(dark ? "palette_dark" : "palette_light"), Uint8Array);
    const size = shape[0] * shape[1];
    list.style.setProperty("--gca-columns", model.get("columns"));
    list.setAttribute("aria-label", model.get("label"));
    [...list.children].forEach((made, k) => {
      drawPicture(made.firstChild, levels.subarray(size * k, size * (k + 1)), table, shape);
      made.lastChild.textContent = model.get("captions")[k];
      made.setAttribute("aria-label", model.get("names")[k] ?? "");
      made.title = model.get("names")[k] ?? "";
      if (model.get("pickable")) made.setAttribute("aria-pressed", String(k === model.get("chosen")));
    });
  }

  let stale = false;
  function repaint() {
    if (!stale) queueMicrotask(() => ((stale = false), signal.aborted || paint()));
    stale = true;
  }

  list.addEventListener("keydown", go, { signal });
  listen(model, ["pixels", "shape", "captions", "names", "chosen", "label", "columns"], repaint, signal);
  watchDark((now) => {
    dark = now;
    repaint();
  }, signal);
  return () => stop.abort();
}

export default { initialize: keepHearing, render };
