"""What the crossmodal lab says: the formula with its numbers, where you stand, the tables, the script."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from gca_playground.views.labs import crossmodal_flows as flows
from gca_playground.views.labs.crossmodal_scene import Measures, Scene, digits
from gca_playground.views.labs.crossmodal_state import LOSSES, State
from gca_playground.views.labs.gaussian_words import table

EXPORTS = {
    "digits": [
        ("weights (PNG)", "png", ".gca-matrix"),
        ("weights (SVG)", "svg", ".gca-matrix"),
        ("labels (PNG)", "png", ".gca-clouds"),
        ("labels (SVG)", "svg", ".gca-clouds"),
        ("data (CSV)", "csv", ""),
    ],
    "drifters": [
        ("flows (PNG)", "png", ".gca-matrix"),
        ("flows (SVG)", "svg", ".gca-matrix"),
        ("recall (PNG)", "png", ".gca-clouds"),
        ("recall (SVG)", "svg", ".gca-clouds"),
        ("data (CSV)", "csv", ""),
    ],
}
"""What can be saved: its name, its kind, and where it stands in the lab."""

U, V, K = (f'<span style="text-transform: none">{letter}</span>' for letter in "uvk")
"""Letters of the formula in a heading, which is in capitals."""
LABEL_OF = {"u|v": "image | label", "v|u": "label | image"}
TILTED = {"cosine": "cos(g(u), h(v)) / ε", "dot": "⟨g(u), h(v)⟩", "squared_euclidean": "−|g(u) − h(v)|²/2"}


# Digits -------------------------------------------------------------------------------------------------------------


def formula(scene: Scene) -> str:
    """The loss and the weights as HTML, with the current numbers in them."""
    state = scene.state
    weigh = "w<sub>i</sub> ∝ exp(s<sub>ij</sub>{})".format(" + f<sub>i</sub>" if "u|v" in state.half_steps else "")
    ess = f"{weigh},&ensp; 1/Σw² = <b>{scene.ess:.1f}</b>"
    if state.loss == "sinkhorn":
        return f"L = KL(pairs ∥ π),&ensp; π = exp(s<sub>ij</sub> + f<sub>i</sub> + h<sub>j</sub>);&ensp; {ess}"
    u, v = (f"<b>{weight:g}</b>" for weight in state.weights)
    return f"L = ½ ({u} L<sub>u|v</sub> + {v} L<sub>v|u</sub>),&ensp; s = ⟨g(u), h(v)⟩;&ensp; {ess}"


def pill(scene: Scene) -> tuple[str, str]:
    """Where you stand, and what it means."""
    name = LOSSES[scene.state.loss].split(",")[0]
    steps = {0: "", 1: " + a half-step", 2: " + half-steps"}[len(scene.state.half_steps)]
    told = FIT[tuple(sorted(scene.directions))]
    open_sides = {(): "one number", ("u",): "a function of the image", ("v",): "a function of the label"}
    left = open_sides.get(scene.free, "a function of each side")
    return f"{name}{steps}: {told}", f"the loss does not see {left} added to the scores"


FIT = {
    (): "fit for neither direction",
    ("u|v",): "fit to generate, not to classify",
    ("v|u",): "fit to classify, not to generate",
    ("u|v", "v|u"): "fit for both directions",
}
"""What scores are good for, by the directions in which they can be trusted."""


def ess_words(scene: Scene) -> str:
    """How many images the weights are those of."""
    count = int(scene.members.sum())
    said = f"the weights are those of <b>{scene.ess:.1f}</b> images out of {count}"
    own = f"<b>{100 * scene.precision:.0f} %</b> of the weight is on images of a {scene.state.label}"
    return f'<span role="status">{said}; {own}</span>'


def mean_words(scene: Scene) -> tuple[list[str], list[str]]:
    """Captions and names of the two mean images."""
    label = scene.state.label
    names = [
        f"weighted mean image for the label {label}, {scene.image_error:.2f} from the mean of the class",
        f"mean of the {int(scene.members.sum())} test images of a {label}",
    ]
    return [f"weighted mean, {scene.image_error:.2f} off", f"mean of all {label}s"], names


def heaviest_words(scene: Scene) -> tuple[list[str], list[str]]:
    """Captions and names of the heaviest images."""
    labels, shares = digits("test").labels, [scene.weights[k].item() for k in scene.heaviest]
    names = [
        f"test image {k}, a {int(labels[k])}, weight {share:.3f}"
        for k, share in zip(scene.heaviest, shares, strict=True)
    ]
    return [f"{share:.3f}" for share in shares], names


def image_words(scene: Scene) -> str:
    """What the model says of the image."""
    p = scene.probabilities[scene.guess].item()
    what = "your drawing" if scene.truth is None else f"test image {scene.state.image}, a {scene.truth}"
    verdict = "" if scene.truth is None else (" ✓" if scene.truth == scene.guess else " ✗")
    return f'<span role="status">{what}: says <b>{scene.guess}</b>{verdict}, probability <b>{p:.2f}</b></span>'


def measures_table(scene: Scene) -> str:
    """The model on all test images, as it is and as it is read now, as HTML."""
    rows: list[tuple[str, ...]] = [("all 500 test images", "as trained", "as read")]
    raw, now = scene.raw, scene.now
    for name, places in zip(Measures._fields, (3, 3, 1, 3, 3), strict=True):
        rows.append((READOUTS[name], *(f"{getattr(found, name):.{places}f}" for found in (raw, now))))
    return table(rows)


READOUTS = {
    "accuracy": "accuracy",
    "nll": "−log p, nats",
    "ess": "effective images",
    "precision": "weight on the label",
    "image_error": "mean image off by",
}
"""What each measure is called."""


def hint(scene: Scene) -> str:
    """What holds where you stand."""
    _, meaning = pill(scene)
    closed = [LABEL_OF[way] for way in LABEL_OF if way in scene.directions]
    rest = f"as they are read now, {' and '.join(closed)} can be trusted" if closed else "nothing can be trusted yet"
    return f"{meaning[0].upper()}{meaning[1:]}; {rest}."


def trained_words(seconds: float, seed: int) -> str:
    """How long the training took."""
    return f'<span role="status">trained in {seconds:.1f} s, seed {seed}</span>'


BUSY = '<span role="status">⏳ training, a few seconds …</span>'


# Drifters -----------------------------------------------------------------------------------------------------------


def flow_formula(scene: flows.Scene) -> str:
    """The score and the recall as HTML."""
    state, (to_flow, to_path) = scene.state, scene.curves
    prior = " + log p(u)" if state.prior else ""
    rank = f"rank u by s(u, v){prior},&ensp; s = {TILTED[state.tilting]}"
    return f"{rank};&ensp; R@1 = <b>{to_flow[0]:.3f}</b>, back <b>{to_path[0]:.3f}</b>"


def flow_pill(scene: flows.Scene) -> tuple[str, str]:
    """Where you stand, and what it means."""
    kind = "MAP" if scene.state.prior else "likelihood"
    count = "one drifter" if scene.state.tracers == 1 else f"{scene.state.tracers} drifters"
    return f"{count}: the true flow is number {scene.rank} by {kind}", "of 500 flows that the training has not seen"


def flow_hint(scene: flows.Scene) -> str:
    """How the answers come about."""
    if scene.state.prior:
        return (
            "Each of 500 flows is ranked by how well it explains the path, and by how common it is: the most probable."
        )
    return "Each of 500 flows is ranked by how well it explains the path, whether such flows are common or not."


def flow_words(scene: flows.Scene) -> str:
    """How far the answers are from the truth."""
    return (
        f"The weighted mean of 3000 flows (those of {scene.ess:.1f}) is {scene.errors[0]:.2f} from the true flow, the "
        f"first answer {scene.errors[1]:.2f}: mean square error of a coefficient, where knowing nothing is about 1."
    )


def recall_table(scene: flows.Scene) -> str:
    """R@1 and R@5 of both directions as HTML."""
    rows: list[Sequence[str]] = [("500 held-out pairs", "R@1", "R@5")]
    names = (
        '<span class="gca-rows-word">flow for a path ▬</span>',
        '<span class="gca-cols-word">path for a flow ╍</span>',
    )
    rows += [(name, f"{curve[0]:.3f}", f"{curve[4]:.3f}") for name, curve in zip(names, scene.curves, strict=True)]
    return table([*rows, ("chance ···", "0.002", "0.010")])


# Data ---------------------------------------------------------------------------------------------------------------


def as_csv(scene: Scene | flows.Scene) -> str:
    """The numbers on show as CSV, in full."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        _digit_rows(scene) if isinstance(scene, Scene) else _flow_rows(scene)
    )
    return text.getvalue()


