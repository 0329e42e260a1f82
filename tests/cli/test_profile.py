"""`hepjax unfold fit --method profile`: nuisance parameters and variations from a YAML file."""

import dataclasses
import json

import h5py
import jax
import numpy as np
import pytest

from hepjax.data import unfolding
from hepjax.pipelines import profile_omnifold
from hepjax.pipelines.profile_omnifold.config import Learned

pytestmark = pytest.mark.usefixtures("fast_compilation")

QUICK = "response.hidden=8 profile.iterations=2 profile.starts=1 profile.hidden=8"
TRAINING = "epochs=2 batch-size=500 ema=0.9 epochs-per-call=2 validation=0"
QUICK += "".join(f" {part}.training.{word}" for part in ("response", "profile") for word in TRAINING.split())
WORDS = ("unfold", "fit", "--method", "profile", *(f"--{word}" for word in QUICK.split()))
THETA = "{name: theta, nominal: 1.0, low: 0.5, high: 2.0}"
LOW = "{simulation: events.hdf5:low, values: {theta: 0.7}}"
HIGH = "{simulation: events.hdf5:high, values: {theta: 1.4}}"


def yaml(nuisances=THETA, *variations):
    return (
        "\n  - ".join(("nuisances:", nuisances)) + "\n" + "\n  - ".join(("variations:", *(variations or (LOW, HIGH))))
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The example of arXiv:2409.10421 in a file: X ~ N(0, 1), Y1 = X + N(0, 1), Y2 = X + N(0, theta^2)."""
    with h5py.File(tmp_path / "events.hdf5", "w") as file:
        for seed, (name, theta) in enumerate({"nominal": 1.0, "low": 0.7, "high": 1.4, "data": 1.3}.items()):
            rng = np.random.default_rng(seed)
            x = rng.normal(size=(1000, 1))
            noise = rng.normal(size=(1000, 2)) * [1, theta]
            group = file.create_group(name)
            group["gen"], group["sim"] = x.astype(np.float32), (x + noise).astype(np.float32)
            group["gen"].attrs["columns"], group["sim"].attrs["columns"] = ["x"], ["y1", "y2"]
    monkeypatch.chdir(tmp_path)
    return tmp_path


def by_hand(folder):
    """The same fit by functions."""
    quick = {"epochs": 2, "batch_size": 500, "ema": 0.9, "epochs_per_call": 2, "validation": 0.0}
    profile, response = (dataclasses.replace(one.training, **quick) for one in (profile_omnifold.Config(), Learned()))
    read = {name: unfolding.read(f"{folder}/events.hdf5:{name}") for name in ("nominal", "low", "high")}
    theta = profile_omnifold.Nuisance("theta", 1.0, 0.5, 2.0)
    config = profile_omnifold.Config((theta,), iterations=2, starts=1, hidden=(8,), training=profile)
    learned = Learned(hidden=(8,), training=response)
    varied = [(np.array([value], np.float32), read[name]) for value, name in ((0.7, "low"), (1.4, "high"))]
    key_response, key_fit = jax.random.split(jax.random.key(0))
    nominal = read["nominal"]
    learnt = profile_omnifold.response.fit(key_response, nominal, np.ones(1, np.float32), varied, learned)
    data = unfolding.read_measured(f"{folder}/events.hdf5:data", ["y1", "y2"])
    return profile_omnifold.estimate(profile_omnifold.fit(key_fit, nominal, data, learnt, config))


FILES = ("--simulation", "events.hdf5:nominal", "--data", "events.hdf5:data", "--nuisances", "nuisances.yml")


def test_nuisances_are_found_and_the_data_unfolded(folder, run):
    (folder / "nuisances.yml").write_text(yaml())
    assert run(*WORDS, *FILES, "--out", "run") == (0, "")
    found = json.loads((folder / "run" / "metrics.json").read_text())["nuisances"]["theta"]
    expected = by_hand(folder)
    np.testing.assert_allclose(found["value"], expected.theta[0], rtol=1e-6)
    np.testing.assert_allclose(found["error"], np.sqrt(expected.covariance[0, 0]), rtol=1e-6)
    assert run("unfold", "apply", "--model", "run", "--data", "events.hdf5:data", "--out", "unfolded.hdf5") == (0, "")
    with h5py.File(folder / "unfolded.hdf5") as file:
        np.testing.assert_allclose(np.sum(file["weight"]), 1000, rtol=0.02)
    # Weights belong to the data that they were learned on.
    code, error = run("unfold", "apply", "--model", "run", "--data", "events.hdf5:low", "--out", "other.hdf5")
    assert code == 2 and error.count("\n") == 1 and "Profile OmniFold" in error


BAD = {
    "no file": (None, "nuisances.yml: cannot be read"),
    "no YAML": ("nuisances: [", "nuisances.yml: no YAML"),
    "another key": ("nuisance: 3", "nuisances.yml: has nuisance, expected nuisances, variations"),
    "no list": ("nuisances: 3\nvariations: 4", "nuisances.yml: nuisances is no list of entries"),
    "no bounds": (yaml("{name: theta, nominal: 1.0}"), "entry 1 of nuisances: has name, nominal, expected"),
    "text": (yaml(THETA.replace("0.5", "small")), "entry 1 of nuisances: low is 'small', expected a number"),
    "sigma alone": (
        yaml(THETA.replace("2.0}", "2.0, sigma: 0.2}")),
        "entry 1 of nuisances: has one of centre and sigma",
    ),
    "twice": (yaml(f"{THETA}\n  - {THETA}"), "nuisances are theta, theta, expected each once"),
    "another name": (yaml(THETA, LOW.replace("theta", "phi"), HIGH), "entry 1 of variations: values are {'phi': 0.7}"),
    "one value": (yaml(THETA, LOW), "variations: values of shape (1, 1), expected two or more"),
    "order": (yaml(THETA.replace("0.5", "3.0")), "config: nuisance theta has low 3.0"),
    "no events": (yaml(THETA, LOW.replace("low", "none"), HIGH), "events.hdf5"),
}


@pytest.mark.parametrize("text, expected", BAD.values(), ids=BAD)
def test_a_bad_file_of_nuisances_is_one_line(text, expected, folder, refused):
    if text is not None:
        (folder / "nuisances.yml").write_text(text)
    refused(expected, *WORDS, *FILES, "--out", "run")


def test_method_and_nuisances_belong_together(folder, refused):
    (folder / "nuisances.yml").write_text(yaml())
    words = ("unfold", "fit", "--simulation", "events.hdf5:nominal", "--data", "events.hdf5:data", "--out", "run")
    refused("options method profile and nuisances None", *words, "--method", "profile")
    refused("options method omnifold and nuisances", *words, "--method", "omnifold", "--nuisances", "nuisances.yml")
