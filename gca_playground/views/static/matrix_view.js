const NOWHERE = [-1, -1];
const KEYS = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-10, 0],
  PageDown: [10, 0],
  Home: [0, -Infinity],
  End: [0, Infinity],
};

const within = (k, count) => Math.min(count - 1, Math.max(0, k));
const same = (a, b) => a[0] === b[0] && a[1] === b[1];

// The palette as 256 pixels (red, green, blue, opaque), each one 32-bit word.
function lookup(palette) {
  const bytes = numbers(palette, Uint8Array);
  const pixels = new Uint8Array(1024).fill(255);
  for (let k = 0; k < bytes.length; k++) pixels[k + Math.floor(k / 3)] = bytes[k];
  return new Uint32Array(pixels.buffer);
}

// A canvas in device pixels, wiped, and its pen.
function freshPen(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.round(side * ratio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  return { pen, ratio, width, height };
}

function drawLevels(canvas, shape, levels, table) {
  const [n, m] = shape;
  if (!n || !m || levels.length !== n * m) return;
  if (canvas.width !== m || canvas.height !== n) Object.assign(canvas, { width: m, height: n });
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(m, n);
  const words = new Uint32Array(image.data.buffer);
  for (let k = 0; k < words.length; k++) words[k] = table[levels[k]];
  pen.putImageData(image, 0, 0);
}

// The border around a set of cells, on their outer side so that small cells stay visible, and the fainter
// the finer: the outline of single small cells must not hide what is in them.
function traceCells(pen, shape, cells, { ratio, width, height }) {
  const [n, m] = shape;
  const inside = new Set();
  for (let k = 0; k < cells.length; k += 2) inside.add(cells[k] * m + cells[k + 1]);
  const has = (i, j) => i >= 0 && j >= 0 && i < n && j < m && inside.has(i * m + j);
  let edges = 0;
  const line = (x0, y0, x1, y1) => (edges++, pen.moveTo(x0, y0), pen.lineTo(x1, y1));
  const out = ratio / 2;
  pen.beginPath();
  for (let k = 0; k < cells.length; k += 2) {
    const [i, j] = [cells[k], cells[k + 1]];
    const [top, bottom] = [(i / n) * height - out, ((i + 1) / n) * height + out];
    const [left, right] = [(j / m) * width - out, ((j + 1) / m) * width + out];
    if (!has(i - 1, j)) line(left, top, right, top);
    if (!has(i + 1, j)) line(left, bottom, right, bottom);
    if (!has(i, j - 1)) line(left, top, left, bottom);
    if (!has(i, j + 1)) line(right, top, right, bottom);
  }
  const typicalWidth = ((width / m) * 2 * cells.length) / edges;
  pen.globalAlpha = Math.min(0.8, (0.06 * typicalWidth) / ratio);
  pen.lineWidth = ratio;
  pen.stroke();
  pen.globalAlpha = 1;
}

// Two lines along a row or a column of cells, with a halo that keeps them visible on every colour.
function drawBand(pen, box, colour, halo, ratio) {
  const around = 1 * ratio;
  for (const [style, thick] of [[halo, 3.5 * ratio], [colour, 1.5 * ratio]]) {
    pen.strokeStyle = style;
    pen.lineWidth = thick;
    pen.strokeRect(box.x - around, box.y - around, box.width + 2 * around, box.height + 2 * around);
  }
}

function drawBars({ pen, ratio, width, height }, bars, top, down, colours) {
  const [along, long] = down ? [width, height] : [height, width];
  const cell = along / bars.length;
  const gap = cell >= 3 * ratio ? ratio : 0;
  const put = (start, thick, from, to) =>
    down ? pen.fillRect(start, from, thick, to - from) : pen.fillRect(from, start, to - from, thick);
  bars.forEach((value, k) => {
    const end = Math.min(1, value / top) * long;
    pen.fillStyle = colours.bar;
    put(k * cell, cell - gap, 0, end);
    pen.fillStyle = colours.text;
    if (value > top) put(k * cell, cell - gap, end - 2 * ratio, end);
  });
  const one = Math.round(long / top);
  pen.fillStyle = colours.text;
  for (let s = 0; s < along; s += 6 * ratio) put(s, 3 * ratio, one - ratio, one);
}

function build(el) {
  const grid = make("div", "gca-mv-grid", el);
  const cells = make("div", "gca-mv-cells", grid);
  const rowBox = make("div", "gca-mv-rows", grid);
  const colBox = make("div", "gca-mv-cols", grid);
  const caption = make("div", "gca-mv-caption", el);
  cells.tabIndex = 0;
  cells.setAttribute("role", "application");
  cells.setAttribute("aria-roledescription", "matrix");
  caption.setAttribute("aria-live", "polite");
  for (const box of [rowBox, colBox]) box.setAttribute("aria-hidden", "true");
  return {
    cells,
    caption,
    rowBox,
    colBox,
    data: make("canvas", "gca-mv-data", cells),
    over: make("canvas", "gca-mv-over", cells),
    rows: make("canvas", "", rowBox),
    cols: make("canvas", "", colBox),
  };
}

// What draws each part, from the traits alone.
function painters(model, el, parts, state) {
  const colour = (name) => getComputedStyle(el).getPropertyValue(`--gca-${name}`).trim();

  function data() {
    const table = lookup(model.get(state.dark ? "palette_dark" : "palette_light"));
    drawLevels(parts.data, model.get("shape"), numbers(model.get("pixels"), Uint8Array), table);
  }

  function layout() {
    const [n, m] = model.get("shape");
    if (n && m) parts.cells.style.aspectRatio = Math.min(2, Math.max(0.5, m / n));
    parts.cells.classList.toggle("gca-mv-paintable", model.get("paintable"));
    parts.cells.style.setProperty("--gca-mv-cell", `${100 / Math.max(m, 1)}% ${100 / Math.max(n, 1)}%`);
    parts.rowBox.hidden = !model.get("row_bars").byteLength;
    parts.colBox.hidden = !model.get("col_bars").byteLength;
    const room = parts.cells.clientWidth * (window.devicePixelRatio || 1);
    parts.data.classList.toggle("gca-mv-smooth", room > 0 && m > room);
  }

  function over() {
    const [n, m] = model.get("shape");
    const canvas = freshPen(parts.over);
    const { pen, ratio, width, height } = canvas;
    if (!n || !m) return;
    const targets = numbers(model.get("outline"), Uint16Array);
    pen.strokeStyle = colour("text");
    if (targets.length) traceCells(pen, [n, m], targets, canvas);
    const [i, j] = same(state.hover, NOWHERE) ? model.get("highlight") : state.hover;
    const [tall, wide, page] = [height / n, width / m, colour("page")];
    const column = { x: j * wide, y: ratio, width: wide, height: height - 2 * ratio };
    const row = { x: ratio, y: i * tall, width: width - 2 * ratio, height: tall };
    if (j >= 0 && j < m) drawBand(pen, column, colour("cols"), page, ratio);
    if (i >= 0 && i < n) drawBand(pen, row, colour("rows"), page, ratio);
  }

  function bars(canvas, trait, down, name) {
    const colours = { bar: colour(name), text: colour("text") };
    drawBars(freshPen(canvas), numbers(model.get(trait), Float32Array), model.get("bar_top"), down, colours);
  }

  return {
    layout,
    data,
    over,
    rows: () => bars(parts.rows, "row_bars", false, "rows"),
    cols: () => bars(parts.cols, "col_bars", true, "cols"),
    words() {
      parts.caption.textContent = model.get("caption");
      parts.cells.setAttribute("aria-label", model.get("aria_text"));
    },
  };
}

// Which parts to draw again when a trait has changed.
const PARTS_OF = {
  shape: ["layout", "data", "over"],
  pixels: ["data"],
  palette_light: ["data"],
  palette_dark: ["data"],
  row_bars: ["layout", "rows"],
  col_bars: ["layout", "cols"],
  bar_top: ["rows", "cols"],
  outline: ["over"],
  highlight: ["over"],
  caption: ["words"],
  aria_text: ["words"],
};
const ALL = ["layout", "data", "over", "rows", "cols", "words"];

// The pointer and the arrow keys choose a cell: drawn at once, sent once a frame.
function follow(model, cells, state, repaint, signal) {
  let frame = 0;

  function send() {
    frame = 0;
    if (same(model.get("hover"), state.hover)) return;
    model.set("hover", state.hover);
    model.save_changes();
  }

  function choose(cell) {
    if (same(cell, state.hover)) return;
    state.hover = cell;
    repaint("over");
    frame ||= requestAnimationFrame(send);
  }

  function point(event) {
    const [n, m] = model.get("shape");
    const box = cells.getBoundingClientRect();
    const [down, right] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    if (n && m) choose([within(Math.floor(down * n), n), within(Math.floor(right * m), m)]);
  }

  // A stroke: the cell where the pointer went down, and each one that it comes to.
  let painted = NOWHERE;
  function paint(first) {
    if (!model.get("paintable") || same(state.hover, NOWHERE) || (!first && same(state.hover, painted))) return;
    painted = state.hover;
    model.send({ type: "paint", cell: painted, first });
  }

  function press(event) {
    const [n, m] = model.get("shape");
    if (event.key === "Escape") return choose(NOWHERE);
    if (event.key === "Enter" || event.key === " ") {
      if (!model.get("paintable")) return;
      event.preventDefault();
      return paint(true);
    }
    const move = KEYS[event.key];
    if (!move || !n || !m) return;
    event.preventDefault();
    const [i, j] = state.hover;
    choose(same(state.hover, NOWHERE) ? [0, 0] : [within(i + move[0], n), within(j + move[1], m)]);
  }

  const on = (target, names, callback) =>
    names.forEach((name) => target.addEventListener(name, callback, { signal }));
  const leave = () => choose(NOWHERE);
  on(cells, ["pointermove", "pointerdown"], point);
  on(cells, ["pointerdown"], () => paint(true));
  on(cells, ["pointermove"], (event) => event.buttons & 1 && paint(false));
  on(cells, ["pointerleave"], (event) => event.pointerType === "touch" || leave());
  on(cells, ["keydown"], press);
  on(cells, ["blur"], leave);
  on(document, ["pointerdown"], (event) => cells.contains(event.target) || leave());
  listen(model, ["shape"], leave, signal);
  signal.addEventListener("abort", () => cancelAnimationFrame(frame));
}

function render({ model, el }) {
  const stop = new AbortController();
  const { signal } = stop;
  prepare(el, "gca-matrix-view", signal);
  const parts = build(el);
  const state = { dark: false, hover: NOWHERE };
  const paint = painters(model, el, parts, state);
  const stale = new Set();

  // All traits of one message change together: draw once, after the last of them.
  function repaint(...names) {
    if (!stale.size) queueMicrotask(flush);
    names.forEach((name) => stale.add(name));
  }

  function flush() {
    if (!signal.aborted) ALL.filter((name) => stale.has(name)).forEach((name) => paint[name]());
    stale.clear();
  }

  for (const [trait, names] of Object.entries(PARTS_OF)) listen(model, [trait], () => repaint(...names), signal);
  follow(model, parts.cells, state, repaint, signal);
  // While JupyterLab swaps its themes nothing has a size for a moment: wait until there is something to draw on.
  function repaintAll(frames = 120) {
    if (signal.aborted) return;
    if (parts.cells.clientWidth || !frames) repaint(...ALL);
    else requestAnimationFrame(() => repaintAll(frames - 1));
  }
  watchDark((dark) => {
    state.dark = dark;
    repaintAll();
  }, signal);
  const sizes = new ResizeObserver(() => repaint("layout", "over", "rows", "cols"));
  for (const part of [parts.cells, parts.rowBox, parts.colBox]) sizes.observe(part);
  signal.addEventListener("abort", () => sizes.disconnect());
  return () => stop.abort();
}

export default { initialize: keepHearing, render };
