"""Z + jets made by Pythia: pairs within the selection, the same for the same seed, and one line for bad input."""

import builtins

import h5py
import numpy as np
import pytest

from hepjax.data import unfolding, zjets
from hepjax.types import InputError

EVENTS = 20


@pytest.fixture(scope="module")
def simulation():
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    return zjets.generate(EVENTS, seed=3)


@pytest.mark.parametrize("level", ["gen", "reco"])
def test_jets_are_within_the_selection(simulation, level):
    values = getattr(simulation, level)
    assert values.shape == (EVENTS, 9) and values.dtype == np.float32
    pt, rapidity, mass, multiplicity, width, ln_rho, z_g, tau21, z_pt = values.T
    assert (pt > 20).all() and (np.abs(rapidity) < 2.1).all() and (mass >= 0).all()
    assert (multiplicity == np.round(multiplicity)).all() and (multiplicity >= 1).all()
    assert (width >= 0).all() and (tau21 >= 0).all() and (z_pt > 200).all()
    assert ((z_g == 0) | ((z_g >= 0.1) & (z_g <= 0.5))).all()
    assert (ln_rho[z_g == 0] == 0).all() and (ln_rho <= 0).all()


def test_levels_are_pairs(simulation):
    """The same Z; jets in the same direction, and of a pT within 30 percent, ten times the resolution."""
    gen, reco = simulation.gen, simulation.reco
    assert (gen[:, 8] == reco[:, 8]).all()
    assert (np.abs(gen[:, 1] - reco[:, 1]) < zjets.MATCHING_DISTANCE).all()
    assert (np.abs(reco[:, 0] / gen[:, 0] - 1) < 0.3).all()
    assert (gen[:, 2] != reco[:, 2]).any()
    assert simulation.pass_gen.all() and simulation.pass_reco.all() and (simulation.weight == 1).all()


def test_fewer_events_are_the_first_and_another_seed_gives_others(simulation):
    done = []
    few = zjets.generate(3, seed=3, progress=done.append)
    np.testing.assert_array_equal(few.gen, simulation.gen[:3])
    np.testing.assert_array_equal(few.reco, simulation.reco[:3])
    assert done == [3]
    assert (zjets.generate(3, seed=4).gen != few.gen).any()


def test_vincia_is_another_shower(simulation):
    other = zjets.generate(2, "vincia", seed=3)
    assert (other.gen[:, 8] != simulation.gen[:2, 8]).all()


def test_what_is_written_is_read(simulation, tmp_path):
    path = tmp_path / "zjets.hdf5"
    zjets.write(path, simulation, "pythia", seed=3)
    found = unfolding.read(path, gen=zjets.COLUMNS, reco=zjets.COLUMNS)
    np.testing.assert_array_equal(found.gen, simulation.gen)
    np.testing.assert_array_equal(found.reco, simulation.reco)
    assert found.gen_columns == found.reco_columns == simulation.gen_columns
    with h5py.File(path) as file:
        assert set(file) == {"gen", "sim"}
        assert (file.attrs["shower"], file.attrs["seed"]) == ("pythia", 3)
        assert file.attrs["generator"].startswith("Pythia 8.")
        assert {"selection", "detector", "columns", "units"} <= set(file.attrs)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0,), "events 0, expected at least one"),
        ((5, "herwig"), "shower 'herwig', expected pythia or vincia"),
        ((5, "pythia", -1), "seed -1, expected zero or above"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    with pytest.raises(InputError) as error:
        zjets.generate(*arguments)
    assert str(error.value) == message


@pytest.mark.parametrize("package", ["pythia8mc", "fastjet"])
def test_a_missing_extra_is_one_line(package, monkeypatch):
    def without(name, *args, **kwargs):
        if name == package:
            raise ImportError(name, name=name)
        return original(name, *args, **kwargs)

    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    original = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=rf"^making Z \+ jets needs {package}, .* pip install 'hepjax\[generators\]'$"):
        zjets.generate(1)
