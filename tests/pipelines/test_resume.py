"""A fit that is killed, within a bridge or between two, and resumed: the very numbers of an unbroken one."""

import jax
import pytest
from toys import TINY, TINY_DSB, same_numbers

from hepjax.pipelines import squirels
from hepjax.types import InputError

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)


# Checkpoints of matching: after both epochs of the response, then of the shape. Of DSB: after 2, 1, 1 and 1 epochs and
# each finished half-pass, for either bridge; three at a time end within half-passes, between them and between bridges.
@pytest.mark.parametrize(
    "config, saves, kills",
    [(TINY, 1, 4), (TINY_DSB, 3, 6)],
    ids=["matching", "dsb"],
)
def test_a_killed_fit_resumes_to_identical_parameters(samples, tmp_path, fit_until_killed, config, saves, kills):
    args = (KEY, *samples[:2], config)
    died = 0
    while not fit_until_killed(saves, squirels.fit, *args, folder=tmp_path / "killed", resume=bool(died)):
        died += 1
    assert died == kills
    unbroken = squirels.fit(*args, folder=tmp_path / "unbroken")
    assert same_numbers(squirels.fit(*args, folder=tmp_path / "killed", resume=True), unbroken)
    histories = [(tmp_path / name / "history.csv").read_text() for name in ("killed", "unbroken")]
    assert histories[0] == histories[1]
    assert same_numbers(squirels.fit(*args), unbroken)


def test_a_finished_bridge_of_other_showers_is_refused(samples, tmp_path):
    """All half-passes are done, so that nothing is left to train."""
    fast, full, _ = samples
    squirels.fit(KEY, fast, full, TINY_DSB, folder=tmp_path)
    with pytest.raises(InputError, match="holds a response with other events"):
        squirels.fit(KEY, fast, full[::-1], TINY_DSB, folder=tmp_path, resume=True)


def test_a_folder_in_use_or_of_another_fit_is_refused(samples, tmp_path):
    squirels.fit(KEY, *samples[:2], TINY, folder=tmp_path)
    with pytest.raises(InputError, match="response: holds the checkpoint of a fit; expected resume"):
        squirels.fit(KEY, *samples[:2], TINY, folder=tmp_path)
    with pytest.raises(InputError, match="response: holds a response with another key"):
        squirels.fit(jax.random.key(1), *samples[:2], TINY, folder=tmp_path, resume=True)
