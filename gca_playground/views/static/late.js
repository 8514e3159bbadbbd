// anywidget gives a model two seconds to start; one that takes longer, as on a busy machine, is deaf to Python from
// then on (anywidget's issue 803). Such a model takes its messages itself, and asks Python for what it has missed.

// The model that the callbacks of its events are given; anywidget shows only a few of its methods.
function wholeModel(model) {
  let whole = null;
  const see = (it) => (whole = it);
  const tooltip = model.get("tooltip");
  model.on("change:tooltip", see);
  model.set("tooltip", tooltip === "" ? " " : "");
  model.off("change:tooltip", see);
  model.set("tooltip", tooltip);
  return whole;
}

function hearAgain(whole) {
  const { _handle_comm_msg: hear } = Object.getPrototypeOf(Object.getPrototypeOf(whole)); // not anywidget's own
  whole.comm.on_msg((message) => hear.call(whole, message));
  whole.comm.send({ method: "request_state" }, {}, {}, []);
}

// Do not wait for it: only then does anywidget say whether the model has started in time.
function keepHearing({ model }) {
  const whole = wholeModel(model);
  whole?._handle_comm_msg({ content: { data: { method: "none" } } }).catch(() => hearAgain(whole));
}
