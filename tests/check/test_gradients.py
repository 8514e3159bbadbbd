"""The self-checks of notebook 08: each typical slip is told apart by what is said of it; they never raise."""

import pytest
import torch

import gca_playground as gca

# K half-steps -------------------------------------------------------------------------------------------------------


def half_steps(cost, epsilon, steps):
    """The plain loop, for autograd: log P, and the scalings on the way."""
    (n, m), kernel = cost.shape, torch.exp(-cost / epsilon)
    u, v = cost.new_ones(n), cost.new_ones(m)
    path = [(u, v)]
    for k in range(steps):
        u, v = (1 / (kernel @ v), v) if k % 2 == 0 else (u, n / m / (kernel.T @ u))
        path.append((u, v))
    return (u[:, None] * kernel * v).log(), path


def by_tape(cost, slope, epsilon, steps):
    cost = cost.requires_grad_()
    (half_steps(cost, epsilon, steps)[0] * slope).sum().backward()
    return cost.grad


def by_library(cost, slope, epsilon, steps):
    cost = cost.requires_grad_()
    (gca.solve(cost, epsilon=epsilon, steps=steps).log * slope).sum().backward()
    return cost.grad


def by_hand(cost, slope, epsilon, steps, *, at=None, back=None, keep=False, passing=-1.0, sign=1.0):
    """The recursion, and the ways to get it wrong."""
    kernel, path = torch.exp(-cost / epsilon), half_steps(cost, epsilon, steps)[1]
    fbar, gbar, inner = slope.sum(1), slope.sum(0), torch.zeros_like(cost)
    for k in back(steps) if back else range(steps, 0, -1):
        u, v = path[k - 1 if at is None else at]
        if k % 2:
            x = fbar / (kernel @ v)
            inner = inner + torch.outer(x, v)
            gbar, fbar = gbar + passing * v * (kernel.T @ x), fbar * keep
        else:
            y = gbar / (kernel.T @ u)
            inner = inner + torch.outer(u, y)
            fbar, gbar = fbar + passing * u * (kernel @ y), gbar * keep
    return (sign * kernel * inner - slope) / epsilon


@pytest.mark.parametrize("right", [by_tape, by_library, by_hand])
def test_right_adjoints(right):
    assert gca.check.adjoint(right).state == "right"


def slip(**options):
    return lambda *given: by_hand(*given, **options)


