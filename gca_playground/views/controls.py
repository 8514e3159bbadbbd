"""The controls of our own: a slider over any list of stops, a player that waits for Python, a copy button.

ipywidgets' sliders cannot say "free" or "exact" and have no accessible name; its Play does not wait.
All other controls of the labs are ipywidgets' own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import anywidget
import traitlets as t

from gca_playground.views.theme import colour_rules, static_text

__all__ = ["CopyButton", "Player", "Slider", "log_stops", "relaxation_stops", "step_stops"]

Stops = Sequence[tuple[Any, str]]

_KEEP: Any = object()
_CSS = colour_rules() + static_text("controls.css")


class Slider(anywidget.AnyWidget):
    """A slider over named stops, on the browser's own range input.

    Given: `label`; `stops`, pairs (value, text); `value`, the first stop's unless given; `colour` rows, cols
    or neutral; `ends`, the two texts below the track, else those of the first and the last stop;
    `description`, what the control does, in a sentence.
    `idle`, why a move changes nothing now: the slider is dimmed and says so in place of `ends`, and still moves.
    `value` and `index` follow each other. Setting `value` obeys one law, see `position`.
    """

    _esm = static_text("keys.js", "late.js", "common.js", "slider.js")
    _css = _CSS

    label = t.Unicode().tag(sync=True)
    description = t.Unicode().tag(sync=True)
    texts = t.List(t.Unicode()).tag(sync=True)
    ends = t.Tuple(t.Unicode(), t.Unicode()).tag(sync=True)
    index = t.Int(0).tag(sync=True)
    colour = t.Enum(("rows", "cols", "neutral"), "rows").tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)
    idle = t.Unicode().tag(sync=True)
    value = t.Any()

    def __init__(
        self,
        *,
        label: str,
        stops: Stops,
        value: Any = _KEEP,
        ends: tuple[str, str] | None = None,
        **traits: Any,
    ) -> None:
        self._stops = _checked(stops)
        index = 0 if value is _KEEP else position(value, self._stops, name=label)
        super().__init__(label=label, **_stop_traits(self._stops, index, ends), **traits)

    @property
    def stops(self) -> Stops:
        """The pairs (value, text), in order."""
        return self._stops

    @property
    def text(self) -> str:
        """The text of the stop where the slider stands."""
        return str(self.texts[self.index])

    def set_stops(self, stops: Stops, *, value: Any = _KEEP, ends: tuple[str, str] | None = None) -> None:
        """Replace the stops in one message. The value stays unless given, under the same law as setting it."""
        stops = _checked(stops)
        index = position(self.value if value is _KEEP else value, stops, name=self.label)
        self._stops = stops
        with self.hold_sync(), self.hold_trait_notifications():
            for name, new in _stop_traits(stops, index, ends).items():
                setattr(self, name, new)

    @t.validate("value")
    def _snap(self, proposal: Any) -> Any:
        return self.stops[position(proposal["value"], self.stops, name=self.label)][0]

    @t.validate("index")
    def _within(self, proposal: Any) -> int:
        index = int(proposal["value"])
        if not 0 <= index < len(self.stops):
            raise ValueError(f"{self.label}: index must lie in 0..{len(self.stops) - 1}, got {index}")
        return index

    @t.observe("value")
    def _follow_value(self, change: Any) -> None:
        self.index = position(change["new"], self.stops, name=self.label)

    @t.observe("index")
    def _follow_index(self, change: Any) -> None:
        self.value = self.stops[change["new"]][0]


def position(value: Any, stops: Stops, *, name: str = "value") -> int:
    """Which stop a value means.

    A stop's own value means that stop. Any other finite number between the least and the greatest stop
    means the nearest finite one, by ratio among positive stops (so only 0 itself is "free", only inf
    "exact"), by difference where there are none.
    Raises: ValueError for a number outside the stops, and for anything else that is no stop.
    """
    for k, (stop, _) in enumerate(stops):
        if isinstance(stop, bool) == isinstance(value, bool) and stop == value:
            return k
    numbers = {k: float(stop) for k, (stop, _) in enumerate(stops) if _is_number(stop)}
    if not numbers or not _is_number(value):
        raise ValueError(f"{name} must be one of {', '.join(text for _, text in stops)}, got {value!r}")
    low, high = min(numbers.values()), max(numbers.values())
    if not low <= value <= high:
        raise ValueError(f"{name} must lie between {low:g} and {high:g}, got {value!r}")
    return _nearest(float(value), {k: stop for k, stop in numbers.items() if math.isfinite(stop)})


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def _nearest(value: float, numbers: dict[int, float]) -> int:
    positive = {k: stop for k, stop in numbers.items() if stop > 0}
    if value > 0 and positive:
        return min(positive, key=lambda k: abs(math.log(positive[k] / value)))
    return min(numbers, key=lambda k: abs(numbers[k] - value))


def _checked(stops: Stops) -> tuple[tuple[Any, str], ...]:
    pairs = tuple((value, text) for value, text in stops)
    texts = [text for _, text in pairs]
    if not pairs or not all(isinstance(text, str) and text for text in texts):
        raise ValueError(f"stops must be pairs (value, text), at least one, each with a text, got {stops!r}")
    if len(set(texts)) < len(texts):
        raise ValueError(f"each stop needs a text of its own, got {texts}")
    return pairs


def _stop_traits(stops: Stops, index: int, ends: tuple[str, str] | None) -> dict[str, Any]:
    texts = [text for _, text in stops]
    return {
        "texts": texts,
        "ends": tuple(ends or (texts[0], texts[-1])),
        "index": index,
        "value": stops[index][0],
    }


def log_stops(lo: float, hi: float, per_decade: int = 10) -> list[tuple[float, str]]:
    """Round numbers from lo to hi, evenly spread in logarithm: log_stops(0.1, 1, 3) is 0.1, 0.2, 0.5, 1."""
    if not 0 < lo < hi < math.inf or per_decade < 1:
        raise ValueError(f"log_stops needs 0 < lo < hi and per_decade >= 1, got {lo}, {hi}, {per_decade}")
    digits = 1 if per_decade <= 3 else 2 if per_decade <= 20 else 3
    first, last = math.floor(per_decade * math.log10(lo)), math.ceil(per_decade * math.log10(hi))
    between = (float(f"{10 ** (k / per_decade):.{digits - 1}e}") for k in range(first, last + 1))
    values = sorted({lo, hi} | {value for value in between if lo < value < hi})
    return [(float(value), f"{value:g}") for value in values]


def relaxation_stops(lo: float = 0.01, hi: float = 100.0, per_decade: int = 10) -> list[tuple[float, str]]:
    """The strengths of a marginal: 0 is "free", infinity is "exact", between them round numbers."""
    return [(0.0, "free"), *log_stops(lo, hi, per_decade), (math.inf, "exact")]


def step_stops(most: int = 50) -> list[tuple[int | None, str]]:
    """0..most half-steps, then None: "converged"."""
    return [*((k, str(k)) for k in range(most + 1)), (None, "converged")]


class Player(anywidget.AnyWidget):
    """A play / pause button whose clock waits for Python.

    While `playing`, the browser counts `tick` up, at most every `interval_ms`, and never before Python has
    `acknowledged` the last one: slow callbacks slow the clock, they never pile up.
    """

    _esm = static_text("keys.js", "late.js", "common.js", "player.js")
    _css = _CSS

    playing = t.Bool(False).tag(sync=True)
    tick = t.Int(0).tag(sync=True)
    acknowledged = t.Int(0).tag(sync=True)
    interval_ms = t.Int(120, min=0).tag(sync=True)
    description = t.Unicode().tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        self._callbacks: list[Callable[[int], object]] = []
        super().__init__(**traits)

    def on_tick(self, callback: Callable[[int], object], *, remove: bool = False) -> None:
        """Call `callback(tick)` at every tick while playing; `remove` takes it away again."""
        if remove:
            self._callbacks.remove(callback)
        else:
            self._callbacks.append(callback)

    @t.observe("tick")
    def _answer(self, change: Any) -> None:
        try:
            for callback in list(self._callbacks) if self.playing else []:
                callback(change["new"])
        finally:
            self.acknowledged = change["new"]


class CopyButton(anywidget.AnyWidget):
    """A button that puts `text` on the clipboard and says so; where that is refused, it shows the text selected.

    With `as_link` the text is an address relative to the page, such as "?state=...", and is copied in full.
    """

    _esm = static_text("keys.js", "late.js", "common.js", "copy_button.js")
    _css = _CSS

    text_label = t.Unicode("copy").tag(sync=True)
    text = t.Unicode().tag(sync=True)
    as_link = t.Bool(False).tag(sync=True)
    description = t.Unicode().tag(sync=True)
    disabled = t.Bool(False).tag(sync=True)
