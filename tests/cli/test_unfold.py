"""`hepjax unfold` and `hepjax generate`: run folders, unfolded files, reports, and what is refused."""

import json
import sys

import h5py
import jax
import numpy as np
import pytest
from toys import measured, toy_unfolding

from hepjax import data
from hepjax.app import chunks
from hepjax.pipelines import unfolding

pytestmark = pytest.mark.usefixtures("fast_compilation")

SHORT = ("training.epochs=1", "training.batch-size=50")
SMALL = {
    "generative": ("width=8", "blocks=1", "steps=2", "draws=2", "iterations=1", "hidden=8", *SHORT),
    "omnifold": ("iterations=1", "hidden=8", *SHORT),
}
OPTIONS = [f"--{family}.{option}" for family, options in SMALL.items() for option in options]
OPTIONS += [f"--generative.prior-{option}" for option in SHORT]
NAMES = ["x_gev", "count"]


def write(path, group="", **content):
    """Data sets of a group, with the columns of toy events; those named by a pair have columns of their own."""
    with h5py.File(path, "a") as file:
        where = file.require_group(group) if group else file
        where.attrs["columns"] = NAMES
        for key, values in content.items():
            values, names = values if isinstance(values, tuple) else (values, None)
            where[key] = values
            if names:
                where[key].attrs["columns"] = names


