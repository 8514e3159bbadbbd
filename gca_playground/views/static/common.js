// What the widgets of this folder share: Python puts this text in front of theirs.

function make(tag, className, parent) {
  const element = document.createElement(tag);
  element.className = className;
  parent?.append(element);
  return element;
}

// The root of a widget, which has its keys to itself.
function prepare(el, className, signal) {
  el.classList.add("gca-widget", className);
  ownKeys((target) => el.contains(target), signal);
}

// Calls back when one of these traits changes, until the signal says stop.
function listen(model, names, callback, signal) {
  for (const name of names) {
    model.on(`change:${name}`, callback);
    signal.addEventListener("abort", () => model.off(`change:${name}`, callback));
  }
}

function setAttribute(element, name, text) {
  if (text) element.setAttribute(name, text);
  else element.removeAttribute(name);
}

// Bytes come as a DataView into a larger message; a typed array of wider numbers needs its own aligned copy.
function numbers(view, Kind) {
  if (!view?.byteLength) return new Kind(0);
  return new Kind(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
