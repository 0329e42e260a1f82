"""When weighted simulation describes the data at detector level, and when OmniFold did not close."""

import numpy as np

from hepjax.pipelines.omnifold import convergence as omnifold_diagnostics


def test_closure_of_two_samples_of_one_law():
    """p-values are those of chance, whatever the weights: of 400 with 20 bins, those below 0.1 are 40 +- 6."""
    rng = np.random.default_rng(7)
    closures = [
        omnifold_diagnostics.reco_closure(
            rng.normal(size=(500, 4)), np.ones(500), rng.normal(size=(2000, 4)), rng.gamma(4, size=2000)
        )
        for _ in range(100)
    ]
    p_values = np.concatenate([closure.p_value for closure in closures])
    assert 20 < (p_values < 0.1).sum() < 60
    assert not any(omnifold_diagnostics.not_closed(closure).any() for closure in closures)


def test_a_difference_is_measured_beyond_its_error():
    """Half of the bins ten percent too high, half too low: off by ten percent."""
    x = np.linspace(-1, 1, 200_000)[:, None]
    weight = np.where(x[:, 0] > 0, 1.1, 0.9)
    closure = omnifold_diagnostics.reco_closure(x, np.ones(len(x)), x, weight)
    np.testing.assert_allclose(closure.misfit, 0.1, rtol=0.02)
    assert omnifold_diagnostics.not_closed(closure).all()