def _digit_rows(scene: Scene) -> list[Sequence[Any]]:
    labels = digits("test").labels.tolist()
    rows: list[Sequence[Any]] = [("measure", "as trained", "as read")]
    rows += [(name, getattr(scene.raw, name), getattr(scene.now, name)) for name in Measures._fields]
    rows += [("label", "probability"), *enumerate(scene.probabilities.tolist())]
    rows.append(("image", "class", "weight"))
    return rows + [(k, labels[k], weight) for k, weight in enumerate(scene.weights.tolist())]


def _flow_rows(scene: flows.Scene) -> list[Sequence[Any]]:
    rows: list[Sequence[Any]] = [("k", "flow for a path", "path for a flow")]
    rows += [(k, *pair) for k, pair in enumerate(zip(*scene.curves, strict=True), 1)]
    rows.append(("flow", "error"))
    return rows + list(zip(["mean", *scene.answers], scene.errors, strict=True))


# The script ---------------------------------------------------------------------------------------------------------


def script(state: State) -> str:
    """A plain script that computes what is on show and draws it."""
    return _digit_script(state) if state.tab == "digits" else _flow_script(state)


def _digit_script(state: State) -> str:
    loss = ", ".join(f"{name}={value!r}" for name, value in state.library_loss.items())
    image = f"test.view1[{state.image}]"
    if state.drawing:
        image = f"torch.tensor([int(level, 17) / 16 for level in {state.drawing!r}])"
    return (
        "import torch\n"
        "\n"
        "import gca_playground as gca\n"
        "from gca_playground.views.crossmodal_figures import strips\n"
        "\n"
        'train, test = (gca.datasets.digit_pairs("label", split=split) for split in ("train", "test"))\n'
        f"model = gca.crossmodal.fit(train.view1, train.view2, {loss}, tilting='dot', encoders=('mlp', 'linear'),\n"
        f"                           dim=10, steps=300, batch=256, lr=0.003, seed={state.seed})\n"
        f"labels, image = torch.eye(10), {image}\n"
        "log_prior = gca.crossmodal.class_log_prior(train.labels, 10)\n"
        "library = model.score(train.view1, labels).double()\n"
        "to_generate = model.score(test.view1, labels).double()\n"
        "to_classify = model.score(image[None], labels).double()\n"
        f"{''.join(_half_step_line(state, way) for way in state.half_steps)}"
        f"weights = gca.crossmodal.generation_weights(to_generate)[:, {state.label}]\n"
        "probabilities = gca.crossmodal.class_probabilities(to_classify, log_prior=log_prior)[0]\n"
        "ess, guess = gca.crossmodal.effective_sample_size(weights), int(probabilities.argmax())\n"
        f'print(f"label {state.label}: the weights are those of {{ess:.4f}} images")\n'
        'print(f"image: {guess}, probability {probabilities[guess]:.4f}")\n'
        "heavy = weights.topk(10)\n"
        'captions = [f"{weight:.3f}" for weight in heavy.values]\n'
        f'strips({{"label {state.label}": (test.view1[heavy.indices], captions)}}).show()\n'
    )


