"""A lab without a mouse."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from playwright.sync_api import expect

CONTROLS = """() => [...document.querySelectorAll("button, input, select, [tabindex='0']")]
    .filter((part) => part.closest(".gca-lab, .gca-chooser"))
    .filter((part) => !part.disabled && part.offsetParent && part.tabIndex >= 0)"""
FOCUSED = f"() => ({CONTROLS})().indexOf(document.activeElement)"


def out_of_reach(page: Any) -> list[str]:
    """The controls, as HTML, to which no Tab from the first one leads."""
    count = page.evaluate(f"() => ({CONTROLS})().length")
    page.evaluate(f"() => ({CONTROLS})()[0].focus()")
    reached = {page.evaluate(FOCUSED)}
    for _ in range(count + 12):  # plotly's own links may stand between
        page.keyboard.press("Tab")
        reached.add(page.evaluate(FOCUSED))
    left = f"(reached) => ({CONTROLS})().filter((_, k) => !reached.includes(k)).map((part) => part.outerHTML)"
    return list(page.evaluate(left, list(reached)))


def move_every_slider(page: Any, *, but: Collection[str] = ()) -> int:
    """An arrow moves each slider that can be seen, ``but`` those of these names, and the other arrow moves it back.

    Returns how many. Raises: AssertionError for a slider that does not follow, or where the lab shows an error.
    """
    moved = 0
    for slider in page.locator(".gca-lab .gca-slider-range:enabled:visible").all():
        before = slider.get_attribute("aria-valuetext")
        if slider.get_attribute("aria-label") in but:
            continue
        there, back = ("ArrowRight", "ArrowLeft") if slider.input_value() == "0" else ("ArrowLeft", "ArrowRight")
        slider.press(there)
        expect(slider).not_to_have_attribute("aria-valuetext", before)
        slider.press(back)
        expect(slider).to_have_attribute("aria-valuetext", before)
        moved += 1
    expect(page.get_by_role("alert")).to_have_count(0)
    return moved