def limit(cost, slope, epsilon, steps):
    cost = cost.requires_grad_()
    (gca.solve(cost, epsilon=epsilon).log * slope).sum().backward()
    return cost.grad


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda *given: -by_hand(*given), "log P falls as the cost rises"),
        (lambda c, s, e, k: e * by_hand(c, s, e, k), "epsilon is missing"),
        (lambda c, s, e, k: -s / e, "only the direct part"),
        (limit, "the gradient of the converged plan"),
        (lambda c, s, e, k: limit(c, s, e, k) if k else -s / e, "the gradient of the converged plan"),
        (slip(at=-1), "every step saw the u and v of the end"),
        (slip(keep=True), "set it to 0"),
        (slip(back=lambda steps: range(steps, max(steps - 1, 0), -1)), "only the last half-step was"),
        (slip(back=lambda steps: range(steps, max(steps - 2, 0), -1)), "only the last two half-steps"),
        (slip(back=lambda steps: range(1, steps + 1)), "in reverse order"),
        (slip(passing=0.0), "what a step passes on"),
        (slip(passing=1.0), "a step lowers what it passes on"),
        (slip(sign=-1.0), "the half-steps' part is + K o (A B')"),
        (lambda c, s, e, k: by_hand(c, s, e, k) if k else 0 * c, "after 0 half-steps the gradient is off by 100%"),
        (lambda c, s, e, k: by_hand(c, s, e, k) * (1 + (k == 1)), "right up to 0 half-steps, but after 1"),
        (lambda c, s, e, k: by_hand(c, s, e, k) * (1 + (k == 2)), "take the column step back first"),
        (lambda c, s, e, k: by_hand(c, s, e, min(k, 3)), "right up to 3 half-steps, but after 6"),
        (lambda c, s, e, k: s.sum(1), "dL/dC has the cost's shape (6, 4), yours has (6,)"),
    ],
)
def test_wrong_adjoints_are_told_apart(wrong, reason):
    verdict = gca.check.adjoint(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why


# The limit ----------------------------------------------------------------------------------------------------------


def system(plan):
    upper = torch.cat([plan.sum(1).diag(), plan], 1)
    return torch.cat([upper, torch.cat([plan.T, plan.sum(0).diag()], 1)])


def implicit(plan, slope, epsilon, *, matrix=None, sign=1.0):
    n = len(plan)
    right = torch.cat([slope.sum(1), slope.sum(0)])
    both = torch.linalg.pinv(system(plan) if matrix is None else matrix) @ right
    return (sign * plan * (both[:n, None] + both[n:]) - slope) / epsilon


def by_least_squares(plan, slope, epsilon):
    n = len(plan)
    right = torch.cat([slope.sum(1), slope.sum(0)])
    both = torch.linalg.lstsq(system(plan), right, driver="gelsd").solution
    return (plan * (both[:n, None] + both[n:]) - slope) / epsilon


def from_a_cost(plan, slope, epsilon):
    cost = (-epsilon * plan.log()).requires_grad_()
    (gca.solve(cost, epsilon=epsilon, tol=1e-10).log * slope).sum().backward()
    return cost.grad


@pytest.mark.parametrize("right", [implicit, by_least_squares, from_a_cost])
def test_right_limits(right):
    assert gca.check.implicit_gradient(right).state == "right"


def one_block(plan, value):
    """The system with its columns' block, or its off-diagonal blocks, changed."""
    found, n = system(plan), len(plan)
    if value == "unit":
        found[n:, n:] = torch.eye(plan.shape[1])
        return found
    found[:n, n:] *= -1
    found[n:, :n] *= -1
    return found


def rows_only(plan, slope, epsilon):
    return (plan * (slope.sum(1) / plan.sum(1))[:, None] - slope) / epsilon


def cols_only(plan, slope, epsilon):
    return (plan * (slope.sum(0) / plan.sum(0)) - slope) / epsilon


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda *given: -implicit(*given), "the sign is turned round"),
        (lambda p, s, e: e * implicit(p, s, e), "epsilon is missing"),
        (lambda p, s, e: -s / e, "the direct part alone"),
        (rows_only, "only one side was corrected"),
        (cols_only, "only one side was corrected"),
        (lambda p, s, e: rows_only(p, s, e) + cols_only(p, s, e) + s / e, "corrected apart"),
        (lambda p, s, e: implicit(p, s, e, matrix=one_block(p, "unit")), "not the identity"),
        (lambda p, s, e: implicit(p, s, e, matrix=one_block(p, "minus")), "with a plus sign"),
        (lambda p, s, e: implicit(p, s, e, sign=-1.0), "the correction has the wrong sign"),
        (lambda p, s, e: implicit(p, s, e) + 1, "its rows and columns must sum to 0"),
        (lambda p, s, e: 2 * implicit(p, s, e), "rows and columns sum to 0; still it is off by 100%"),
        (lambda p, s, e: implicit(p, s, e) / 0, "the numbers blow up"),
        (lambda p, s, e: torch.linalg.inv(system(p) * 0), "LinAlgError: "),
        (lambda p, s, e: implicit(p, s, e).T, "dL/dC has the cost's shape (5, 7), yours has (7, 5)"),
    ],
)
def test_wrong_limits_are_told_apart(wrong, reason):
    verdict = gca.check.implicit_gradient(wrong)
    assert verdict.state == "wrong"
    assert reason in verdict.why