def _half_step_line(state: State, way: str) -> str:
    name = {"u|v": "to_generate", "v|u": "to_classify"}[way]
    both = state.loss == "sinkhorn"
    options = ", library=library" if both or way == "v|u" else ""
    options += ", log_prior_v=log_prior" if both or way == "u|v" else ""
    return f"{name} = model.half_step({name}, direction={way!r}{options})\n"


def _flow_script(state: State) -> str:
    scores, j = f"model.score(data.test_u, data.test_v[[{state.path}]])", state.path
    return (
        "import torch\n"
        "\n"
        "import gca_playground as gca\n"
        "from gca_playground.learning.experiments import lagrangian\n"
        "from gca_playground.views.crossmodal_figures import flow_panels, streamfunctions\n"
        "\n"
        f"data = lagrangian.problem_for({state.tracers}, seed={state.seed})\n"
        f"model = lagrangian.model_for(data, tilting={state.tilting!r}, loss='two-sided', seed={state.seed})\n"
        f"log_prior = {'gca.crossmodal.log_kde(data.u, at=data.test_u)' if state.prior else None}\n"
        f"answers = gca.crossmodal.retrieve({scores}, 4, log_prior=log_prior)[0]\n"
        "scores = model.score(data.test_u, data.test_v)\n"
        "weights = gca.crossmodal.generation_weights(model.score(data.u, data.test_v).double())"
        f"[:, {j}]\n"
        "mean = gca.crossmodal.weighted_mean(weights, data.u)\n"
        f"error = (mean - data.test_u[{j}]).square().mean()\n"
        'print("R@1", gca.crossmodal.recall(scores, 1, log_prior=log_prior), "answers", answers.tolist())\n'
        'print(f"mean of the library: error {error:.4f}")\n'
        f"flows = streamfunctions(torch.stack([data.test_u[{j}], mean.to(data.u), *data.test_u[answers]]))\n"
        'flow_panels(flows, ["truth", "mean", "1st", "2nd", "3rd", "4th"]).show()\n'
    )