def words(folder, out, method="sbunfold", **paths):
    """The command line of a small fit; paths: of other samples than those of the folder."""
    samples = {"simulation": f"{folder}/events.hdf5:simulation", "data": f"{folder}/events.hdf5:data"} | paths
    command = ["unfold", "fit", "--method", method, *OPTIONS, "--out", out]
    return [*command, *(word for name, path in samples.items() for word in (f"--{name}", path))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with events.hdf5, of a simulation and data, and blind.hdf5, of the data without particle level."""
    folder = tmp_path_factory.mktemp("unfold")
    for name, sample in (("simulation", toy_unfolding(0, 300)), ("data", toy_unfolding(1, 300, mean=0.3))):
        write(folder / "events.hdf5", name, gen=sample.gen, sim=sample.reco)
    write(folder / "blind.hdf5", sim=(sample.reco[:, ::-1], NAMES[::-1]))
    return folder


@pytest.fixture(scope="module")
def models(folder):
    """Run folders by method."""
    from hepjax.app import cli

    methods = ("sbunfold", "omnifold")
    for method in methods:
        assert cli.main([str(word) for word in words(folder, folder / method, method)]) == 0
    return {method: folder / method for method in methods}


@pytest.fixture(scope="module")
def unfolded(folder, models):
    """Files of unfolded events by method, made from data without particle level whose columns are in another order."""
    from hepjax.app import cli

    files = {method: folder / f"{method}.hdf5" for method in models}
    for method, model in models.items():
        command = ("unfold", "apply", "--model", model, "--data", folder / "blind.hdf5", "--out", files[method])
        assert cli.main([str(word) for word in command]) == 0
    return files


PARTS = {"sbunfold": {"sbunfold", "prior_1", "prior_mean_1"}, "omnifold": {"reco", "gen"}}


@pytest.mark.parametrize("method", PARTS)
def test_a_run_folder_is_complete(method, models):
    model = models[method]
    left = {p.name for p in model.iterdir()}
    assert {".hepjax", "config.json", "metrics.json", "history.csv", "figures", "checkpoint"} <= left
    assert "progress" not in left
    figures = {p.stem.removeprefix("history_") for p in (model / "figures").iterdir()}
    assert figures == PARTS[method]
    assert json.loads((model / "config.json").read_text())["method"] == method
    state = unfolding.load(model / "checkpoint")
    assert unfolding.method(state) == method
    assert [column.name for column in unfolding.reco_columns(state)] == NAMES


@pytest.mark.parametrize("method", PARTS)
def test_unfolded_events_are_written(method, unfolded, models):
    """Of the data by a posterior, of the simulation by reweighting; the file's order of columns is no matter."""
    state = unfolding.load(models[method] / "checkpoint")
    expected = unfolding.unfold(jax.random.key(0), state, measured(toy_unfolding(1, 300, mean=0.3)))
    with h5py.File(unfolded[method]) as file:
        assert {key: np.shape(file[key]) for key in ("gen", "weight")} == {"gen": (300, 2), "weight": (300,)}
        assert np.asarray(file["gen"].attrs["columns"]).tolist() == NAMES
        np.testing.assert_array_equal(file["gen"], expected.gen)
        np.testing.assert_allclose(file["weight"], expected.weight, rtol=1e-6)
    found, metadata = data.unfolding.read_unfolded(unfolded[method])
    assert found.columns == expected.columns
    assert (metadata["method"], metadata["seed"], metadata["events"]) == (method, 0, 300)
    assert metadata["model"] == str(models[method]) and "jax" in metadata["software"]
    assert found.replicas is None
    assert set(metadata["clipped"]) == ({"reco", "gen"} if method == "omnifold" else set())


def test_chunks_and_one_piece_are_the_same(folder, unfolded, models, run, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "chunk_rows", lambda _: 160)
    out = tmp_path / "unfolded.hdf5"
    command = ("unfold", "apply", "--model", models["sbunfold"], "--data", folder / "blind.hdf5", "--out", out)
    assert run(*command) == (0, "")
    (found, metadata), (expected, like) = (data.unfolding.read_unfolded(p) for p in (out, unfolded["sbunfold"]))
    np.testing.assert_allclose(found.gen, expected.gen, atol=1e-4)
    np.testing.assert_allclose(found.weight, expected.weight, rtol=1e-3)  # which follow the events
    assert set(metadata) == set(like)


def test_parquet_is_written_by_its_suffix(folder, models, run, tmp_path):
    pytest.importorskip("pyarrow")
    out = tmp_path / "unfolded.parquet"
    command = ("unfold", "apply", "--model", models["sbunfold"], "--data", folder / "blind.hdf5", "--out", out)
    assert run(*command, "--seed", 1, "--selection", "everything") == (0, "")
    found, metadata = data.unfolding.read_unfolded(out)
    assert len(found) == 300 and metadata["selection"] == "everything" and metadata["seed"] == 1


def test_compare(folder, unfolded, run, tmp_path):
    out = tmp_path / "report"
    command = ["unfold", "compare", "--truth", f"{folder}/events.hdf5:data", "--unfolded", *unfolded.values()]
    assert run(*command, "--simulation", f"{folder}/events.hdf5:simulation", "--out", out) == (0, "")
    assert {p.name for p in out.iterdir()} == {".hepjax", "metrics.json", "report.html", "figures"}
    assert {"observables.png", "summary.png", "migration.png"} <= {p.name for p in (out / "figures").iterdir()}
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["scores"]) == {"reco", "prior", "sbunfold", "omnifold"} and metrics["columns"] == NAMES
    assert metrics["samples"]["truth"]["events"] == 300
    nulls = {name: score["null"] for name, score in metrics["scores"].items()}
    expected = {"reco": "paired", "prior": "independent", "sbunfold": "paired", "omnifold": "independent"}
    assert nulls == expected
    assert metrics["provenance"]["truth"] == f"{folder}/events.hdf5:data"


def test_compare_with_a_truth_alone(folder, unfolded, run, tmp_path):
    """Without detector level and simulation, of files of the same name in two folders."""
    write(tmp_path / "truth.hdf5", gen=toy_unfolding(1, 300, mean=0.3).gen)
    (tmp_path / "other").mkdir()
    copies = [tmp_path / "sb.hdf5", tmp_path / "other" / "sb.hdf5"]
    for copy in copies:
        copy.write_bytes(unfolded["sbunfold"].read_bytes())
    out = tmp_path / "report"
    command = ["unfold", "compare", "--truth", tmp_path / "truth.hdf5", "--unfolded", *copies, "--out", out]
    assert run(*command) == (0, "")
    scores = json.loads((out / "metrics.json").read_text())["scores"]
    assert set(scores) == {str(copy) for copy in copies} and {score["null"] for score in scores.values()} == {"paired"}
    assert run(*command, "--null", "independent", "--overwrite") == (0, "")
    scores = json.loads((out / "metrics.json").read_text())["scores"]
    assert {score["null"] for score in scores.values()} == {"independent"}


