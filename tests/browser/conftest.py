"""The browser for the tests of what the user sees, and a plain page for single widgets.

Chromium is the system's own; where there is none, the marker `browser` skips the test, or fails it in CI.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.jupyter import Server, jupyterlab
from tests.browser.voila import App, voila

sync_api = pytest.importorskip("playwright.sync_api")

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
ADDRESS = "http://localhost/widgets"


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    """One headless browser for all tests."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One JupyterLab for all tests."""
    with jupyterlab(tmp_path_factory.mktemp("jupyterlab")) as server:
        yield server


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One ``gca-playground app`` for all tests."""
    with voila(tmp_path_factory.mktemp("voila")) as app:
        yield app


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A fresh page that fails its test on any uncaught JavaScript error."""
    context = browser.new_context(viewport={"width": 1240, "height": 830})
    context.set_default_timeout(10_000)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert not errors, errors


@pytest.fixture
def widgets(page: Any) -> WidgetPage:
    """A plain page on which the JavaScript of our widgets runs."""
    return WidgetPage(page)


# Stands in for anywidget: a model with get, set, save_changes, on and off, and one module a model.
# Bytes arrive as a DataView at an odd offset, as they may in a real message.
STAND_IN = """
window.gca = { modules: {}, models: {}, stops: {}, sent: {} };
window.gca.decode = (value) => {
  if (value === null || typeof value !== "object" || !("base64" in value)) return value;
  const text = atob(value.base64);
  const bytes = new Uint8Array(text.length + 1);
  for (let k = 0; k < text.length; k++) bytes[k + 1] = text.charCodeAt(k);
  return new DataView(bytes.buffer, 1);
};
window.gca.model = (id, state) => {
  const listeners = {};
  const call = (name, ...values) => { for (const hears of [...(listeners[name] ?? [])]) hears(...values); };
  let changed = {};
  const assign = (values) => {
    const names = Object.keys(values).filter((name) => values[name] !== state[name]);
    for (const name of names) state[name] = values[name];
    for (const name of names) call(`change:${name}`);
  };
  return {
    listeners,
    get: (name) => state[name],
    set: (name, value) => { changed[name] = value; assign({ [name]: value }); },
    save_changes: () => { window.gca.sent[id].push(changed); changed = {}; },
    send: (content) => { window.gca.sent[id].push(content); },
    say: (content) => call("msg:custom", content, []),
    on: (name, call) => (listeners[name] ??= new Set()).add(call),
    off: (name, call) => listeners[name]?.delete(call),
    receive: assign,
  };
};
window.gca.add = async (id, esm, css, state, into) => {
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
  const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  window.gca.modules[id] = widget;
  for (const name in state) state[name] = window.gca.decode(state[name]);
  const el = Object.assign(document.createElement("div"), { id });
  document.querySelector(into).append(el);
  window.gca.sent[id] = [];
  window.gca.models[id] = window.gca.model(id, state);
  window.gca.stops[id] = await widget.render({ model: window.gca.models[id], el });
};
window.gca.receive = (id, state) => {
  for (const name in state) state[name] = window.gca.decode(state[name]);
  window.gca.models[id].receive(state);
};
"""


class WidgetPage:
    """Puts widgets on a page: their JavaScript is real, the way to Python is a stand-in that records."""

    def __init__(self, page: Any, body: str = "<main></main>") -> None:
        self.page = page
        html = f"<!doctype html><html lang=en><title>widgets</title><body>{body}</body></html>"
        kind = "text/html; charset=utf-8"
        page.route("http://localhost/**", lambda route: route.fulfill(content_type=kind, body=html))
        page.goto(ADDRESS)
        page.evaluate(f"() => {{ {STAND_IN} }}")

    def add(self, widget: Any, name: str, into: str = "main") -> Any:
        """Render the widget as it is now; returns the locator of its element."""
        state = {trait: encoded(getattr(widget, trait)) for trait in own_traits(widget)}
        arguments = [name, str(widget._esm), str(getattr(widget, "_css", "")), state, into]
        self.page.evaluate("(args) => window.gca.add(...args)", arguments)
        return self.page.locator(f"#{name}")

    def receive(self, name: str, **traits: object) -> None:
        """What the browser does when Python sends these traits in one message."""
        state = {trait: encoded(value) for trait, value in traits.items()}
        self.page.evaluate("([name, state]) => window.gca.receive(name, state)", [name, state])

    def say(self, name: str, content: dict[str, Any]) -> None:
        """What the browser does when Python sends this message of its own."""
        self.page.evaluate("([name, content]) => window.gca.models[name].say(content)", [name, content])

    def sent(self, name: str) -> list[dict[str, Any]]:
        """The messages that went out to Python, oldest first."""
        return list(self.page.evaluate("(name) => window.gca.sent[name]", name))

    def remove(self, name: str) -> int:
        """Take the widget away; returns how many listeners it left behind on its model."""
        left = """(name) => {
            window.gca.stops[name]();
            document.getElementById(name).remove();
            return Object.values(window.gca.models[name].listeners).reduce((sum, set) => sum + set.size, 0);
        }"""
        return int(self.page.evaluate(left, name))


def own_traits(widget: Any) -> list[str]:
    """The names of the traits that the widget sends, without those of every widget."""
    return [name for name in widget.trait_names(sync=True) if name[0] != "_" and name not in BASE]


BASE = {"layout", "tabbable", "tooltip", "comm"}


def encoded(value: Any) -> Any:
    """The value as JSON can carry it."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    return list(value) if isinstance(value, tuple) else value
