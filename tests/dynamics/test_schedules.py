"""Golden values of I2SB's schedule, from the public code of I2SB and SBUnfold."""

import numpy as np
import pytest

from hepjax.dynamics import Constant, Symmetric


@pytest.mark.parametrize(
    ("schedule", "first", "last", "peak"),
    [
        (Symmetric(beta_min=1e-5, beta_max=0.1), 0.003162, 0.157140, 0.078639),
        (Symmetric(beta_min=1e-4, beta_max=0.3), 0.01, 0.375536, 0.187892),
    ],
    ids=["sbunfold", "i2sb"],
)
def test_golden_values(schedule, first, last, peak):
    table = schedule.table()
    np.testing.assert_allclose(table.sigma_fwd[[0, -1]], [first, last], atol=6e-7)
    np.testing.assert_allclose(table.sigma.max(), peak, atol=6e-7)
    assert abs(table.sigma.argmax() - 499) <= 1


def test_the_table_is_symmetric_in_time_and_its_means_add_up():
    table = Symmetric().table()
    np.testing.assert_allclose(table.sigma_fwd, table.sigma_bwd[::-1], rtol=1e-12)
    np.testing.assert_allclose(table.mu0 + table.mu1, 1.0)
    np.testing.assert_allclose(table.sigma**2, table.mu1 * table.sigma_bwd**2)
    assert table.time[0] == 0
    assert table.time[-1] == 1


@pytest.mark.parametrize("steps", [1, 2, 7, 100, 999])
def test_a_subset_of_the_grid_has_its_ends_and_falls(steps):
    path = Symmetric().subset(steps)
    assert len(path) == steps + 1
    assert (path[0], path[-1]) == (999, 0)
    assert (np.diff(path) < 0).all()


def test_bad_numbers_of_steps_are_refused():
    for steps in (0, 1000):
        with pytest.raises(ValueError, match="1 to 999"):
            Symmetric().subset(steps)
    with pytest.raises(ValueError, match="even"):
        Symmetric(steps=5)


def test_a_constant_schedule_adds_twice_gamma():
    assert Constant(gamma=0.02).noise == pytest.approx(0.2)
