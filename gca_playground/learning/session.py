"""A training one can step, pause, change, take back and keep."""

from __future__ import annotations

import copy
import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gca_playground._boundary import as_count
from gca_playground.alignment import Loss
from gca_playground.learning import checkpoint, origin
from gca_playground.learning.history import History
from gca_playground.learning.laws import as_device, as_rows, generator, known, own_chance
from gca_playground.learning.objective import Batch, Objective, objective
from gca_playground.learning.pace import KNOBS, Pace
from gca_playground.learning.pairs import Pairs
from gca_playground.learning.probe import measure, probe
from gca_playground.learning.split import for_training, split
from gca_playground.learning.towers import build, judging, modes_of, set_modes
from gca_playground.transport import Plan

USUAL_BATCH = 128
FIXED = {"data", "loss", "encoder", "dim", "sphere", "head", "seed", "device", "measure_every", "test"}
"""Arguments that are no knobs."""


class TrainingSession:
    """An embedding that learns, step by step.

    Given:
        data: a data set's name, or ``Pairs`` from ``datasets.load`` or ``datasets.from_arrays``.
        loss: a name with its ``knobs``; an ``Alignment``; a module or function (z, w) -> scalar.
        encoder: "mlp", "linear", "cnn", a torch module of which a copy is trained, each part in the mode it is in (a
            frozen part in ``eval()`` stays there), or a pair of them for two views of different kinds.
        dim: of the embedding (None: 2, or the module's). sphere: embeddings of length 1, on the circle at dim 2 and
            the sphere at 3; False: anywhere. head: the width of a small network between the embedding and the loss,
            thrown away afterwards; None: the loss sees the embedding.
        lr, batch, decay: see ``Pace``; batch None: 128, or all points where there are fewer.
        seed: decides weights, order of the data and views, each from a stream of its own: two losses share all three;
            and what a given module draws at a step, in dropout say.
        device: where the networks live. measure_every: steps between two rows of the history; None: none.
        test: ``Pairs`` to judge on; None: see ``split.split``.

    ``encoder``, ``history``, ``steps`` (taken so far), ``loss`` (the module), ``pace``, ``data`` are there to be read.
    Raises: TypeError, ValueError that name the law and the value.
    """

    def __init__(
        self,
        data: object,
        *,
        loss: object = "infonce",
        encoder: object = "mlp",
        dim: int | None = None,
        sphere: bool = True,
        head: int | None = None,
        lr: float = 5e-3,
        batch: int | None = None,
        decay: int | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
        measure_every: int | None = 20,
        test: Pairs | None = None,
        **knobs: Any,
    ) -> None:
        self.seed = as_count(seed, name="seed", least=0)
        self.data = for_training(data)
        self.device = as_device(device)
        self.test = test
        self.split = split(self.data, test, seed=self.seed)
        points = len(self.split.rows)
        usual = min(USUAL_BATCH, points)
        self.pace = Pace(lr=lr, batch=usual if batch is None else batch, decay=decay).fitting(points)
        self.measure_every = None if measure_every is None else as_count(measure_every, name="measure_every", least=1)
        self.objective = objective(loss, **knobs)
        self.objective.check(self.data)
        self.objective.module.to(self.device)
        self.shape = {"dim": dim, "sphere": sphere, "head": head}
        self.towers, self.encoder_name = build(self.data, encoder, **self.shape, seed=self.seed)  # type: ignore[arg-type]
        self.towers.to(self.device)
        self._modes = modes_of(self.towers)
        self.probe = probe(self.split, batch=usual, seed=self.seed).to(self.device)
        self.optimiser = torch.optim.Adam(self._parameters(), lr=self.pace.lr)
        self.steps, self.history, self.interrupted = 0, History(), False
        self._changes: dict[str, Any] = {}
        self._order, self._views = (generator(self.seed, stream) for stream in ("training order", "training views"))
        self._measure_now_and_then()
        self.origin = origin.origin_of(self)
        self._start = self.snapshot()

    # ------------------------------------------------------------------------------------------ what there is

    @property
    def encoder(self) -> nn.Module:
        """The trained encoder of the first views, and of both where they share one."""
        return self.towers.first

    @property
    def loss(self) -> nn.Module:
        """The loss as a module."""
        return self.objective.module

    @property
    def loss_name(self) -> str:
        """What to call the loss."""
        return self.objective.name

    @property
    def first_objective(self) -> Objective:
        """The loss as it was at step 0."""
        return self._start["objective"]

    @torch.no_grad()
    def embed(self, x: object, *, view: int = 1) -> Tensor:
        """Points (n, d) to embeddings (n, dim) on the CPU, by the encoder of first or second views (``view`` 1, 2).

        Raises: TypeError for what is no array, ValueError for a shape that is not that of the view.
        """
        if view not in (1, 2):
            raise ValueError(f"view must be 1 or 2, got {view!r}")
        shown = self.data.view1 if view == 1 else self.data.view2
        points = as_rows(x, name="x", width=shown.shape[1]).to(self.device, torch.float32)
        with judging(self.towers):
            return (self.towers.first if view == 1 else self.towers.second)(points).cpu()

    @torch.no_grad()
    def plan(self) -> Plan | None:
        """The plan of the fixed batch ``probe.batch`` as the loss sees it; None for a loss without a plan."""
        with judging(self.towers):
            z, w = self.towers(self.probe.batch.view1, self.probe.batch.view2)
        return self.objective.plan(z, w, self.probe.batch)

    def measure(self) -> dict[str, float]:
        """The numbers of the history, taken now; the history stays as it is."""
        return measure(self.towers, self.objective, self.probe)

    def record(self) -> None:
        """Measure now and keep the numbers in the history."""
        self.history.record(self.steps, self.measure())

    # ------------------------------------------------------------------------------------------ what it does

    def step(self, k: int = 1) -> float:
        """Take k steps of the optimiser and return the loss of the last one's batch.

        Raises: ValueError where the loss is no longer finite, before the weights follow it.
        """
        for _ in range(as_count(k, name="k", least=1)):
            self.history.losses.append(self._advance())
            self.steps += 1
            self._measure_now_and_then()
        return self.history.losses[-1]

    def change(self, **knobs: Any) -> None:
        """Change knobs from the next step on: ``lr``, ``batch``, ``decay``, and whatever the loss knows.

        Nothing changes where one of them is refused. Raises: TypeError, ValueError that name the law and the value.
        """
        pace = {name: value for name, value in knobs.items() if name in KNOBS}
        rest = {name: value for name, value in knobs.items() if name not in KNOBS}
        new_pace = replace(self.pace, **pace).fitting(len(self.split.rows))
        fixed = FIXED & rest.keys()
        if fixed:
            raise ValueError(f"{min(fixed)} is decided when a session is made: it cannot change while that runs")
        if rest:
            new = self.objective.change(**rest)
            new.check(self.data)
            self._exchange(new)
        self.pace, self._changes = new_pace, self._changes | rest

    def reset(self) -> None:
        """Back to step 0: first weights, first batch, first views. Knobs stay where they are now."""
        pace, changes = self.pace, self._changes
        self.restore(self._start)
        self.change(**asdict(pace), **changes)
        if changes:
            self._measure_now_and_then()

    def snapshot(self) -> dict[str, Any]:
        """Everything that the next steps depend on, as copies: weights, optimiser, streams, knobs, history."""
        return {"origin": self.origin, "objective": self.objective.clone(), "state": copy.deepcopy(self.state())}

    def restore(self, snapshot: object) -> None:
        """Back to a ``snapshot`` of this session, or of one made alike: the steps from there are the same, to the bit.

        Nothing changes where it is refused. Raises: TypeError for what is no snapshot; ValueError for that of a session
        with other data, losses, networks or seed.
        """
        if not isinstance(snapshot, dict) or not {"origin", "objective", "state"} <= snapshot.keys():
            raise TypeError(f"restore takes what snapshot returned, got {snapshot!r:.60}")
        origin.check(snapshot, self, what="snapshot")
        self._exchange(snapshot["objective"].clone())
        self.load_state(snapshot["state"])

    def state(self) -> dict[str, Any]:
        """Tensors and plain values that ``load_state`` reads; shared with the session, not copied."""
        return {
            "steps": self.steps,
            "pace": asdict(self.pace),
            "changes": dict(self._changes),
            "towers": self.towers.state_dict(),
            "loss": self.objective.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "order": self._order.get_state(),
            "views": self._views.get_state(),
            "history": self.history.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` told."""
        state = copy.deepcopy(state)
        self.towers.load_state_dict(state["towers"])
        self.objective.module.load_state_dict(state["loss"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._order.set_state(state["order"])
        self._views.set_state(state["views"])
        self.steps, self.pace, self._changes = state["steps"], Pace(**state["pace"]), state["changes"]
        self.history = History.from_state(state["history"])

    def save(self, path: str | Path) -> None:
        """Keep the session in a file that ``load`` reads without running any code in it.

        Raises: OSError where it cannot be written, a FileNotFoundError where its folder is missing.
        """
        checkpoint.save(self, Path(path))

    @classmethod
    def load(cls, path: str | Path, *, device: str | torch.device = "cpu", **given: object) -> TrainingSession:
        """The session that ``save`` kept: its next steps are those that it would have taken.

        Given: what had no name and so is not in the file: ``data``, ``test`` (arrays), ``loss`` (a function),
        ``encoder`` (a module). Raises: ValueError for a file that is no checkpoint, where something is missing or not
        needed, and for arrays with other numbers or modules of other shapes than the training had; OSError where there
        is no file.
        """
        for name in given:
            known("part of a session", name, ("data", "loss", "encoder", "test"))
        written = checkpoint.read(Path(path))
        parts = dict.fromkeys(("data", "loss", "encoder", "test")) | given
        session = cls(**checkpoint.arguments(written, parts), device=device)
        origin.check(written, session, what="checkpoint", unasked=checkpoint.GIVEN_AGAIN)
        session.change(**written["state"]["changes"])
        session.load_state(written["state"])
        return session

    def __repr__(self) -> str:
        return f"TrainingSession({self.loss_name} on {self.data!r}, {self.steps} steps)"

    # ------------------------------------------------------------------------------------------ how

    def _advance(self) -> float:
        rows = self.split.rows
        # All of the permutation is drawn whatever the batch, so that changing it leaves the stream in step.
        batch = rows[torch.randperm(len(rows), generator=self._order)[: self.pace.batch]]
        given = Batch.of(self.data, batch, self.data.views(batch, self._views)).to(self.device)
        set_modes(self._modes)
        with torch.enable_grad(), self._chance():
            z, w = self.towers(given.view1, given.view2)
            loss = self.objective.value(z, w, given)
        if not loss.requires_grad:
            raise ValueError("the loss must depend on what learns: it has no gradient for encoders or for itself")
        self.optimiser.zero_grad()
        loss.backward()
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(f"the loss is {value} at step {self.steps}: a smaller lr or a larger epsilon may help")
        for group in self.optimiser.param_groups:
            group["lr"] = self.pace.rate(self.steps)
        self.optimiser.step()
        return value

    def _measure_now_and_then(self) -> None:
        if self.measure_every is not None and self.steps % self.measure_every == 0:
            self.record()

    def _chance(self) -> AbstractContextManager[None]:
        """For what a user's own module draws from torch's global streams; of ours none does."""
        if self.encoder_name is not None and isinstance(self.loss, Loss):
            return nullcontext()
        return own_chance(self.seed, f"chance of step {self.steps}", self.device)

    def _parameters(self) -> list[nn.Parameter]:
        found = [*self.towers.parameters(), *self.objective.module.parameters()]
        if not any(parameter.requires_grad for parameter in found):
            raise ValueError("there is nothing to learn: no parameter of encoders or loss asks for a gradient")
        return found

    def _exchange(self, new: Objective) -> None:
        """Another loss with the same parameters by shape; Adam's memory goes over to them."""
        new.module.to(self.device)
        memory = self.optimiser.state_dict()
        self.objective = new
        self.optimiser = torch.optim.Adam(self._parameters(), lr=self.pace.lr)
        self.optimiser.load_state_dict(memory)
