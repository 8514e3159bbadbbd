"""The data and the work that the benchmarks measure."""

import torch
import torch.nn.functional as F
from torch import Tensor

import gca_playground as gca

BLOCK_BYTES = 2**20


def views(n: int, d: int = 64, *, noise: float = 0.5, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Pairs of unit vectors: w is z and ``noise`` times as long a random vector. They require gradients."""
    generator = torch.Generator().manual_seed(n)
    z = F.normalize(torch.randn(n, d, generator=generator, dtype=dtype), dim=-1)
    w = F.normalize(z + noise * F.normalize(torch.randn(n, d, generator=generator, dtype=dtype), dim=-1), dim=-1)
    return z.requires_grad_(), w.requires_grad_()


def cost_of(n: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """The cosine cost of ``views``."""
    return gca.cosine_cost(*(x.detach() for x in views(n, dtype=dtype)))


def hard_cases(n: int) -> dict[str, tuple[Tensor, float]]:
    """Costs in float64 on which the loop is slow, and their epsilon.

    Noisy pairs of directions; two samples of 20 narrow clusters on the sphere, of which no cluster has the same share
    in both; points in a disc and points in the square around it. The last two cost ``|x - y|^2``.
    """
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    centres = F.normalize(normal(20, 64), dim=-1)
    own = [centres[torch.randint(20, (n,), generator=generator)] for _ in range(2)]
    clusters = [F.normalize(centre + 0.3 * F.normalize(normal(n, 64), dim=-1), dim=-1) for centre in own]
    disc, square = F.normalize(normal(n, 2), dim=-1) * uniform(n, 1).sqrt(), 2 * uniform(n, 2) - 1
    return {
        "noisy pairs, eps .05": (cost_of(n, dtype=torch.float64), 0.05),
        "20 clusters, eps .1": (2 * gca.squared_euclidean_cost(*clusters), 0.1),
        "a disc and a square, eps .01": (2 * gca.squared_euclidean_cost(disc, square), 0.01),
    }


def forget(*tensors: Tensor) -> None:
    """No gradient is kept from one run to the next."""
    for tensor in tensors:
        tensor.grad = None


def infonce(z: Tensor, w: Tensor, *, epsilon: float = 0.1, symmetric: bool = False) -> Tensor:
    """InfoNCE as one writes it in torch."""
    scores = F.normalize(z, dim=-1) @ F.normalize(w, dim=-1).mT / epsilon
    own = torch.arange(len(z), device=z.device)
    if symmetric:
        return (F.cross_entropy(scores, own) + F.cross_entropy(scores.mT, own)) / 2
    return F.cross_entropy(scores, own)


def through_logsumexp(z: Tensor, w: Tensor, *, steps: int, epsilon: float = 0.1) -> Tensor:
    """GCA-INCE as one writes it first: a tape through every log-sum-exp."""
    scores = F.normalize(z, dim=-1) @ F.normalize(w, dim=-1).mT / epsilon
    f, g = scores.new_zeros(len(z)), scores.new_zeros(len(w))
    for k in range(steps):
        if k % 2 == 0:
            f = -(scores + g).logsumexp(1)
        else:
            g = -(scores + f[:, None]).logsumexp(0)
    return -(scores.diagonal() + f + g).mean()


def from_potentials(z: Tensor, w: Tensor, *, steps: int, epsilon: float = 0.1, method: str = "auto") -> Tensor:
    """GCA-INCE read off the potentials: the mean of ``C_ii / epsilon - log u_i - log v_i``."""
    plan = gca.solve(gca.CosineCost(z, w), epsilon=epsilon, steps=steps, method=method)
    own = plan.problem.source.partners(torch.arange(len(z), device=z.device))
    return (own / epsilon - plan.log_u - plan.log_v).mean()


def block_pass(z: Tensor, w: Tensor, *, epsilon: float = 0.1, laid_out: bool = False) -> None:
    """The least that one passage over a kernel costs that is not kept: its products and its exponentials, by blocks.

    ``laid_out``: with the second view's transpose copied once, where products are faster.
    """
    p, turned = (z.detach() / epsilon), w.detach().mT
    turned = turned.contiguous() if laid_out else turned
    rows = max(64, BLOCK_BYTES // (len(w) * w.element_size()))
    buffer = p.new_empty(min(rows, len(p)), len(w))
    for part in p.split(rows):
        torch.mm(part, turned, out=buffer[: len(part)]).exp_()


def soft_iterations(cost: Tensor, *, epsilon: float, rho: float, tol: float, most: int) -> tuple[int, Tensor]:
    """Plain iterations with soft marginals (masses 1) until the potentials move by ``tol`` epsilon; and the plan."""
    kernel, power = (-cost / epsilon).exp(), rho / (rho + epsilon)
    u, v = torch.ones_like(cost[:, 0]), torch.ones_like(cost[0])
    for k in range(1, most + 1):
        new_u = (kernel @ v).reciprocal().pow(power)
        new_v = (kernel.mT @ new_u).reciprocal().pow(power)
        moved = max((new_u / u).log().abs().amax().item(), (new_v / v).log().abs().amax().item())
        u, v = new_u, new_v
        if moved <= tol:
            return k, u[:, None] * kernel * v
    return most, u[:, None] * kernel * v
