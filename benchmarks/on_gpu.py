"""S9: the same on a GPU, where there is one: FlashSinkhorn's iteration, torch's InfoNCE and Inf-CL's."""

import peers
import torch
import work
from measure import Act, interleaved
from rows import Clock, Row, absent, faster, slower

import gca_playground as gca


def gpu(clock: Clock) -> list[Row]:
    """S9: the same on a GPU, where there is one."""
    if not torch.cuda.is_available():
        return [Row("S9", "on a GPU", "not measured: no GPU here", "", "")]
    rows = []
    for n in (64,) if clock.quick else (4096, 10240):
        z, w = (x.detach().cuda() for x in work.views(n))
        cost = gca.SquaredEuclideanCost(z, w)
        acts = {"ours": synchronised(lambda cost=cost: gca.solve(cost, epsilon=0.1, steps=200))}
        if peers.installed("FlashSinkhorn"):
            acts["FlashSinkhorn"] = synchronised(peers.flash_sinkhorn(z, w, epsilon=0.1, iterations=100))
        times, what = interleaved(acts, rounds=clock.rounds(15)), f"100 iterations, d 64, n {n}, on the GPU"
        rows += faster(clock._replace(name="wall"), "S9", what, times, {"FlashSinkhorn": 1.0})
        rows += absent("S9", what, "FlashSinkhorn")
    return rows + _gpu_gradient(clock._replace(name="wall"))


def _gpu_gradient(clock: Clock) -> list[Row]:
    n = 64 if clock.quick else 4096
    z, w = (x.detach().cuda().requires_grad_() for x in work.views(n))
    losses = {"gca.loss": lambda: gca.loss("gca-ince", epsilon=0.1, steps=40)(z, w)}
    losses["cross_entropy InfoNCE"] = lambda: work.infonce(z, w)
    if peers.installed("Inf-CL"):
        losses["Inf-CL"] = lambda: peers.inf_cl(z, w, epsilon=0.1)
    acts = {name: synchronised(lambda loss=loss: loss().backward()) for name, loss in losses.items()}
    times, what = interleaved(acts, rounds=clock.rounds(15)), f"GCA-INCE forward and backward, n {n}, on the GPU"
    rows = slower(clock, "S9", what, times, {"cross_entropy InfoNCE": 1.5})
    rest = {name: spent for name, spent in times.items() if name != "cross_entropy InfoNCE"}
    return rows + faster(clock, "S9", what, rest, {}) + absent("S9", what, "Inf-CL")


def synchronised(act: Act) -> Act:
    """The act, and the wait until the GPU has done it."""

    def whole() -> None:
        act()
        torch.cuda.synchronize()

    return whole
