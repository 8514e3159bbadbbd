"""The table of named losses in a notebook."""

from __future__ import annotations

import dataclasses
import html.parser

import gca_playground as gca
from gca_playground.alignment.named import ALWAYS, LOSSES
from gca_playground.alignment.table import HEADINGS, Losses


class Reader(html.parser.HTMLParser):
    """The cells of a table in rows, and the tags that are still open."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "tr" in self.open:
            self.rows[-1][-1] += data


def test_it_is_still_the_mapping_it_was():
    table = gca.losses()
    assert isinstance(table, dict) and table == LOSSES and repr(table) == repr(dict(LOSSES))
    table.clear()
    assert gca.losses()  # a copy each time


def test_every_loss_has_a_line_with_all_that_is_known_of_it():
    page = Reader(gca.losses()._repr_html_())
    assert page.open == [] and page.rows[0] == list(HEADINGS)
    for (name, row), line in zip(LOSSES.items(), page.rows[1:], strict=True):
        assert line[:3] == [name, row.description, row.formula] and line[4] == row.reference
        assert [part.split("=")[0] for part in line[3].split(", ") if part] == list(row.knobs)


def test_first_values_are_shown_as_one_writes_them():
    page = gca.losses()._repr_html_()
    shown = {line[0]: line[3] for line in Reader(page).rows}
    assert shown["clip"].endswith("weight_rows=1.0, weight_cols=1.0") and "target='pairs'" in shown["clip"]
    assert shown["gca-uot"].startswith("rho_rows=0.2, rho_cols=0.2, steps=10")
    assert page.endswith(f"<p>Every loss also has {', '.join(ALWAYS)}.</p>")


def test_words_are_words_whatever_they_hold():
    words = "<script>alert('a & b')</script>"
    row = dataclasses.replace(LOSSES["joint"], description=words, formula=words, reference=words)
    page = Losses({words: row})._repr_html_()
    assert "<script" not in page
    assert [Reader(page).rows[1][k] for k in (0, 1, 2, 4)] == [words] * 4


def test_no_losses_no_lines():
    assert Reader(Losses()._repr_html_()).rows == [list(HEADINGS)]
