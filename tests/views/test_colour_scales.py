"""Heat maps can be read: what is nothing looks like the page, what is much stands out from it, on every page."""

import itertools
import re

import numpy as np
import pytest
import torch

import gca_playground as gca
from gca_playground.views import colour_scales, figures
from gca_playground.views.colour_scales import flow_scale, plan_scale, signed_scale
from gca_playground.views.course_figures import beside
from gca_playground.views.crossmodal_figures import flow_panels, strips
from gca_playground.views.loss_figures import signed
from gca_playground.views.theme import DARK, LIGHT

PAGES = ["#ffffff", "#111111", DARK["page"]]
"""JupyterLab's two, and the labs' dark one."""


def rgba(colour):
    if colour.startswith("#"):
        return np.array([*bytes.fromhex(colour[1:]), 1.0])
    parts = [float(part) for part in re.findall(r"[\d.]+", colour)]
    return np.array([*parts, 1.0][:4])


def at(scale, place):
    """The colour (red, green, blue, opacity) of a scale, between its stops as plotly draws it."""
    places, colours = zip(*((stop, rgba(colour)) for stop, colour in scale), strict=True)
    return np.array([np.interp(place, places, channel) for channel in zip(*colours, strict=True)])


def luminance(colour):
    linear = np.where(colour <= 0.04045 * 255, colour / 255 / 12.92, ((colour / 255 + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(scale, place, page):
    """WCAG 2's contrast ratio of what is seen there and the page behind it."""
    *colour, opacity = at(scale, place)
    ground = rgba(page)[:3]
    low, high = sorted(map(luminance, (np.array(colour) * opacity + ground * (1 - opacity), ground)))
    return (high + 0.05) / (low + 0.05)


def branches(scale):
    """From nothing to the largest value, either way."""
    return (np.linspace(0, 1, 11),) if scale == plan_scale(None) else (np.linspace(0.5, 1, 11), np.linspace(0.5, 0, 11))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("scale", [plan_scale(None), signed_scale(None), flow_scale(None)])
def test_on_a_page_that_is_not_known_nothing_is_the_page_and_much_stands_out(scale, page):
    for branch in branches(scale):
        seen = [contrast(scale, place, page) for place in branch]
        assert seen[0] == 1.0
        assert all(later > 1.02 * earlier for earlier, later in itertools.pairwise(seen))
        assert seen[4] >= 1.7  # a tenth of a row's mass
        assert seen[-1] >= 4


@pytest.mark.parametrize(("dark", "page"), [(False, LIGHT["page"]), (True, DARK["page"])])
@pytest.mark.parametrize("scale", [plan_scale, signed_scale, flow_scale])
def test_on_a_page_that_is_known_too(scale, dark, page):
    nothing, ends = (0.0, [1.0]) if scale is plan_scale else (0.5, [0.0, 1.0])
    assert contrast(scale(dark), nothing, page) < 1.1
    assert all(contrast(scale(dark), end, page) >= 3 for end in ends)


def test_purple_is_above_zero_and_green_below():
    for scale in (signed_scale, flow_scale):
        for dark in (None, False, True):
            low, high = at(scale(dark), 0.0), at(scale(dark), 1.0)
            assert low[1] == low[:3].max()
            assert high[1] == high[:3].min()


def drawn(dark):
    plan = gca.solve(torch.rand(6, 6, dtype=torch.float64), epsilon=0.1)
    return {
        "beside": beside([plan], ["one"], dark=dark),
        "coupling": figures.coupling(plan, dark=dark),
        "signed": signed([torch.eye(2)], ["one"], dark=dark),
        "strips": strips({"one": (torch.rand(1, 64), ["x"])}, dark=dark),
        "flow": flow_panels([np.zeros((5, 5))], ["flow"], dark=dark),
    }


@pytest.mark.parametrize("dark", [None, False, True])
def test_every_heat_map_of_the_course_has_these_colours(dark):
    scales = {"signed": signed_scale(dark), "flow": flow_scale(dark)}
    for name, figure in drawn(dark).items():
        expected = scales.get(name, plan_scale(dark))
        assert figure.data[0].colorscale == tuple((place, colour) for place, colour in expected), name
        assert not figure.data[0].reversescale, name
        assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)", name


def test_a_matrix_whose_zeros_are_the_page_has_a_frame():
    for name in ("beside", "coupling", "signed"):
        axes = drawn(None)[name].layout
        for axis in (axes.xaxis, axes.yaxis):
            assert axis.visible and axis.showline and axis.mirror and not axis.showgrid and not axis.showticklabels


def test_each_theme_has_its_own_colours():
    for scale in (plan_scale, signed_scale, flow_scale):
        assert len({str(scale(dark)) for dark in (None, False, True)}) == 3
    assert colour_scales.EITHER_POSITIVE != colour_scales.EITHER_NEGATIVE
