"""Self-checks of the course's exercises: ``gca.check.<exercise>(answer)`` says right, wrong and why, or not attempted.

They compare with the reference, explain the difference, and never raise.
"""

from gca_playground.check.crossmodal import effective_size, repaired_labels, repaired_weights
from gca_playground.check.gaussian import joint_encoders, recover_correlations, two_sided_law
from gca_playground.check.gradients import adjoint, implicit_gradient
from gca_playground.check.infonce import infonce, infonce_gradient, nt_xent
from gca_playground.check.keep_going import hub, hub_bias, kl_drop, rising_target
from gca_playground.check.matching import blur, cost_matrix
from gca_playground.check.noisy import kept_mass, rince, rising_rince
from gca_playground.check.progress import Progress, progress
from gca_playground.check.relaxations import alignment_uniformity, outer_step, three_plans
from gca_playground.check.sinkhorn import half_step, sinkhorn
from gca_playground.check.start import find_the_collapse, steps_to_balance
from gca_playground.check.targets import classes_apart, domain_prior, reachable
from gca_playground.check.verdict import Verdict

__all__ = [
    "Progress",
    "Verdict",
    "adjoint",
    "alignment_uniformity",
    "blur",
    "classes_apart",
    "cost_matrix",
    "domain_prior",
    "effective_size",
    "find_the_collapse",
    "half_step",
    "hub",
    "hub_bias",
    "implicit_gradient",
    "infonce",
    "infonce_gradient",
    "joint_encoders",
    "kept_mass",
    "kl_drop",
    "nt_xent",
    "outer_step",
    "progress",
    "reachable",
    "recover_correlations",
    "repaired_labels",
    "repaired_weights",
    "rince",
    "rising_rince",
    "rising_target",
    "sinkhorn",
    "steps_to_balance",
    "three_plans",
    "two_sided_law",
]
