"""Reading what a page has painted."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any

import numpy as np

READ = """(canvas) => {
    if (!canvas.width || !canvas.height) return [0, 0, ""];
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let text = "";
    for (let k = 0; k < data.length; k += 4096) text += String.fromCharCode(...data.subarray(k, k + 4096));
    return [canvas.height, canvas.width, btoa(text)];
}"""


def pixels(canvas: Any) -> np.ndarray:
    """The pixels (height, width, 4) of a canvas, given its locator."""
    rows, cols, data = canvas.evaluate(READ)  # nothing where it has no size
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(rows, cols, 4)


def comes_to_show(canvas: Any, colours: np.ndarray) -> bool:
    """Whether a canvas shows exactly these colours (height, width, 3), now or soon."""
    opaque = np.concatenate([colours, np.full((*colours.shape[:2], 1), 255, np.uint8)], axis=2)
    return _soon(lambda: np.array_equal(pixels(canvas), opaque))


def comes_to_hold(canvas: Any, colour: str) -> bool:
    """Whether some pixel of a canvas has this colour (#rrggbb), now or soon."""
    wanted = [*bytes.fromhex(colour[1:]), 255]
    return _soon(lambda: bool((pixels(canvas) == wanted).all(-1).any()))


def _soon(true: Callable[[], bool], within: float = 10.0) -> bool:
    end = time.monotonic() + within
    while not (now := true()) and time.monotonic() < end:
        time.sleep(0.05)
    return now
