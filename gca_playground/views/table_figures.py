"""Figures of tables of experiments, which compute nothing: means with error bars, one line a loss."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from gca_playground._boundary import is_number, near
from gca_playground.views import figures
from gca_playground.views.loss_figures import DASHES
from gca_playground.views.theme import palette

MARKS = ("circle", "square", "diamond", "triangle-up", "x")
"""Lines are told apart by dash, mark and label, not by colour alone."""

DODGE = 0.006
"""How far apart the lines stand at one place, as a share of the axis, so that their error bars can be told apart."""

Row = dict[str, Any]


def read(table: object) -> list[Row]:
    """The rows of a table, each a dict of its columns: of a CSV file's path, a DataFrame, or rows already.

    What reads as a number in a file is one; an empty place is not a number (nan).
    """
    if isinstance(table, str | Path):
        with Path(table).open(newline="", encoding="utf-8") as lines:
            return [{name: _value(text) for name, text in row.items()} for row in csv.DictReader(lines)]
    given: Any = table.to_dict("records") if hasattr(table, "to_dict") else table
    if not isinstance(given, list | tuple) or not all(isinstance(row, Mapping) for row in given):
        raise TypeError(f"a table is a file, a DataFrame or a list of dicts, got {table!r:.60}")
    return [dict(row) for row in given]


def means(
    table: object,
    *,
    x: str,
    y: str | Sequence[str],
    by: str | None = None,
    names: Mapping[Any, str] | None = None,
    titles: tuple[str, str] | None = None,
    levels: Mapping[str, float] | None = None,
    log: bool = False,
    dark: bool | None = None,
) -> go.Figure:
    """Means over seeds with error bars of one standard deviation (the column ``y_sd``), against the column ``x``.

    Given: a table (see ``read``); ``y``: one column with a line for each value of ``by``, or several columns, a line
    each; ``names``: what to call a line; ``titles`` of the two axes; ``levels``: name -> height of a dotted line to
    compare with; ``log``: a logarithmic x axis. Raises: ValueError for a column that is not there, an empty table, or
    several columns together with ``by``.
    """
    rows, columns = read(table), (y,) if isinstance(y, str) else tuple(y)
    _check(rows, (x, *columns, *(f"{name}_sd" for name in columns), *(() if by is None else (by,))))
    if by is not None and len(columns) != 1:
        raise ValueError(
            f"means has one line for each value of {by!r}, or for each of {len(columns)} columns: not both"
        )
    called, lines = dict(names or {}), _lines(rows, columns, by)
    figure = go.Figure()
    for k, (key, (column, picked)) in enumerate(lines.items()):
        shift = (k - (len(lines) - 1) / 2) * DODGE
        figure.add_trace(_line(picked, x, column, called.get(key, str(key)), k, shift=0.0 if log else shift))
    for name, height in (levels or {}).items():
        _level(figure, name, height, dark=dark)
    return _framed(figure, titles or (x, columns[0]), log=log, dark=dark)


def _value(text: str) -> float | str:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return text


def _check(rows: Sequence[Row], needed: Sequence[str]) -> None:
    if not rows:
        raise ValueError("a table to draw needs rows, got none")
    for name in needed:
        if name not in rows[0]:
            raise ValueError(near(name, map(str, rows[0]), what="column"))


def _lines(rows: Sequence[Row], columns: Sequence[str], by: str | None) -> dict[Any, tuple[str, list[Row]]]:
    """By name: the column that a line shows, and its rows; in the order of the table."""
    if by is None:
        return {column: (column, list(rows)) for column in columns}
    return {key: (columns[0], [row for row in rows if row[by] == key]) for key in dict.fromkeys(r[by] for r in rows)}


def _line(rows: Sequence[Row], x: str, y: str, name: str, k: int, *, shift: float) -> go.Scatter:
    colour = figures.CLASS_COLOURS[k % len(figures.CLASS_COLOURS)]
    places = [row[x] for row in rows]
    span = max(places) - min(places) if all(map(is_number, places)) else 0.0
    return go.Scatter(
        x=[place + shift * span for place in places] if span else places,
        y=[row[y] for row in rows],
        error_y={"type": "data", "array": [row[f"{y}_sd"] for row in rows], "thickness": 1.2, "width": 3},
        customdata=[[place, row[f"{y}_sd"]] for place, row in zip(places, rows, strict=True)],
        name=name,
        mode="lines+markers",
        line={"color": colour, "dash": DASHES[k % len(DASHES)], "width": 2},
        marker={"symbol": MARKS[k % len(MARKS)], "size": 7},
        hovertemplate="%{y:.3f} ± %{customdata[1]:.3f} at %{customdata[0]}<extra>" + name + "</extra>",
    )


def _level(figure: go.Figure, name: str, height: float, *, dark: bool | None) -> None:
    colour = palette(dark)["muted"]
    line = {"dash": "dot", "width": 1, "color": colour}
    figure.add_hline(y=height, line=line, annotation={"text": name, "font": {"color": colour}})
    seen = figure.layout.yaxis.autorangeoptions.include or ()
    room = 0.05 * (max(y := [place for trace in figure.data for place in trace.y]) - min(y))
    figure.update_yaxes(autorangeoptions_include=[*seen, height - room, height + room])


def _framed(figure: go.Figure, titles: tuple[str, str], *, log: bool, dark: bool | None) -> go.Figure:
    figures.dress(figure, dark=dark, margin={**figures.CURVE_MARGIN, "l": 60})
    figure.update_xaxes(title={"text": titles[0], "standoff": 4}, type="log" if log else None)
    if log:
        places = sorted({place for line in figure.data for place in line.x})
        figure.update_xaxes(tickvals=places, ticktext=[f"{place:g}" for place in places], minor={"ticks": ""})
    figure.update_yaxes(title={"text": titles[1], "standoff": 4})
    return figure.update_layout(height=360, showlegend=True, legend={"font": {"size": 13}})
