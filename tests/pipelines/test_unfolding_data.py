"""Events as pipelines of unfolding take them: units, and weights of any scale."""

import dataclasses

import numpy as np
import pytest
from toys import TOY_COLUMNS, measured, toy_unfolding

from hepjax.pipelines.events import preparation
from hepjax.pipelines.posterior import acceptance
from hepjax.types import Column, InputError

DATA = measured(toy_unfolding(0, 200))


def with_unit(unit, factor=1.0):
    """The data in another unit."""
    return dataclasses.replace(
        DATA, reco=DATA.reco * np.float32([factor, 1]), columns=(Column("x_gev", unit), TOY_COLUMNS[1])
    )


@pytest.mark.parametrize("unit, factor", [("MeV", 1e3), ("TeV", 1e-3), ("GeV/c^2", 1.0), ("gev", 1.0)])
def test_other_units_are_converted(unit, factor):
    taken = preparation.measured(with_unit(unit, factor), TOY_COLUMNS, "data")
    np.testing.assert_allclose(taken.reco, DATA.reco, rtol=1e-6)
    assert taken.columns == TOY_COLUMNS


def test_units_that_do_not_convert_are_refused():
    with pytest.raises(InputError, match=r"^background: x_gev in mm, expected GeV or a unit that converts to it$"):
        preparation.measured(with_unit("mm"), TOY_COLUMNS, "background")


def test_a_unit_that_one_side_does_not_tell_is_noted(caplog):
    np.testing.assert_array_equal(preparation.measured(with_unit(""), TOY_COLUMNS, "data").reco, DATA.reco)
    assert "data: x_gev in GeV, as one of two samples says; the other tells no unit" in caplog.text


@pytest.mark.parametrize("size", [5e-39, 1e-48, 0.01, 1e30])
def test_weights_are_of_order_one_and_come_back(size):
    weight = size * np.random.default_rng(0).uniform(0.5, 2, 200)
    unit = preparation.unit(weight)
    assert 0.7 < np.mean(weight / unit) < 1.5
    np.testing.assert_array_equal(weight / unit * unit, weight)
    simulation = dataclasses.replace(toy_unfolding(1, 200), weight=weight)
    problem = preparation.problem(simulation, dataclasses.replace(DATA, weight=weight), None)
    np.testing.assert_allclose(problem.unit * np.asarray(problem.weight, np.float64).sum(), weight.sum(), rtol=1e-6)


@pytest.mark.parametrize("least, yielded", [(0.0, 300.0), (0.0, 900.0), (0.01, 40.0), (0.01, 700.0)])
def test_shares_add_up_to_their_yield_whatever_is_cut(least, yielded):
    """Ratios of six orders of magnitude, a part of which is cut at either end; some weights are negative."""
    rng = np.random.default_rng(0)
    ratio = np.exp(rng.normal(0, 3, 1000))
    for weight in (np.ones(1000), np.where(rng.random(1000) < 0.1, -1.0, 11 / 9)):
        share = np.clip(acceptance.scale(weight, ratio, yielded, least) * ratio, least, 1)
        assert (share == 1).any() and weight @ share == pytest.approx(yielded, rel=1e-9)
