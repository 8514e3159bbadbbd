"""Self-checks of the course's exercises: ``gca.check.<exercise>(answer)`` says right, wrong and why, or not attempted.

They compare with the reference, explain the difference, and never raise.
"""

from gca_playground.check.matching import blur, cost_matrix
from gca_playground.check.sinkhorn import half_step, sinkhorn
from gca_playground.check.start import find_the_collapse, steps_to_balance
from gca_playground.check.verdict import Verdict

__all__ = ["Verdict", "blur", "cost_matrix", "find_the_collapse", "half_step", "sinkhorn", "steps_to_balance"]