def test_background_and_conditions(folder, run, tmp_path):
    """A further column of the detector level, and 20 background events in data of 300; the prior stays."""
    sample, events = toy_unfolding(0, 300), toy_unfolding(1, 300, mean=0.3)
    wide = ["helper", *NAMES]
    for name, s, w in (("simulation", sample, 1.0), ("data", events, 1.0), ("background", toy_unfolding(2, 100), 0.2)):
        reco = np.concatenate([s.gen[:, :1], s.reco], 1)
        write(tmp_path / "wide.hdf5", name, gen=s.gen, sim=(reco, wide), weight=np.full(len(s), w))
    samples = {name: f"{tmp_path}/wide.hdf5:{name}" for name in ("simulation", "data", "background")}
    further = ("--observables", *NAMES, "--conditions", "helper", "--generative.iterations", "0")
    assert run(*words(folder, tmp_path / "cfm", "cfm", **samples), *further) == (0, "")
    state = unfolding.load(tmp_path / "cfm" / "checkpoint")
    assert [column.name for column in state.spec.reco_columns] == [*NAMES, "helper"]
    assert state.spec.shares == ("background",)
    out = tmp_path / "out.hdf5"
    assert run("unfold", "apply", "--model", tmp_path / "cfm", "--data", samples["data"], "--out", out) == (0, "")
    weight = data.unfolding.read_unfolded(out)[0].weight
    assert weight.sum() == pytest.approx(280, rel=0.02)  # the share adds up to the yield but for its cut at one


EVENTS = toy_unfolding(0, 300)
GOOD = {"gen": EVENTS.gen, "sim": EVENTS.reco}
BAD = {
    "unpaired rows": (GOOD | {"sim": EVENTS.reco[:-1]}, "rows are not paired (300 of gen, 299 of sim)"),
    "nan weight": (GOOD | {"weight": np.where(np.arange(300) == 3, np.nan, 1.0)}, "weight: nan in row 3, expected fin"),
    "negative weight": (GOOD | {"weight": np.where(np.arange(300) == 3, -1.0, 1.0)}, "weight: -1.0 in row 3, expected"),
    "all fail reco": (GOOD | {"pass_reco": np.zeros(300, bool)}, "pass_reco: all 300 events fail, expected some"),
    "nan value": (GOOD | {"sim": np.full((300, 2), np.nan)}, "sim: x_gev is nan in row 0, expected finite values"),
    "missing column": (GOOD | {"sim": (EVENTS.reco, ["x_gev", "other"])}, "no column count, expected"),
    "few": ({key: values[:50] for key, values in GOOD.items()}, "50 events pass both levels, a fit needs at least 100"),
    "no gen": ({"sim": EVENTS.reco}, "gen"),
}


@pytest.mark.parametrize("content, expected", BAD.values(), ids=BAD.keys())
def test_a_simulation_that_cannot_unfold(content, expected, folder, refused, tmp_path):
    write(tmp_path / "bad.hdf5", **content)
    bad = tmp_path / "bad.hdf5"
    refused(expected, *words(folder, tmp_path / "out", simulation=bad, data=bad))


BAD_DATA = {
    "nan weight": ({"sim": EVENTS.reco, "weight": np.full(300, np.nan)}, "weight: nan in row 0, expected finite"),
    "missing column": ({"sim": (EVENTS.reco[:, :1], ["x_gev"])}, "sim: no column count, expected x_gev, count"),
    "all fail": ({"sim": EVENTS.reco, "pass_reco": np.zeros(300, bool)}, "pass_reco: all 300 events fail"),
    "no weight": ({"sim": EVENTS.reco, "weight": np.zeros(300)}, "weight: sum of weights 0, expected above zero"),
}


@pytest.mark.parametrize("verb", ["fit", "apply"])
@pytest.mark.parametrize("content, expected", BAD_DATA.values(), ids=BAD_DATA.keys())
def test_data_that_cannot_be_unfolded(verb, content, expected, folder, models, refused, tmp_path):
    write(tmp_path / "bad.hdf5", **content)
    command = words(folder, tmp_path / "out", data=tmp_path / "bad.hdf5")
    if verb == "apply":
        command = ("unfold", "apply", "--model", models["sbunfold"], "--data", tmp_path / "bad.hdf5")
        command = (*command, "--out", tmp_path / "out.hdf5")
    refused(expected, *command)


