"""The numbers of a coupling lab as a table: one row a point."""

from __future__ import annotations

import csv
import io
from itertools import zip_longest
from typing import Any

import numpy as np

from gca_playground.views.labs.scene import Scene

HEADS = (
    "index",
    "row_class",
    "column_class",
    "row_x",
    "row_y",
    "column_x",
    "column_y",
    "row_sum",
    "column_sum",
    "own_pair",
    "f",
    "g",
)
"""The columns: where point i of each view is drawn, the sums of P at it, P_ii, and the potentials in cost units."""


def as_csv(scene: Scene) -> str:
    """A scene as CSV, numbers in full; what a side does not have (labels, pairs, the points of the other) is blank."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADS)
    columns = _columns(scene)
    writer.writerows((k, *row) for k, row in enumerate(zip_longest(*columns, fillvalue="")))
    return text.getvalue()


def _columns(scene: Scene) -> list[list[Any]]:
    cloud, plan, matrix = scene.cloud, scene.plan, scene.matrix
    (at, at_w), own = cloud.ends, np.diagonal(matrix) if scene.paired else np.zeros(0)
    numbers = (*at.T, *at_w.T, matrix.sum(1), matrix.sum(0), own, plan.f.numpy(), plan.g.numpy())
    return [cloud.labels or [], cloud.labels_w or [], *(column.tolist() for column in numbers)]
