"""Reading what a page has painted."""

from __future__ import annotations

import base64
import time
from typing import Any

import numpy as np

READ = """(canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let text = "";
    for (let k = 0; k < data.length; k += 4096) text += String.fromCharCode(...data.subarray(k, k + 4096));
    return [canvas.height, canvas.width, btoa(text)];
}"""


def pixels(canvas: Any) -> np.ndarray:
    """The pixels (height, width, 4) of a canvas, given its locator."""
    rows, cols, data = canvas.evaluate(READ)
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(rows, cols, 4)


def comes_to_show(canvas: Any, colours: np.ndarray, *, within: float = 10.0) -> bool:
    """Whether a canvas shows exactly these colours (height, width, 3), now or soon."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        painted = pixels(canvas)
        if painted.shape[:2] == colours.shape[:2] and np.array_equal(painted[..., :3], colours):
            return bool((painted[..., 3] == 255).all())
        time.sleep(0.05)
    return False
