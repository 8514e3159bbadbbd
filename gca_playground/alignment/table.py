"""The named losses as a notebook shows them: a plain table, nothing to import."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gca_playground.alignment.named import NamedLoss

HEADINGS = ("name", "what it is", "formula", "its own knobs", "reference")


class Losses(dict[str, "NamedLoss"]):
    """Named losses: a dict, name -> row, which a notebook shows as a table."""

    def _repr_html_(self) -> str:
        """One line a loss, its own knobs with their first values; below them the knobs of all."""
        head = "".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
        lines = "".join(_line(name, row) for name, row in self.items())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>{_of_all(list(self.values()))}"


def _line(name: str, row: NamedLoss) -> str:
    knobs = ", ".join(f"{knob}={_short(row.defaults[knob])}" for knob in row.knobs)
    cells = "".join(f"<td>{html.escape(text)}</td>" for text in (row.description, row.formula, knobs, row.reference))
    return f'<tr><th scope="row"><code>{html.escape(name)}</code></th>{cells}</tr>'


def _of_all(rows: list[NamedLoss]) -> str:
    shared = [knob for knob in rows[0].defaults if all(knob in row.defaults for row in rows)] if rows else []
    return f"<p>Every loss also has {html.escape(', '.join(shared))}.</p>" if shared else ""


def _short(value: object) -> str:
    """A knob's value as one writes it: a record by its name."""
    return repr(getattr(value, "name", value))
