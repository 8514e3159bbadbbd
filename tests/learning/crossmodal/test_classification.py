import math
import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy, one_hot

import gca_playground as gca

cm = gca.crossmodal
DRAW = torch.Generator().manual_seed(2)
CENTRES = torch.tensor([[2.0, 0.0], [-1.0, 1.5], [-1.0, -1.5]])
LABELS = torch.randint(3, (90,), generator=DRAW)
Z = CENTRES[LABELS] + 1.2 * torch.randn(90, 2, generator=DRAW)


def test_cross_entropy_is_the_loss_v_given_u_on_a_network_and_one_hot_labels() -> None:
    # Proposition 6.1, with one pair of each label, so that the labels of the batch are all labels.
    logits = torch.randn(4, 4, generator=DRAW, dtype=torch.float64)
    labels = torch.randperm(4, generator=DRAW)
    record = cm.alignment_for("v|u", tilting="dot", epsilon=1.0)
    contrastive = record(logits, one_hot(labels, 4).double())
    torch.testing.assert_close(contrastive, cross_entropy(logits, labels), atol=1e-12, rtol=0)
    other_side = cm.alignment_for("u|v", tilting="dot", epsilon=1.0)(logits, one_hot(labels, 4).double())
    assert abs(other_side - contrastive) > 0.01


def test_a_batch_with_repeated_labels_holds_their_shares_as_a_prior() -> None:
    logits = torch.randn(90, 3, generator=DRAW, dtype=torch.float64)
    record = cm.alignment_for("v|u", tilting="dot", epsilon=1.0)
    contrastive = record(logits, one_hot(LABELS, 3).double())
    log_prior = cm.class_log_prior(LABELS, 3)
    # Less the log of how often a label stands in the batch: the share of one pair among those of its label.
    expected = cross_entropy(logits + log_prior, LABELS) + (log_prior[LABELS] + math.log(90)).mean()
    torch.testing.assert_close(contrastive, expected, atol=1e-12, rtol=0)


def test_the_shares_of_the_classes() -> None:
    found = cm.class_log_prior(np.array([0, 0, 2, 0]), 4).exp()
    torch.testing.assert_close(found, torch.tensor([0.75, 0, 0.25, 0], dtype=torch.float64))


def test_class_probabilities_are_a_law_of_each_row() -> None:
    s = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    assert cm.class_probabilities(s).argmax(1).tolist() == [1, 0]
    assert cm.class_probabilities(s, log_prior=[9.0, 0.0]).argmax(1).tolist() == [0, 0]


def test_fine_tuning_is_logistic_regression() -> None:
    tuned = cm.fine_tune(Z, LABELS, penalty=2.0)
    other = LogisticRegression(C=1 / 2.0, tol=1e-10, max_iter=10_000).fit(Z.double().numpy(), LABELS.numpy())
    assert tuned.converged
    expected = torch.tensor(other.predict_proba(Z.double().numpy()))
    torch.testing.assert_close(tuned.probabilities(Z), expected, atol=1e-4, rtol=0)
    assert tuned.log_prior.exp().sum().item() == pytest.approx(1)
    assert tuned.loss == pytest.approx(cross_entropy(tuned.score(Z) + tuned.log_prior, LABELS).item())


def test_the_penalty_holds_the_vectors_at_the_start() -> None:
    zero_shot = 3 * CENTRES
    held, free = (cm.fine_tune(Z, LABELS, start=zero_shot, penalty=p) for p in (1e6, 0.1))
    torch.testing.assert_close(held.vectors, zero_shot.double(), atol=1e-3, rtol=0)
    assert (free.vectors - zero_shot).abs().max() > 0.1
    assert free.loss < held.loss
    prior_alone = cross_entropy(held.score(Z) + held.log_prior, LABELS)
    nudged = cross_entropy(held.score(Z) + held.log_prior + torch.tensor([0.05, 0, 0]), LABELS)
    assert prior_alone < nudged  # the log-priors are free of the penalty, and at their best


