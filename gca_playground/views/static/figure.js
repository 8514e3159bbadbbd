// Plotly's module takes more than a second to start, and anywidget forgets every later message to a model that is
// not ready within two seconds (its issue 803). So it starts once a page for all figures, the model is ready at
// once, and what comes meanwhile is kept. `bundle` is the module's text; Python puts it in front of this one.
const MESSAGES = [
  "addTraces", "deleteTraces", "moveTraces", "restyle", "relayout", "update", "animate",
  "removeLayoutProps", "removeTraceProps",
].map((kind) => `_py2js_${kind}`);

function startPlotly() {
  const url = () => URL.createObjectURL(new Blob([bundle], { type: "text/javascript" }));
  return (window.gcaPlotly ??= new Promise((done) => setTimeout(done)).then(() => import(url())));
}

let figure; // anywidget loads this module once a model

function initialize(context) {
  const { model } = context;
  const kept = [];
  const keep = Object.fromEntries(
    MESSAGES.map((name) => [name, () => model.get(name) && kept.push([name, model.get(name)])]),
  );
  for (const name of MESSAGES) model.on(`change:${name}`, keep[name]);
  figure = startPlotly().then(async (plotly) => {
    const made = plotly.default();
    made.initialize(context);
    for (const name of MESSAGES) model.off(`change:${name}`, keep[name]);
    for (const [name, message] of kept) {
      model.set(name, message);
      model.set(name, null);
    }
    return made;
  });
}

async function render(context) {
  return (await figure).render(context);
}

export default { initialize, render };
