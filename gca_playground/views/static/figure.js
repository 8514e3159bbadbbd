// Plotly's module takes more than a second to start, and anywidget forgets every later message to a model that is
// not ready within two seconds (its issue 803). So it starts once a page for all figures, the model is ready at
// once, and what comes meanwhile is kept. `bundle` is the module's text; Python puts it in front of this one.
//
// A slider moves lines many times a second. Plotly would draw the whole figure again, points and axes, and then tell
// Python all its defaults. So coordinates come in a message of their own, and lines and points go at once to where
// plotly's axes put them. Plotly itself hears of it before it next has to know: when the pointer comes, or Python
// changes something else.
const MESSAGES = [
  "addTraces", "deleteTraces", "moveTraces", "restyle", "relayout", "update", "animate",
  "removeLayoutProps", "removeTraceProps",
].map((kind) => `_py2js_${kind}`);
const HELD = ["_widget_data", "_widget_layout"];
const RENDERED = "plotlywidget-after-render";
const REDRAWN = ["plotly_afterplot", "plotly_relayout", "plotly_restyle"]; // after these plotly's lines may be old ones

// A figure without the text waits for one that has it.
function plotlyOfAnother() {
  return new Promise((done) => {
    const look = () => (window.gcaPlotly ? done(window.gcaPlotly) : setTimeout(look, 50));
    look();
  });
}

function startPlotly() {
  if (!bundle) return plotlyOfAnother();
  const url = () => URL.createObjectURL(new Blob([bundle], { type: "text/javascript" }));
  return (window.gcaPlotly ??= new Promise((done) => setTimeout(done)).then(() => import(url())).then(adapt));
}

// Plotly's model decodes all data whenever it is asked for them, and forgets what it changes: it is to hold them.
// Its view tells Python every default after every change, which nobody reads.
function adapt({ default: widget, FigureModel, FigureView }) {
  const { get, initialize } = FigureModel.prototype;
  let newest;
  FigureModel.prototype.get = function (name) {
    if (!HELD.includes(name)) return this.asked?.[name] ?? get.call(this, name);
    return ((this.held ??= {})[name] ??= get.call(this, name));
  };
  FigureModel.prototype.initialize = function () {
    newest = this;
    initialize.call(this);
  };
  const makeModel = (context) => {
    widget().initialize(context);
    return newest;
  };
  return { makeModel, Stage: makeStage(FigureView) };
}

// The message: which traces, and for each a buffer of its x and one of its y.
function coordinates({ traces }, buffers) {
  const read = (k) => numbers(buffers[k], Float32Array);
  return traces.map((trace, k) => [trace, { x: read(2 * k), y: read(2 * k + 1) }]);
}

// The path of a line with gaps, in the pixels of plotly's axes.
function pathOf(places) {
  let pen = "M";
  const step = (place) => {
    const mark = pen;
    pen = place ? "L" : "M";
    return place ? `${mark}${place}` : "";
  };
  return places.map(step).join("");
}

// The axis that a trace calls "y2" is the layout's "yaxis2".
const axisOf = (layout, name) => layout[`${name[0]}axis${name.slice(1)}`];

// Where plotly's axes put the coordinates of a trace; null in gaps.
function placesOf({ x, y, xaxis: across = "x", yaxis: up = "y" }, layout) {
  const [xaxis, yaxis] = [axisOf(layout, across), axisOf(layout, up)];
  const put = (axis, value) => axis.d2p(value).toFixed(2);
  const gap = (k) => Number.isNaN(x[k]) || Number.isNaN(y[k]);
  return Array.from(x, (_, k) => (gap(k) ? null : `${put(xaxis, x[k])},${put(yaxis, y[k])}`));
}

// The one path of a line. Plotly makes one between any two gaps, and none for a line without points.
function lineIn(lines, { color, width }) {
  const made = lines.querySelector(".js-line") ?? document.createElementNS("http://www.w3.org/2000/svg", "path");
  if (!made.parentNode) {
    made.setAttribute("class", "js-line");
    Object.assign(made.style, { fill: "none", stroke: color, strokeWidth: `${width}px` });
  }
  if (lines.children.length !== 1) lines.replaceChildren(made);
  return made;
}

function putPoints(group, model, places) {
  const points = places.filter(Boolean);
  while (group.children.length > points.length) group.lastChild.remove();
  while (group.children.length < points.length) group.append(model.cloneNode());
  points.forEach((place, k) => group.children[k].setAttribute("transform", `translate(${place})`));
}

// Another place for what plotly has drawn, or false where only plotly can draw it.
function redraw(el, trace, models) {
  const { uid, mode, line, x } = el.data[trace];
  const drawn = el.querySelector(`.scatterlayer .trace${uid}`);
  if (!drawn && !x.length) return true;
  const withPoints = mode.includes("markers");
  if (!drawn || (withPoints && x.length && !models.get(trace))) return false;
  const places = placesOf(el.data[trace], el._fullLayout);
  if (mode.includes("lines")) lineIn(drawn.querySelector(".lines"), line).setAttribute("d", pathOf(places));
  if (withPoints) putPoints(drawn.querySelector(".points"), models.get(trace), places);
  return true;
}