@pytest.mark.parametrize("method", ["sbunfold", "omnifold"])
def test_a_background_as_large_as_the_data(method, folder, refused, tmp_path):
    background = f"{folder}/events.hdf5:data"
    refused("300 events, expected fewer", *words(folder, tmp_path / "out", method, background=background))


@pytest.mark.parametrize(
    "extra, expected",
    [
        (["--generative.steps", "0"], "steps is 0, expected at least 1"),
        (["--observables", "mass_gev"], "no column mass_gev, expected mass_gev (found: x_gev, count)"),
        (["--observables", "count", "--conditions", "count"], "columns count, count, expected at least one, and none"),
        (["--overwrite", "--resume"], "overwrite and resume exclude each other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_do_not_go(extra, expected, folder, refused, tmp_path):
    refused(expected, *words(folder, tmp_path / "out"), *extra)


def test_resuming_as_another_method(folder, models, run):
    code, error = run(*words(folder, models["sbunfold"], "cfm"), "--resume")
    assert code == 2 and "resume expects the options and data of the run, other: method" in error


def apply(model, where, out):
    return "unfold", "apply", "--model", model, "--data", where, "--out", out


def test_weights_of_omnifold_belong_to_their_data(folder, models, refused, tmp_path):
    command = apply(models["omnifold"], f"{folder}/events.hdf5:simulation", tmp_path / "out.hdf5")
    refused("other events than those of the fit", *command)


def test_files_that_exist_and_models_of_others(folder, files, models, refused, tmp_path):
    blind, out = folder / "blind.hdf5", tmp_path / "out.hdf5"
    refused("holds another model (squirels), expected one of unfolding", *apply(files / "run", blind, out))
    refused("suffix .npz, expected one of", *apply(models["sbunfold"], blind, tmp_path / "out.npz"))
    refused("no checkpoint here", *apply(tmp_path / "none", blind, out))
    out.write_text("old")
    refused("out.hdf5: output file exists", *apply(models["sbunfold"], blind, out))


def test_comparisons_that_cannot_be_made(folder, unfolded, refused, tmp_path):
    def compare(truth, *samples):
        return "unfold", "compare", "--truth", truth, "--unfolded", *samples, "--out", tmp_path / "out"

    good, sample = f"{folder}/events.hdf5:data", unfolded["sbunfold"]
    refused("blind.hdf5:weight: missing key weight", *compare(good, folder / "blind.hdf5"))
    refused("events.hdf5:none: no such group", *compare(f"{folder}/events.hdf5:none", sample))
    refused("gen", *compare(folder / "blind.hdf5", sample))
    write(tmp_path / "other.hdf5", gen=(EVENTS.gen[:, :1], ["x_gev"]))
    refused("gen: no column count, expected x_gev, count", *compare(tmp_path / "other.hdf5", sample))
    write(tmp_path / "few.hdf5", gen=EVENTS.gen[:50])
    refused("truth: 50 events, a comparison needs at least 60", *compare(tmp_path / "few.hdf5", sample))


def test_generate_zjets(run, refused, tmp_path):
    for package in ("awkward", "fastjet", "pythia8mc"):
        pytest.importorskip(package)
    out = tmp_path / "zjets.hdf5"
    command = ("generate", "zjets", "--events", 3, "--out", out)
    assert run(*command) == (0, "")
    simulation = data.unfolding.read(out)
    assert simulation.gen.shape == (3, 6) and simulation.reco.shape == (3, 6)
    refused("zjets.hdf5: output file exists", *command)
    refused("events 0, expected at least one", "generate", "zjets", "--events", 0, "--out", tmp_path / "none.hdf5")


def test_generate_without_the_extra(refused, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pythia8mc", None)
    refused("pip install 'hepjax[generators]'", "generate", "zjets", "--events", 3, "--out", tmp_path / "zjets.hdf5")
