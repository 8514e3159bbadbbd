function render({ model, el }) {
  const stop = new AbortController();
  el.style.display = "none";
  const tell = (dark) => {
    if (model.get("dark") === dark) return;
    model.set("dark", dark);
    model.save_changes();
  };
  watchDark(tell, stop.signal);
  return () => stop.abort();
}

export default { render };
