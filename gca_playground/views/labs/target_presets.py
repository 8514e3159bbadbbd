"""Where to start in the target lab, and what to look for there. One row a preset."""

from gca_playground.views.labs.common_state import Preset
from gca_playground.views.labs.target_state import DATA, FIRST, Kinds, start

_MATERIAL, _KINDS = DATA["domains"]


def _keep(kinds: Kinds) -> tuple[tuple[float, ...], ...]:
    """The first kind wants all of everybody."""
    return tuple(tuple(0.5 for _ in range(len(kinds))) if i == 0 else (0.0,) * len(kinds) for i in range(len(kinds)))


_GREEDY = start(_KINDS, _MATERIAL, masses=_keep(_KINDS), pair=1.0)

TARGET_PRESETS = (
    Preset(
        "classes together",
        FIRST,
        "Half of each row goes to its class, in both domains alike: the classes part and the domains mix. Watch the "
        "two accuracies go different ways.",
    ),
    Preset(
        "domains together",
        start(_KINDS, _MATERIAL, masses=_KINDS.table(kind=1 / 6, alpha=1 / 3)),
        "The other way round: mass for the same domain (α), whatever the class. The domains part, and classes become "
        "hard to tell.",
    ),
    Preset(
        "pairs only",
        start(_KINDS, _MATERIAL, masses=_KINDS.table(), pair=1.0),
        "Nothing is painted: every point wants its own pair only. Class and domain both stay visible, because the data "
        "show both. Now paint.",
    ),
    Preset(
        "out of reach",
        _GREEDY.with_side(0, _GREEDY.sides[0].align(infeasible="keep")),
        "One kind asks for more than it has: no plan with exact marginals gets there. Choose “masses” for what is "
        "out of reach, or soften ρ, and see which one bends.",
    ),
)
"""All presets, in the order of their buttons."""
