"""What a self-check answers: right, wrong and why, or not attempted. It never raises."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gca_playground.check.outside import taken_from_outside
from gca_playground.check.progress import LOOKS, State, note


@dataclass(frozen=True)
class Verdict:
    """The answer of a self-check: its state, and why, in words. Reads the same aloud as it looks."""

    state: State
    why: str

    def __repr__(self) -> str:
        """One line of text."""
        sign, _, word = LOOKS[self.state]
        return f"{sign} {word}: {self.why}"

    def _repr_html_(self) -> str:
        sign, colour, word = LOOKS[self.state]
        return (
            f'<div role="status" style="border-left:4px solid {colour};padding:4px 10px">'
            f'<b><span aria-hidden="true" style="color:{colour}">{sign}</span> {word}</b>: '
            f"{html.escape(self.why)}</div>"
        )


class Wrong(Exception):
    """Raised inside an exercise to say why an answer is wrong."""


def exercise(question: str) -> Callable[[Callable[[Any], str]], Callable[..., Verdict]]:
    """Make a self-check of a function that explains a right answer, or raises ``Wrong`` with the reason.

    ``question`` is what "not attempted" repeats. ``None`` and ``...`` count as not attempted; whatever else goes wrong
    while the answer is looked at is told as part of the verdict.
    """

    def decorate(judge: Callable[[Any], str]) -> Callable[..., Verdict]:
        @functools.wraps(judge)
        def check(answer: Any = None) -> Verdict:
            verdict = _judged(judge, answer, question)
            note(judge.__name__, verdict.state)
            return verdict

        return check

    return decorate


def _judged(judge: Callable[[Any], str], answer: Any, question: str) -> Verdict:
    if answer is None or answer is ...:
        return Verdict("not attempted", question)
    try:
        return Verdict("right", judge(answer))
    except Wrong as reason:
        return Verdict("wrong", str(reason) + taken_from_outside(answer))
    except Exception as error:  # an answer may fail in any way, and the student must read how
        return Verdict("wrong", f"this answer could not be used: {type(error).__name__}: {error}")
