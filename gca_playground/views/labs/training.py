"""TrainingLab: watch an embedding learn, and turn its loss while it does."""

from __future__ import annotations

import ipywidgets as widgets

from gca_playground.views.labs.knobs import Knob
from gca_playground.views.labs.lab import box, text
from gca_playground.views.labs.running import RunningLab
from gca_playground.views.labs.training_knobs import compare_knob, data_knobs, network_knobs, pace_knobs, side_knobs
from gca_playground.views.labs.training_presets import PRESETS


class TrainingLab(RunningLab):
    """An embedding that learns, live: its points, the plan of a fixed batch, its curves; one loss or two side by side.

    Given nothing, it opens on two circles; given a data set's name or ``Pairs`` (``datasets.from_arrays`` makes them of
    your own arrays), on these.

        gca.TrainingLab()
        gca.TrainingLab(gca.datasets.from_arrays(x, labels=y, augment=jitter))
        gca.TrainingLab.from_state(lab.state)

    ``lab.state`` is a small dict that JSON can carry; setting it moves the lab. ``lab.step(k)`` and ``lab.reset()`` do
    what the buttons do. ``lab.code()`` is a script that trains the same way, ``lab.run.sessions`` hold what was learnt.
    """

    title_text, about = "Training", "an embedding that learns while you steer"
    presets = PRESETS

    @classmethod
    def from_state(cls, state: object, data: object = None) -> TrainingLab:
        """The lab in a state that ``lab.state`` gave; with the data again where they were your own.

        Raises: TypeError, ValueError that name what is wrong with the state.
        """
        return cls(data, state=state)

    def _make_knobs(self) -> dict[str, Knob]:
        own = self._own is not None
        return data_knobs(own) | network_knobs() | pace_knobs() | compare_knob() | side_knobs(0) | side_knobs(1)

    def _panel(self) -> list[widgets.Widget]:
        control = {name: knob.control for name, knob in self.knobs.items()}
        both = len(self._state.sides) > 1
        made: list[widgets.Widget] = [
            text("section", '<span class="gca-rows-word">left</span>' if both else "the loss")
        ]
        made += [control[name] for name in control if name.startswith("left ")]
        if both:
            made.append(text("section", '<span class="gca-cols-word">right</span>'))
            made += [control[name] for name in control if name.startswith("right ")]
        made += [control["compare"]]
        if self._own is None:
            presets = box("buttons", *(self.buttons[preset.name] for preset in self.presets))
            made += [text("section", "presets"), presets]
        made += [text("section", "data and encoder")]
        made += [control[name] for name in ("data", "mismatched", "encoder", "surface") if name in control]
        made += [self.turner] if self._state.surface == "sphere" else []
        return [*made, text("section", "pace"), *(control[name] for name in ("lr", "batch", "seed"))]
