"""How a self-check calls a function, and what it says of one that reads the notebook instead of its arguments."""

import functools

import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground.check.outside import taken_from_outside

n, epsilon, T = 32, 0.1, torch.eye(32)
"""What a notebook has lying about."""

HALF_STEPS = 4000
"""A constant of one's own: meant to be taken from outside."""


def softmax(cost, epsilon):
    return torch.softmax(-cost / epsilon, 1)


# Names ---------------------------------------------------------------------------------------------------------------


def with_n(cost, T, epsilon):
    return (T - softmax(cost, epsilon)) / (n * epsilon)


def with_epsilon(cost, T, temperature):
    return (T - softmax(cost, epsilon)) / (len(cost) * epsilon)


def through_another(cost, T, epsilon):
    return with_n(cost, T, epsilon)


def within(cost, T, epsilon):
    return sum(row / (len(cost) * epsilon) for row in [T - softmax(cost, epsilon)]) * (lambda: n)() / len(cost)


def forever(cost, T, epsilon):
    return forever(cost, T, epsilon) if n < 0 else with_n(cost, T, epsilon)


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (with_n, "takes n from the notebook, where it is something else"),
        (with_epsilon, "takes epsilon from the notebook"),
        (through_another, "takes n from the notebook"),
        (within, "takes n from the notebook"),
        (forever, "takes n from the notebook"),
        (
            lambda cost, target, e: (T[:6, :6] - softmax(cost, e)) / (n * e),
            "takes T and n from the notebook, where they",
        ),
    ],
)
def test_what_is_taken_from_the_notebook_is_named(answer, names):
    verdict = gca.check.infonce_gradient(answer)
    assert verdict.state == "wrong"
    assert names in verdict.why
    assert verdict.why.endswith("inside, use only what the function is given")


def own_names(cost, target, epsilon):
    transposed = cost.T  # an attribute, no name
    n = len(transposed)
    return (target - softmax(cost, epsilon)) / n + 0 * HALF_STEPS


@pytest.mark.parametrize(
    "answer",
    [own_names, lambda cost, target, e: cost.T, functools.partial(own_names), np.mean, torch.eye(2), "far", max],
)
def test_nothing_is_said_of_attributes_constants_functions_and_other_things(answer):
    assert taken_from_outside(answer) == ""
    assert "notebook" not in gca.check.infonce_gradient(answer).why


def test_a_right_answer_may_take_what_it_likes():
    assert gca.check.infonce_gradient(lambda c, t, e: (t - softmax(c, e)) / (len(c) * e) + 0 * n).state == "right"


# A number that was written into an answer ----------------------------------------------------------------------------


def at(value):
    """An answer that takes every plan at one epsilon, one of the notebook's, whatever it is given."""

    def gradient(cost, slope, epsilon, steps):
        cost = cost.requires_grad_()
        return torch.autograd.grad((gca.solve(cost, epsilon=value, steps=steps).log * slope).sum(), cost)[0]

    def limit(P, slope, epsilon):
        block = torch.cat([torch.cat([P.sum(1).diag(), P], 1), torch.cat([P.T, P.sum(0).diag()], 1)])
        both = torch.linalg.pinv(block) @ torch.cat([slope.sum(1), slope.sum(0)])
        return (P * (both[: len(P), None] + both[len(P) :]) - slope) / value

    def plan(cost, epsilon, which):
        knobs = {"U(1)": {"total": True}, "U(a)": {"cols": gca.FREE}, "U(a,b)": {}}[which]
        return gca.solve(cost, epsilon=value, **knobs).matrix

    def half_step(cost, g, log_a, epsilon):
        return value * (log_a - ((g - cost) / value).logsumexp(1))

    def sinkhorn(cost, epsilon, steps):
        found = gca.solve(cost, epsilon=value, steps=steps)
        return found.f, found.g

    def infonce(cost, epsilon):
        return -torch.log_softmax(-cost / value, 1).diagonal().mean()

    def nt_xent(z, w, epsilon):
        return gca.loss("nt-xent", epsilon=value)(z, w)

    return {
        "adjoint": gradient,
        "implicit_gradient": limit,
        "three_plans": plan,
        "half_step": half_step,
        "sinkhorn": sinkhorn,
        "infonce": infonce,
        "nt_xent": nt_xent,
    }


@pytest.mark.parametrize("name", at(0.1))
@pytest.mark.parametrize("value", [0.05, 0.1, 0.2, 0.3, 0.5])
def test_an_epsilon_that_is_written_into_an_answer_shows(name, value):
    assert getattr(gca.check, name)(at(value)[name]).state == "wrong"


def test_an_epsilon_that_is_not_used_is_not_taken_for_an_underflow():
    for name, value in (("half_step", 0.3), ("sinkhorn", 0.2)):
        assert gca.check.__dict__[name](at(value)[name]).why.endswith("epsilon is not used")


# The way of calling --------------------------------------------------------------------------------------------------


def by_names(*, z, w):
    return ((z[:, None] - w) ** 2).sum(-1) / 2


def by_names_turned(*, w, z):
    return by_names(z=z, w=w)


def half_by_names(z, *, w):
    return by_names(z=z, w=w)


def by_other_names(first, *, second):
    return by_names(z=first, w=second)


def by_two_other_names(*, first, second):
    return by_names(z=first, w=second)


def with_options(z, w, *, half=0.5):
    return 2 * half * by_names(z=z, w=w)


class Callable:
    def __call__(self, z, w):
        return by_names(z=z, w=w)


@pytest.mark.parametrize(
    "answer",
    [
        by_names,
        by_names_turned,
        half_by_names,
        by_other_names,
        by_two_other_names,
        with_options,
        Callable(),
        functools.partial(by_names),
        lambda z, w: (z.sub_(0)[:, None] - w.mul_(1)).square_().sum(-1).div_(2),
        lambda z, w: by_names(z=z.float(), w=w.float()),
        lambda z, w: [[float(((a - b) ** 2).sum()) / 2 for b in w] for a in z],
        lambda z, w: np.array([[0.5 * np.linalg.norm(a - b) ** 2 for b in w.numpy()] for a in z.numpy()]),
    ],
)
def test_a_right_answer_may_be_written_in_many_ways(answer):
    assert gca.check.cost_matrix(answer).state == "right"


@pytest.mark.parametrize("answer", [lambda *, z: z, lambda *, z, w, v: z, lambda z: z, lambda z, w, *, v: z])
def test_other_parameters_are_told_with_what_they_were_called_with(answer):
    why = gca.check.cost_matrix(answer).why
    assert "your function raised TypeError" in why
    assert "It was called with z (5, 3), w (7, 3)" in why
