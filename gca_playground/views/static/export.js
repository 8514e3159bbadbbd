const SCALE = 2;
const EDGE = 8; // page pixels around a matrix
const PATIENCE = 30_000; // ms that Python may take to give the data
const PASSING = ".hoverlayer, .draglayer, .zoomlayer"; // what plotly keeps for the pointer

// pictures

function found(el, selector) {
  const lab = el.closest(".gca-lab");
  if (!lab) throw new Error("this button stands in no lab");
  const part = lab.querySelector(selector);
  if (!part) throw new Error(`the lab shows no ${selector}`);
  return part;
}

// References into the page become references into the file itself.
function refersToItself(element) {
  for (const attribute of element.attributes) {
    if (attribute.value.includes("url(")) {
      attribute.value = attribute.value.replace(/url\(["']?[^"')]*#([^"')]+)["']?\)/g, "url(#$1)");
    }
  }
}

// Plotly draws in layers, one <svg> above the other: all of them as one, on the colour of the page.
function figureOf(part, page) {
  const layers = [...part.querySelectorAll(".main-svg")];
  const box = layers[0]?.getBoundingClientRect();
  if (!box?.width || !box.height) throw new Error("the figure is not drawn yet");
  const [width, height] = ["width", "height"].map((side) => Number(layers[0].getAttribute(side)) || box[side]);
  const add = (tag, parent, values = {}) => {
    const element = document.createElementNS(layers[0].namespaceURI, tag);
    for (const name in values) element.setAttribute(name, values[name]);
    parent?.append(element);
    return element;
  };
  const svg = add("svg", null, { width, height, viewBox: `0 0 ${width} ${height}` });
  add("rect", svg, { width, height, fill: page });
  for (const layer of layers) add("g", svg).append(...layer.cloneNode(true).childNodes);
  svg.querySelectorAll(PASSING).forEach((element) => element.remove());
  svg.querySelectorAll("*").forEach(refersToItself);
  return { width, height, text: new XMLSerializer().serializeToString(svg) };
}

function sheet(width, height, page) {
  const canvas = make("canvas", "");
  Object.assign(canvas, { width: Math.round(width * SCALE), height: Math.round(height * SCALE) });
  const pen = canvas.getContext("2d");
  pen.fillStyle = page;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.scale(SCALE, SCALE);
  return { canvas, pen };
}

function asPng(canvas) {
  return new Promise((done, fail) =>
    canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("the browser could not make a PNG"))), "image/png"),
  );
}

async function drawn({ width, height, text }, page) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode().catch(() => {
    throw new Error("the browser could not draw the figure");
  });
  const { canvas, pen } = sheet(width, height, page);
  pen.drawImage(image, 0, 0, width, height);
  return asPng(canvas);
}

// The canvases of a matrix where they stand on the page; cells keep their sharp edges.
function matrixOf(part, page) {
  const canvases = [...part.querySelectorAll("canvas")].filter((canvas) => canvas.getClientRects().length);
  const boxes = canvases.map((canvas) => canvas.getBoundingClientRect());
  if (!boxes.some(({ width, height }) => width && height)) throw new Error("the matrix is not drawn yet");
  const least = (side) => Math.min(...boxes.map((box) => box[side])) - EDGE;
  const most = (side) => Math.max(...boxes.map((box) => box[side])) + EDGE;
  const [left, top] = [least("left"), least("top")];
  const { canvas: made, pen } = sheet(most("right") - left, most("bottom") - top, page);
  const evenly = Number.isInteger(SCALE / (window.devicePixelRatio || 1));
  canvases.forEach((canvas, k) => {
    if (!canvas.width || !canvas.height) return;
    pen.imageSmoothingEnabled = !evenly && getComputedStyle(canvas).imageRendering !== "pixelated";
    if (canvas.classList.contains("gca-mv-smooth")) pen.imageSmoothingEnabled = true;
    pen.drawImage(canvas, boxes[k].left - left, boxes[k].top - top, boxes[k].width, boxes[k].height);
  });
  return asPng(made);
}

// data

// Asks Python once at a time; only the view that asked takes the answer.
function asker(model, signal) {
  let waiting = null;
  const hear = (message) => {
    if (message?.type !== "csv" || !waiting) return;
    if (typeof message.text === "string") waiting.done(message.text);
    else waiting.fail(new Error(message.error || "Python gave no data"));
  };
  model.on("msg:custom", hear);
  signal.addEventListener("abort", () => model.off("msg:custom", hear));
  return async () => {
    let timer = 0;
    try {
      return await new Promise((done, fail) => {
        waiting = { done, fail };
        timer = setTimeout(() => fail(new Error("Python did not answer: is it running?")), PATIENCE);
        model.send({ type: "csv" });
      });
    } finally {
      waiting = null;
      clearTimeout(timer);
    }
  };
}

// files

const plain = (text) => text.trim().replace(/[^\p{L}\p{N}._-]+/gu, "-");

// "plan (PNG)" of "coupling-digits" is coupling-digits-plan.png.
function fileName(name, text, kind) {
  return `${plain(name)}-${plain(text.replace(/\(.*\)/, ""))}.${kind.split("-").pop()}`;
}

function download(blob, name) {
  const anchor = make("a", "", document.body);
  Object.assign(anchor, { href: URL.createObjectURL(blob), download: name, hidden: true });
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000);
}

function render({ model, el }) {
  const stop = new AbortController();
  const { signal } = stop;
  prepare(el, "gca-save", signal);
  const select = make("select", "gca-save-what", el);
  const button = make("button", "gca-button", el);
  const word = make("span", "gca-save-said", el);
  const ask = asker(model, signal);
  Object.assign(button, { type: "button", textContent: "save" });
  select.setAttribute("aria-label", "what to save");
  word.setAttribute("role", "status");
  word.setAttribute("aria-live", "polite");
  let [timer, busy] = [0, false];

  function list() {
    const kept = Math.max(0, select.selectedIndex);
    select.replaceChildren(...model.get("choices").map(([text]) => new Option(text)));
    select.selectedIndex = Math.min(kept, select.length - 1);
  }

  function paint() {
    button.disabled = select.disabled = model.get("disabled");
    setAttribute(button, "title", model.get("description"));
  }

  // An error stays until the next press.
  function say(text, wrong = false) {
    word.textContent = text;
    word.classList.toggle("gca-save-wrong", wrong);
    clearTimeout(timer);
    if (!wrong && text) timer = setTimeout(() => (word.textContent = ""), 1500);
  }

  async function contents([, kind, selector]) {
    if (kind === "csv") return new Blob([await ask()], { type: "text/csv;charset=utf-8" });
    const part = found(el, selector);
    const page = getComputedStyle(el).getPropertyValue("--gca-page").trim();
    if (kind === "matrix-png") return matrixOf(part, page);
    const figure = figureOf(part, page);
    return kind === "png" ? drawn(figure, page) : new Blob([figure.text], { type: "image/svg+xml" });
  }

  async function press() {
    if (busy) return;
    busy = true;
    say("");
    const choice = model.get("choices")[select.selectedIndex];
    const name = fileName(model.get("name"), choice[0], choice[1]);
    try {
      const blob = await contents(choice);
      if (signal.aborted) return;
      download(blob, name);
      say("saved");
    } catch (error) {
      if (!signal.aborted) say(`not saved: ${error.message || error}`, true);
    } finally {
      busy = false;
    }
  }

  button.addEventListener("click", press, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  listen(model, ["choices"], list, signal);
  listen(model, ["description", "disabled"], paint, signal);
  list();
  paint();
  return () => stop.abort();
}

export default { initialize: keepHearing, render };
