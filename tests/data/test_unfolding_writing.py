"""Unfolded events as files to publish: the round trip, the metadata, weights alone, and refusals that leave nothing."""

import dataclasses
import json
import sys

import h5py
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest

import hepjax
from hepjax.data import samples, unfolding
from hepjax.types import Column, InputError, Unfolded

COLUMNS = (Column("mass_gev", "GeV"), Column("n"), Column("radius", "cm"))
METADATA = {"method": "omnifold", "selection": "pT(Z) > 200 GeV", "seed": 3, "replicas_kind": "Poisson bootstrap"}
FORMATS = pytest.mark.parametrize("name", ["u.hdf5", "u.h5", "u.parquet"])


def unfolded(rows=50, replicas=4, dtype=np.float32, **other):
    """Made-up unfolded events, of JAX arrays where they can hold the type."""
    rng = np.random.default_rng(0)
    as_array = jnp.asarray if dtype == np.float32 else np.asarray
    weights = [as_array(rng.exponential(size=shape).astype(dtype)) for shape in ((rows,), (replicas, rows))]
    made = Unfolded(as_array(rng.normal(size=(rows, 3)).astype(dtype)), weights[0], COLUMNS, weights[1])
    return dataclasses.replace(made, **{"replicas": None} | other if replicas == 0 else other)


