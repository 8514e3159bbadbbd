"""What stands where in a crossmodal lab: the frame that both tabs share, and the panels of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from gca_playground.views.controls import CopyButton
from gca_playground.views.export import ExportButton
from gca_playground.views.gallery import Gallery
from gca_playground.views.guard import Guard
from gca_playground.views.labs import crossmodal_flows as flows
from gca_playground.views.labs import crossmodal_words as words
from gca_playground.views.labs.crossmodal_knobs import digit_knobs, drifter_knobs, tab_knob
from gca_playground.views.labs.crossmodal_pictures import FlowPicture, LabelPicture, RecallPicture, WeightPicture
from gca_playground.views.labs.crossmodal_presets import PRESETS
from gca_playground.views.labs.crossmodal_scene import Scene, digits
from gca_playground.views.labs.crossmodal_state import SIDE
from gca_playground.views.labs.lab import box, text
from gca_playground.views.matrix_view import MatrixView

LINEAR = 2.5
"""A MatrixView shows the power 0.4 of a number; pixels are to be shown as they are."""


class Frame:
    """The header, the line of words, the buttons and the grid in which a tab's panels stand."""

    def __init__(self, guard: Guard, on_csv: Callable[[], str], copies: Sequence[CopyButton]) -> None:
        self.title, self.formula, self.pill = text("title", "Crossmodal"), text("formula"), text("pill")
        self.look, self.busy = text("hint"), text("told")
        self.knobs = tab_knob()
        tips = {"new seed": "train from other first weights", "reset": "back to the first picture"}
        tips |= {preset.name: preset.look_for for preset in PRESETS}
        self.buttons = {name: widgets.Button(description=name, tooltip=tip) for name, tip in tips.items()}
        self.copies = box("buttons", *copies)
        self.export = ExportButton(
            words.EXPORTS["digits"],
            on_csv=on_csv,
            guard=guard,
            name="crossmodal",
            description="save a picture, or the numbers, as a file",
        )
        self.header = box("header", self.title, self.formula, self.pill)
        self.says = box("says", self.look, guard.box)
        self.body = box("body")
        self._page: Page | None = None

    def show(self, page: Page, scene: Any) -> None:
        """The words of a page; its panels, where another was there."""
        self.formula.value = page.formula(scene)
        here, meaning = page.pill(scene)
        self.pill.value = f'<span title="{meaning}">{here}</span>'
        self.tell_training(scene)
        if page is not self._page:
            self._page = page
            self.export.choices = words.EXPORTS[scene.state.tab]
            self.body.children = (self._controls(page), *page.panels(self._end(page)))

    def tell_training(self, scene: Any) -> None:
        """How long the model on show took."""
        self.busy.value = words.trained_words(scene.found.seconds, scene.state.seed)

    def _controls(self, page: Page) -> widgets.Box:
        return box(
            "controls",
            text("section", "the data"),
            box("tabs", self.knobs["tab"].control),
            text("section", "the model"),
            *page.controls,
            self.busy,
            box("buttons", self.buttons["new seed"], self.buttons["reset"]),
            text("section", "presets"),
            box("buttons", *(self.buttons[preset.name] for preset in PRESETS)),
        )

    def _end(self, page: Page) -> widgets.Box:
        return box("numbers", text("section", page.table_head), page.table, self.copies, self.export)


class Page:
    """One tab: its knobs, its pictures (made when it is first shown), its words."""

    table_head = ""
    controls: tuple[widgets.Widget, ...] = ()

    def __init__(self, first: Any) -> None:
        self.table = text("numbers-table")
        self.pictures: tuple[Any, ...] = ()
        if first is not None:
            self.make(first)

    def make(self, scene: Any) -> None:
        """The pictures, of a first scene."""
        raise NotImplementedError

    def panels(self, end: widgets.Box) -> tuple[widgets.Box, ...]:
        """What stands beside the controls; the table and the buttons, ``end``, among it."""
        raise NotImplementedError

    def formula(self, scene: Any) -> str:
        """One line of HTML."""
        raise NotImplementedError

    def pill(self, scene: Any) -> tuple[str, str]:
        """Where you stand, and what it means."""
        raise NotImplementedError

    def show(self, scene: Any, *, dark: bool) -> None:
        """Another scene."""
        if not self.pictures:
            self.make(scene)
            self.dress(dark=dark)
        for picture in self.pictures:
            picture.show(scene)

    def dress(self, *, dark: bool) -> None:
        """The colours of a theme."""
        for picture in self.pictures:
            picture.dress(dark=dark)


