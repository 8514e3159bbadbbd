async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text);
  }
}

function copyTheOldWay(text) {
  const box = make("textarea", "gca-copy-hidden", document.body);
  const before = document.activeElement;
  box.value = text;
  box.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    box.remove();
    before?.focus();
  }
}

// A link that is given relative to this page, in full.
function absolute(text) {
  try {
    return new URL(text, location.href).href;
  } catch {
    return text;
  }
}

function render({ model, el }) {
  const stop = new AbortController();
  const { signal } = stop;
  prepare(el, "gca-copy", signal);
  const button = make("button", "gca-button", el);
  const word = make("span", "gca-copy-said", el);
  const box = make("textarea", "gca-copy-box", el);
  button.type = "button";
  word.setAttribute("role", "status");
  box.setAttribute("aria-label", "text to copy by hand");
  Object.assign(box, { readOnly: true, hidden: true, rows: 4 });
  const text = () => (model.get("as_link") ? absolute(model.get("text")) : model.get("text"));
  let timer = 0;

  function paint() {
    button.textContent = model.get("text_label");
    button.disabled = model.get("disabled");
    setAttribute(button, "title", model.get("description"));
    box.value = text();
  }

  function say(said) {
    word.textContent = said;
    clearTimeout(timer);
    timer = setTimeout(() => (word.textContent = ""), 1500);
  }

  async function press() {
    const copied = await copy(text());
    if (signal.aborted) return;
    box.hidden = copied;
    if (copied) return say("copied");
    say("copy it from here");
    box.focus();
    box.select();
  }

  button.addEventListener("click", press, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  listen(model, ["text_label", "text", "as_link", "description", "disabled"], paint, signal);
  paint();
  return () => stop.abort();
}

export default { initialize: keepHearing, render };