@FORMATS
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("replicas", [0, 4])
def test_round_trip(tmp_path, name, dtype, replicas):
    given = unfolded(replicas=replicas, dtype=dtype)
    unfolding.write(tmp_path / name, given, METADATA)
    read, metadata = unfolding.read_unfolded(tmp_path / name)
    for key in ("gen", "weight", "replicas"):
        array, expected = getattr(read, key), getattr(given, key)
        assert (array is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(array, expected)
            assert type(array) is np.ndarray and array.dtype == dtype
    assert read.columns == COLUMNS
    assert metadata["replicas"] == replicas and metadata["events"] == 50
    assert [p.name for p in tmp_path.iterdir()] == [name]


@FORMATS
def test_metadata_round_trip(tmp_path, name):
    """What JSON can hold comes back as it was: texts that look like JSON, None, nested values, numbers of NumPy."""
    extra = {
        "systematics": ["jet energy scale", "model"],
        "software": {"jax": "0.10"},
        "note": '["text"]',
        "theta": None,
        "spread": np.float32(0.5),
        "edges": (1, 2.5),
        "closed": True,
        "nested": {"a": {"b": [1, None]}},
        "empty": "",
    }
    unfolding.write(tmp_path / name, unfolded(), METADATA | extra | {"seed": np.int64(3)})
    _, metadata = unfolding.read_unfolded(tmp_path / name)
    expected = METADATA | extra | {"spread": 0.5, "edges": [1, 2.5], "events": 50, "replicas": 4}
    expected["software"] = {"hepjax": hepjax.__version__, "jax": "0.10"}
    expected |= {"schema": "hepjax.unfolded", "schema_version": 1}
    expected["observables"] = [{"name": c.name, "unit": c.unit} for c in COLUMNS]
    expected["events_sha256"] = metadata["events_sha256"]
    assert metadata == expected
    assert {key: type(value) for key, value in metadata.items()} == {k: type(v) for k, v in expected.items()}
    unfolding.write(tmp_path / f"again_{name}", unfolded(), metadata)
    assert unfolding.read_unfolded(tmp_path / f"again_{name}")[1] == metadata


def test_hdf5_layout_is_what_others_read(tmp_path):
    given = unfolded()
    unfolding.write(tmp_path / "u.hdf5", given, METADATA)
    with h5py.File(tmp_path / "u.hdf5") as file:
        assert {key: data.shape for key, data in file.items()} == {
            "gen": (50, 3),
            "weight": (50,),
            "weight_replicas": (4, 50),
        }
        assert list(file["gen"].attrs["columns"]) == ["mass_gev", "n", "radius"]
        assert list(file["gen"].attrs["units"]) == ["GeV", "", "cm"]
        assert file.attrs["method"] == "omnifold" and file.attrs["seed"] == 3
        assert json.loads(file.attrs["software"]) == {"hepjax": hepjax.__version__}
    truth = unfolding.read_truth(tmp_path / "u.hdf5", ["radius", "mass_gev"])
    np.testing.assert_array_equal(truth.gen, given.gen[:, [2, 0]])
    np.testing.assert_array_equal(truth.weight, given.weight)


def test_parquet_layout_is_what_others_read(tmp_path):
    given = unfolded()
    unfolding.write(tmp_path / "u.parquet", given, METADATA)
    table = pq.read_table(tmp_path / "u.parquet")
    assert table.column_names == ["gen_mass_gev", "gen_n", "gen_radius", "weight", "weight_replicas"]
    assert table.schema.field("gen_mass_gev").metadata == {b"unit": b"GeV"}
    assert json.loads(table.schema.metadata[b"hepjax.unfolded"])["method"] == "omnifold"
    np.testing.assert_array_equal(np.stack(table["weight_replicas"].to_numpy(), 1), given.replicas)
    np.testing.assert_array_equal(unfolding.read_truth(tmp_path / "u.parquet", ["n"]).gen, given.gen[:, [1]])


@FORMATS
def test_weights_alone_refer_to_the_events_of_a_simulation(tmp_path, name):
    """They find all of its events, or those that pass, by their values; any other event is refused."""
    simulation = unfolding.read(samples.zjets("vincia"))
    passed = np.arange(len(simulation)) % 3 > 0
    with h5py.File(tmp_path / "simulation.hdf5", "w") as file:
        file["gen"], file["pass_gen"] = simulation.gen[:, ::-1], passed
        file["gen"].attrs["columns"] = [c.name for c in simulation.gen_columns[::-1]]
    for rows in (slice(None), passed):
        events = simulation.gen[rows]
        given = Unfolded(events, np.linspace(0, 2, len(events)), simulation.gen_columns)
        unfolding.write(tmp_path / name, given, METADATA, weights_only=True)
        read, metadata = unfolding.read_unfolded(tmp_path / name, tmp_path / "simulation.hdf5")
        np.testing.assert_array_equal(read.gen, events)
        np.testing.assert_array_equal(read.weight, given.weight)
        assert metadata["events"] == len(events) and read.columns == given.columns
    with pytest.raises(InputError, match=rf"{name}: holds weights alone, expected the simulation with the 4000 events"):
        unfolding.read_unfolded(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name}: weights do not belong to the 6000 events of .*vincia, expected"):
        unfolding.read_unfolded(tmp_path / name, samples.zjets("vincia"))
    with h5py.File(tmp_path / "simulation.hdf5", "a") as file:
        file["gen"][1, 0] += 1e-3
    with pytest.raises(InputError, match="weights do not belong"):
        unfolding.read_unfolded(tmp_path / name, tmp_path / "simulation.hdf5")


GIVEN = unfolded()
BAD = {
    "no method": ({}, {"method": ...}, "metadata method is missing, expected a text"),
    "no selection": ({}, {"selection": ...}, "metadata selection is missing, expected a text"),
    "no seed": ({}, {"seed": ...}, "metadata seed is missing, expected an integer or None"),
    "seed": ({}, {"seed": 0.5}, "metadata seed is 0.5, expected an integer or None"),
    "method": ({}, {"method": None}, "metadata method is None, expected a text"),
    "systematics": ({}, {"systematics": "scale"}, "metadata systematics is 'scale', expected a list"),
    "no kind of replicas": ({}, {"replicas_kind": ...}, "metadata replicas_kind is missing, expected a text"),
    "no JSON": ({}, {"key": object}, "metadata cannot be written (type <class 'object'>), expected what JSON can hold"),
    "nan": ({}, {"theta": np.nan}, "metadata cannot be written ("),
    "nan gen": ({"gen": GIVEN.gen.at[3, 1].set(np.nan)}, {}, "/u.NAME:gen: n is nan in row 3, expected finite values"),
    "nan weight": (
        {"weight": GIVEN.weight.at[7].set(np.nan)},
        {},
        "NAME:weight: nan in row 7, expected finite wei",
    ),
    "sum": ({"weight": -GIVEN.weight}, {}, "NAME:weight: sum of weights -"),
    "pairs": ({"weight": GIVEN.weight[:9]}, {}, "rows are not paired (50 of gen, 9 of weight)"),
    "nan replica": (
        {"replicas": GIVEN.replicas.at[2, 5].set(np.inf)},
        {},
        "NAME:weight_replicas: inf in replica 2, expected finite weights",
    ),
    "replicas": ({"replicas": GIVEN.replicas.T}, {}, "weight_replicas: shape (50, 4), expected (replicas, 50)"),
    "none": ({"gen": GIVEN.gen[:0], "weight": GIVEN.weight[:0]}, {}, "NAME:gen: zero events, expected at least one"),
}


@pytest.mark.parametrize("suffix", ["hdf5", "parquet"])
@pytest.mark.parametrize("events, metadata, expected", BAD.values(), ids=BAD.keys())
def test_what_could_not_be_read_is_not_written(tmp_path, suffix, events, metadata, expected):
    metadata = {key: value for key, value in (METADATA | metadata).items() if value is not ...}
    with pytest.raises(InputError) as error:
        unfolding.write(tmp_path / f"u.{suffix}", dataclasses.replace(GIVEN, **events), metadata)
    assert expected.replace("NAME", suffix) in str(error.value)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(tmp_path / f"u.{suffix}"))
    assert not list(tmp_path.iterdir())


def test_events_in_memory_are_checked():
    unfolding.check_unfolded(GIVEN)
    with pytest.raises(InputError, match=r"^unfolded:weight: sum of weights -"):
        unfolding.check_unfolded(dataclasses.replace(GIVEN, weight=-GIVEN.weight))