def test_the_temperature_is_a_scale_of_the_vectors() -> None:
    one, tenth = (cm.fine_tune(Z, LABELS, epsilon=epsilon) for epsilon in (1.0, 0.1))
    torch.testing.assert_close(tenth.vectors, 0.1 * one.vectors, atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(tenth.probabilities(Z), one.probabilities(Z), atol=1e-4, rtol=0)


def fitted(z: torch.Tensor, labels: torch.Tensor, *, parted: bool) -> cm.FineTuned:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tuned = cm.fine_tune(z, labels, penalty=0)
    assert [one.category for one in told] == ([gca.ConvergenceWarning] if parted else [])
    assert tuned.converged != parted
    return tuned


def is_parted(z: torch.Tensor, labels: torch.Tensor) -> bool:
    """Whether a linear program finds logits of which no label's is below another's, and some are above."""
    x, kinds = torch.cat([z, torch.ones(len(z), 1)], 1).double(), torch.arange(int(labels.max()) + 1)
    own, other = one_hot(labels, len(kinds)).double()[:, None], torch.eye(len(kinds), dtype=torch.float64)
    margins = ((own - other)[..., None] * x[:, None, None]).flatten(2).flatten(0, 1).numpy()
    best = linprog(-margins.sum(0), A_ub=-margins, b_ub=np.zeros(len(margins)), bounds=(-1, 1))
    return bool(best.fun < -1e-6)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_labels_that_a_plane_parts_have_no_minimum_without_a_penalty(scale: float) -> None:
    line = scale * torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    fitted(line, torch.tensor([0, 0, 1, 1]), parted=True)
    fitted(line, torch.tensor([0, 1, 0, 1]), parted=False)
    shared = scale * torch.tensor([[-2.0], [0.0], [0.0], [2.0]])
    fitted(shared, torch.tensor([0, 0, 1, 1]), parted=True)  # all but the point that both classes hold
    assert cm.fine_tune(line, torch.tensor([0, 0, 1, 1]), penalty=1e-3).converged


def test_whether_there_is_a_minimum_is_what_a_linear_program_says() -> None:
    draw, seen = torch.Generator().manual_seed(7), []
    for distance in (0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0):
        for classes in (2, 3):
            labels = torch.arange(30) % classes
            z = distance * CENTRES[labels] + torch.randn(30, 2, generator=draw)
            seen.append(is_parted(z, labels))
            fitted(z, labels, parted=seen[-1])
    assert 3 <= sum(seen) <= len(seen) - 3


def test_one_wrong_label_among_parted_ones_makes_a_minimum() -> None:
    z = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    labels = (z[:, 0] > 0).long()
    fitted(z, labels, parted=True)
    labels[z[:, 0].argmax()] = 0
    tuned = fitted(z, labels, parted=False)
    more = cross_entropy(1.01 * (tuned.score(z) + tuned.log_prior), labels)
    less = cross_entropy(0.99 * (tuned.score(z) + tuned.log_prior), labels)
    assert tuned.loss < min(more, less)


@pytest.mark.parametrize("scale", [1e-4, 0.01, 100.0, 1e4])
@pytest.mark.parametrize("penalty", [1.0, 0.01])
def test_the_units_of_the_embeddings_are_a_scale_of_the_vectors(scale: float, penalty: float) -> None:
    z = Z.double()
    one, other = cm.fine_tune(z, LABELS, penalty=penalty), cm.fine_tune(scale * z, LABELS, penalty=penalty * scale**2)
    assert one.converged and other.converged
    torch.testing.assert_close(scale * other.vectors, one.vectors, atol=1e-5, rtol=0)
    torch.testing.assert_close(other.log_prior, one.log_prior, atol=1e-5, rtol=0)
    assert other.loss == pytest.approx(one.loss, abs=1e-7)


def test_the_origin_of_the_embeddings_goes_into_the_log_priors() -> None:
    here, there = cm.fine_tune(Z.double(), LABELS), cm.fine_tune(Z.double() + 100, LABELS)
    torch.testing.assert_close(there.vectors, here.vectors, atol=1e-5, rtol=0)
    torch.testing.assert_close(there.probabilities(Z.double() + 100), here.probabilities(Z), atol=1e-5, rtol=0)
    same = cm.fine_tune(torch.full((90, 2), 0.1), LABELS)  # one point, where rounding is all that tells rows apart
    assert same.converged and not same.vectors.any()
    torch.testing.assert_close(same.log_prior, cm.class_log_prior(LABELS, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_without_a_penalty_the_words_do_not_depend_on_units(scale: float) -> None:
    tuned = fitted(scale * Z.double(), LABELS, parted=is_parted(Z, LABELS))
    assert tuned.loss == pytest.approx(cm.fine_tune(Z, LABELS, penalty=1e-6).loss, abs=1e-5)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_class_without_an_example_stays_as_it_was(penalty: float) -> None:
    wide, start = LABELS * 2, torch.arange(12.0).view(6, 2) / 10
    tuned = cm.fine_tune(Z, wide, classes=6, start=start, penalty=penalty)
    few = cm.fine_tune(Z, LABELS, start=start[::2][:3], penalty=penalty)
    torch.testing.assert_close(tuned.vectors[[1, 3, 5]], start[[1, 3, 5]].double(), atol=0, rtol=0)
    assert tuned.log_prior[[1, 3, 5]].tolist() == [-math.inf] * 3
    torch.testing.assert_close(tuned.vectors[[0, 2, 4]], few.vectors, atol=0, rtol=0)
    assert (tuned.loss, tuned.converged) == (few.loss, few.converged)
    assert not tuned.probabilities(Z)[:, 1::2].any()


def test_a_single_class_is_known_for_certain() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tuned = cm.fine_tune(Z, torch.ones(90, dtype=int), classes=3, penalty=0)
    assert (tuned.loss, tuned.converged) == (0, True)
    assert tuned.probabilities(Z)[:, 1].eq(1).all()


def test_bad_examples_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels must be whole numbers of shape \(90,\), got int64 of \(89,\)"):
        cm.fine_tune(Z, LABELS[1:])
    with pytest.raises(ValueError, match=r"labels must be in \[0, 2\), got 0 to 2"):
        cm.fine_tune(Z, LABELS, classes=2)
    with pytest.raises(ValueError, match=r"start must have one vector for each of the 3 classes, got \(2, 2\)"):
        cm.fine_tune(Z, LABELS, start=CENTRES[:2])
    with pytest.raises(ValueError, match="penalty must be finite and >= 0, got -1"):
        cm.fine_tune(Z, LABELS, penalty=-1)
    with pytest.raises(ValueError, match="epsilon must be > 0"):
        cm.fine_tune(Z, LABELS, epsilon=0)
    with pytest.raises(ValueError, match="labels must not be empty"):
        cm.class_log_prior(np.array([], dtype=int), 2)
    with pytest.raises(ValueError, match=r"embeddings must have shape \(n, 2\)"):
        cm.fine_tune(Z, LABELS).score(torch.zeros(3, 4))