function afterFrame(act) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = act;
    port2.postMessage(null);
  });
}

// One view of a model: what of it has moved without plotly's knowing.
function makeStage(FigureView) {
  return class extends FigureView {
    moved = new Set();
    models = new Map(); // a point of each trace, to copy
    drawn = false;
    telling = false;

    _sendTraceDeltas() {}
    _sendLayoutDelta() {}
    do_update() {
      this.prepare();
      super.do_update();
    }
    do_restyle() {
      this.prepare();
      super.do_restyle();
    }
    do_relayout() {
      this.prepare();
      super.do_relayout();
    }
    // For a change of Python's, maybe of how points look.
    prepare() {
      this.tell();
      this.models.clear();
    }

    perform_render() {
      const { el } = this;
      const ready = ({ detail }) => {
        if (detail.element !== el) return;
        document.removeEventListener(RENDERED, ready);
        for (const event of REDRAWN) el.on(event, () => this.follow());
        el.onpointerenter = () => this.tell(this.hoverable());
        this.drawn = true;
        this.follow();
      };
      document.addEventListener(RENDERED, ready);
      super.perform_render();
    }

    // Python has told everything anew. The view listens already.
    renew() {
      const { model } = this;
      this.moved.clear();
      this.models.clear();
      this.drawn = false;
      this.model = Object.create(model, { on: { value() {} } });
      this.perform_render();
      this.model = model;
    }

    move(changes) {
      for (const [trace, line] of changes) {
        Object.assign(this.el.data[trace], line);
        this.moved.add(trace);
      }
      if (this.drawn) this.redraw(changes.map(([trace]) => trace));
    }

    // Points under the pointer are plotly's to draw: it says what they are.
    redraw(traces) {
      const hovered = this.el.matches(":hover") ? this.hoverable() : [];
      const left = traces.filter((trace) => hovered.includes(trace) || !redraw(this.el, trace, this.models));
      if (left.length) this.tellSoon();
    }

    hoverable() {
      return [...this.moved].filter((trace) => this.el.data[trace].hoverinfo !== "skip");
    }

    // Plotly knows how wide the page is; where a figure is as wide as high, it leaves no empty bands.
    fit() {
      const { meta, height: most } = this.model.get("_widget_layout");
      const height = Math.min(most, this.el.clientWidth);
      if (!meta?.no_taller_than_wide || !height || height === this.el.layout.height) return;
      this.ask("relayout", { relayout_data: { height, width: null, autosize: true } }); // alone, a height fixes the width
    }

    // Plotly has drawn, maybe from what it knew before.
    follow() {
      afterFrame(() => this.fit());
      this.el.data.forEach(({ uid }, trace) => {
        const point = this.el.querySelector(`.scatterlayer .trace${uid} .points > .point`);
        if (point) this.models.set(trace, point.cloneNode());
      });
      this.redraw([...this.moved]);
    }

    tellSoon() {
      if (!this.telling) afterFrame(() => this.tell());
      this.telling = true;
    }

    tell(traces = [...this.moved]) {
      if (!this.drawn || !traces.length) return;
      this.telling = false;
      for (const trace of traces) this.moved.delete(trace);
      const [x, y] = ["x", "y"].map((axis) => traces.map((trace) => this.el.data[trace][axis]));
      this.ask("restyle", { restyle_data: { x, y }, restyle_traces: traces });
    }

    // As if Python had asked for it.
    ask(kind, message) {
      this.model.asked = { [`_py2js_${kind}`]: message };
      super[`do_${kind}`]();
      this.model.asked = null;
    }
  };
}

// anywidget loads this module once a model
const views = new Set();
const early = []; // moves from before plotly has started
let made;

function move(changes) {
  if (!made) return early.push(changes);
  const data = made.model.get("_widget_data");
  for (const [trace, line] of changes) Object.assign(data[trace], line);
  for (const view of views) view.move(changes);
}

// Plotly holds an older state than the one that has just come.
function renew() {
  if (!made?.model.held) return;
  made.model.held = null;
  for (const view of views) view.renew();
}

let started;

function initialize(context) {
  const { model } = context;
  const kept = [];
  const keep = Object.fromEntries(
    MESSAGES.map((name) => [name, () => model.get(name) && kept.push([name, model.get(name)])]),
  );
  for (const name of MESSAGES) model.on(`change:${name}`, keep[name]);
  for (const name of HELD) model.on(`change:${name}`, () => queueMicrotask(renew));
  model.on("msg:custom", (content, buffers) => move(coordinates(content, buffers)));
  keepHearing(context);
  started = startPlotly().then(({ makeModel, Stage }) => {
    made = { model: makeModel(context), Stage };
    for (const name of MESSAGES) model.off(`change:${name}`, keep[name]);
    for (const [name, message] of kept) {
      model.set(name, message);
      model.set(name, null);
    }
    early.forEach(move);
  });
}

async function render({ el }) {
  await started;
  const view = new made.Stage(made.model, el);
  view.perform_render();
  views.add(view);
  return () => {
    views.delete(view);
    view.remove();
  };
}

export default { initialize, render };