@pytest.mark.parametrize("value", ["x" * 70_000, 2**80, -(2**63), 1e308], ids=["text", "integer", "edge", "float"])
@FORMATS
def test_large_metadata(tmp_path, name, value):
    unfolding.write(tmp_path / name, GIVEN, METADATA | {"large": value})
    assert unfolding.read_unfolded(tmp_path / name)[1]["large"] == value


def test_metadata_that_hdf5_cannot_hold(tmp_path):
    metadata = METADATA | {"runs": list(range(20_000))}
    with pytest.raises(InputError, match=r"u\.hdf5: metadata runs too long for HDF5, expected a list or mapping bel"):
        unfolding.write(tmp_path / "u.hdf5", GIVEN, metadata)
    assert not list(tmp_path.iterdir())
    unfolding.write(tmp_path / "u.parquet", GIVEN, metadata)
    assert unfolding.read_unfolded(tmp_path / "u.parquet")[1]["runs"] == metadata["runs"]


def relabelled(path, **changes):
    """The file with other metadata; None takes one away."""
    if path.suffix == ".hdf5":
        with h5py.File(path, "a") as file:
            for key, value in changes.items():
                if value is None:
                    del file.attrs[key]
                else:
                    file.attrs[key] = value
        return
    table = pq.read_table(path)
    metadata = json.loads(table.schema.metadata[b"hepjax.unfolded"]) | changes
    kept = {key: value for key, value in metadata.items() if value is not None}
    pq.write_table(table.replace_schema_metadata({"hepjax.unfolded": json.dumps(kept)}), path)


@pytest.mark.parametrize("suffix", ["hdf5", "parquet"])
@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"schema_version": 2}, "version 2 of schema hepjax.unfolded, expected 1; another hepjax wrote it"),
        ({"schema": None}, "schema without name, expected hepjax.unfolded, which hepjax writes"),
        ({"schema": "other"}, "schema other, expected hepjax.unfolded, which hepjax writes"),
        ({"seed": None, "events": None}, "metadata seed, events missing, expected all of schema hepjax.unfolded 1"),
    ],
    ids=["version", "none", "other", "incomplete"],
)
def test_other_schemas_are_refused(tmp_path, suffix, changes, expected):
    path = tmp_path / f"u.{suffix}"
    unfolding.write(path, unfolded(), METADATA)
    relabelled(path, **changes)
    with pytest.raises(InputError) as error:
        unfolding.read_unfolded(path)
    assert str(error.value) == f"{path}: {expected}"


def test_files_of_others(tmp_path):
    pq.write_table(pq.read_table(unfolded_parquet(tmp_path)).replace_schema_metadata({}), tmp_path / "bare.parquet")
    with pytest.raises(InputError, match=r"bare\.parquet: schema without name"):
        unfolding.read_unfolded(tmp_path / "bare.parquet")
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["weight"], file.attrs["about"] = np.ones(3), np.bytes_("no JSON")
    with pytest.raises(InputError, match=r"other\.hdf5: schema without name"):
        unfolding.read_unfolded(tmp_path / "other.hdf5")
    with pytest.raises(InputError, match=r"zjets\.hdf5:weight: missing key weight"):
        unfolding.read_unfolded(samples.zjets().path)
    with pytest.raises(InputError, match=r"none\.parquet: no such file, expected a parquet file of unfolded events"):
        unfolding.read_unfolded(tmp_path / "none.parquet")
    for call in (lambda p: unfolding.read_unfolded(p), lambda p: unfolding.write(p, GIVEN, METADATA)):
        with pytest.raises(InputError, match=r"u\.root: suffix \.root, expected one of \.hdf5, \.h5, \.parquet"):
            call(tmp_path / "u.root")


def unfolded_parquet(folder):
    unfolding.write(folder / "u.parquet", GIVEN, METADATA)
    return folder / "u.parquet"


@pytest.mark.parametrize("suffix", ["hdf5", "parquet"])
def test_a_write_that_fails_leaves_the_older_file(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"u.{suffix}"
    unfolding.write(path, GIVEN, METADATA)
    before = path.read_bytes()

    def full(target, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hepjax.files._sync", full)
    with pytest.raises(InputError, match=rf"u\.{suffix}: cannot be written \(No space left on device\)"):
        unfolding.write(path, unfolded(rows=9), METADATA)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(InputError, match=r"cannot be written \(.*No such file or directory"):
        unfolding.write(tmp_path / "none" / f"u.{suffix}", GIVEN, METADATA)


def test_without_the_extra_a_line_says_what_to_install(tmp_path, monkeypatch):
    path = unfolded_parquet(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet")
    for call in (lambda: unfolding.read_unfolded(path), lambda: unfolding.write(path, GIVEN, METADATA)):
        with pytest.raises(InputError, match=r"u\.parquet: .* needs pyarrow, expected .*'hepjax\[tables\]'"):
            call()