class DigitPage(Page):
    """From a label to images, from an image to labels."""

    table_head = "as a classifier, and as a generator"

    def __init__(self, first: Scene | None) -> None:
        self.knobs = digit_knobs()
        self.controls = tuple(self.knobs[name].control for name in ("loss", "lambda_u", "lambda_v"))
        self.heaviest = Gallery(label="the heaviest test images; pick one to classify it", pickable=True)
        self.means = Gallery(label="mean images", columns=2)
        self.means.add_class("gca-means")
        self.sketch = MatrixView(paintable=True)
        self.clear = widgets.Button(description="clear, and draw", tooltip="an empty image to draw on")
        self.ess, self.says = text("told"), text("told")
        super().__init__(first)

    def make(self, scene: Scene) -> None:
        """The weights and the bars."""
        self.weights, self.labels = WeightPicture(scene), LabelPicture(scene)
        self.pictures = (self.weights, self.labels)

    def panels(self, end: widgets.Box) -> tuple[widgets.Box, ...]:
        """At the left what a label gives, at the right what an image gives."""
        control = {name: knob.control for name, knob in self.knobs.items()}
        left = box(
            "matrix",
            box("line", text("section", f"from a label {words.V} to images {words.U}"), control["half_u"]),
            box("labels", control["label"]),
            self.ess,
            self.heaviest,
            self.weights.widget,
        )
        sketch = box("side", self.sketch, box("buttons", self.clear))
        sketch.add_class("gca-sketch")
        right = box(
            "clouds",
            box("line", text("section", f"from an image {words.U} to its label {words.V}"), control["half_v"]),
            control["image"],
            self.says,
            box("halves", sketch, box("side", self.labels.widget)),
        )
        means = box("curves", text("section", "the mean of the weighted images, and what it should be"), self.means)
        return left, right, means, end

    def formula(self, scene: Scene) -> str:
        """The loss and the weights."""
        return words.formula(scene)

    def pill(self, scene: Scene) -> tuple[str, str]:
        """Fit for what."""
        return words.pill(scene)

    def show(self, scene: Scene, *, dark: bool) -> None:
        """Another scene."""
        super().show(scene, dark=dark)
        test, state = digits("test").view1.view(-1, SIDE, SIDE).numpy(), scene.state
        shown = scene.heaviest.index(state.image) if state.image in scene.heaviest and not state.drawing else -1
        self.heaviest.show(test[scene.heaviest], *words.heaviest_words(scene), chosen=shown)
        means = [mean.view(SIDE, SIDE).clamp(0, 1).numpy() for mean in (scene.mean, scene.true_mean)]
        self.means.show(means, *words.mean_words(scene))
        self.sketch.show(scene.pixels.view(SIDE, SIDE).numpy() ** LINEAR)
        what = "your drawing" if state.drawing else f"test image {state.image}"
        self.sketch.aria_text = f"{what}, 8 by 8 pixels; arrow keys move, Enter draws, on ink it erases"
        self.ess.value, self.says.value = words.ess_words(scene), words.image_words(scene)
        self.table.value = words.measures_table(scene)


class DrifterPage(Page):
    """From a path to the flow that made it."""

    table_head = "how often the partner is found"

    def __init__(self, first: flows.Scene | None) -> None:
        self.knobs = drifter_knobs()
        self.controls = tuple(self.knobs[name].control for name in ("tilting", "tracers"))
        self.told = text("told")
        super().__init__(first)

    def make(self, scene: flows.Scene) -> None:
        """The flows and the recall."""
        self.flows, self.recall = FlowPicture(scene), RecallPicture(scene)
        self.pictures = (self.flows, self.recall)

    def panels(self, end: widgets.Box) -> tuple[widgets.Box, ...]:
        """At the left the flows for a path, at the right how often the right one is found."""
        left = box(
            "matrix",
            box("line", text("section", f"from a path {words.V} to flows {words.U}"), self.knobs["prior"].control),
            self.knobs["path"].control,
            self.told,
            self.flows.widget,
        )
        head = text("section", f"is the partner among the first {words.K}?")
        return left, box("clouds", head, self.recall.widget, end)

    def formula(self, scene: flows.Scene) -> str:
        """The score and the recall."""
        return words.flow_formula(scene)

    def pill(self, scene: flows.Scene) -> tuple[str, str]:
        """How far down the true flow is."""
        return words.flow_pill(scene)

    def show(self, scene: flows.Scene, *, dark: bool) -> None:
        """Another scene."""
        super().show(scene, dark=dark)
        self.told.value = f'<span role="status">{words.flow_words(scene)}</span>'
        self.table.value = words.recall_table(scene)
