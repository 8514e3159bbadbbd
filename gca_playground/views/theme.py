"""How the labs look: the colours of both themes, and the widget that knows which one the page wears.

Every colour has its one home here. The style sheets read them as custom properties (`--gca-rows`),
the figures as `LIGHT["rows"]` or `DARK["rows"]`. Rows are blue and columns orange everywhere; the
`..._text` colours are the shades of them that can be read as text.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anywidget
from traitlets import Bool

__all__ = ["DARK", "EITHER", "LIGHT", "Theme", "colour_rules", "palette", "static_text"]

LIGHT = {
    "page": "#ffffff",
    "text": "#1b1f2e",
    "muted": "#5f6778",
    "hairline": "#e3e6ec",
    "control": "#fafbfd",
    "control_hover": "#eef2f8",
    "control_border": "#d9dee7",
    "track": "#e1e3eb",
    "rows": "#1d5fbf",
    "rows_text": "#1d5fbf",
    "cols": "#d9730d",
    "cols_text": "#a65300",
    "neutral": "#4a5468",
    "neutral_text": "#4a5468",
    "primary": "#1d5fbf",
    "primary_hover": "#174f9f",
    "primary_text": "#ffffff",
    "error": "#fdeeee",
    "error_border": "#d64545",
    "error_text": "#8f1d1d",
}

DARK = {
    "page": "#12151d",
    "text": "#e8ebf2",
    "muted": "#9ba3b4",
    "hairline": "#2c313d",
    "control": "#1a1e28",
    "control_hover": "#252b38",
    "control_border": "#363d4c",
    "track": "#2e323e",
    "rows": "#7db4ff",
    "rows_text": "#7db4ff",
    "cols": "#ffb366",
    "cols_text": "#ffb366",
    "neutral": "#aab3c5",
    "neutral_text": "#aab3c5",
    "primary": "#7db4ff",
    "primary_hover": "#9cc6ff",
    "primary_text": "#0d1220",
    "error": "#381b20",
    "error_border": "#e0696b",
    "error_text": "#ffb9b9",
}

EITHER = LIGHT | {
    "text": "#767c86",
    "muted": "#767c86",
    "hairline": "rgba(128, 136, 144, 0.3)",
    "rows": "#3b7dd8",
    "cols": "#d9730d",
    "neutral": "#767c86",
}
"""For a figure in a notebook, which does not know the page's theme: colours that can be read on white and on black."""

_STATIC = Path(__file__).parent / "static"
_WHERE = ":is(.gca-lab, .gca-widget)"
_WHEN_DARK = ':is([data-gca-theme="dark"], body[data-jp-theme-light="false"])'


def palette(dark: bool | None) -> dict[str, str]:
    """The colours for a dark page, for a light one, or (None) for either."""
    return EITHER if dark is None else DARK if dark else LIGHT


def static_text(*names: str) -> str:
    """The texts of these files of the folder static, one after the other."""
    return "\n".join((_STATIC / name).read_text(encoding="utf-8") for name in names)


def colour_rules() -> str:
    """The style rules that make every colour a custom property, for the light and for the dark page."""
    light = f"{_WHERE} {{ color-scheme: light; {_properties(LIGHT)} }}"
    dark = f"{_WHEN_DARK} {_WHERE} {{ color-scheme: dark; {_properties(DARK)} }}"
    return f"{light}\n{dark}\n"


def _properties(colours: dict[str, str]) -> str:
    return " ".join(f"--gca-{name.replace('_', '-')}: {colour};" for name, colour in colours.items())


class Theme(anywidget.AnyWidget):
    """Nothing to see: it styles the lab around it, keeps the notebook's shortcuts out of its keys, and says
    whether the page is dark.

    The browser restyles by itself; `dark` follows a moment later, for what Python must redraw
    (`theme.observe(redraw, "dark")`).
    """

    _esm = static_text("keys.js", "late.js", "dark.js", "theme.js")
    _css = colour_rules() + static_text("lab.css", "running.css", "words.css", "ipywidgets.css")

    dark = Bool(False, help="whether the page is dark; the browser says it").tag(sync=True)

    def on_open(self, act: Callable[[], object]) -> None:
        """Call this when a page has opened the lab, with all its parts, for the first time."""
        self.on_msg(lambda _, content, __: act() if content == {"open": True} else None)
