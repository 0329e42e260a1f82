"""Simulation and data of unfolding from EnergyFlow, ROOT and parquet files, and from several files."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from hepjax.data import samples, unfolding
from hepjax.data.unfolding import from_energyflow, from_tables
from hepjax.types import Column, InputError

ROWS = 40


def energyflow(path, rng, rows=ROWS, **other):
    """A file with the keys of EnergyFlow's Z + jets, and observables of which all are positive."""
    arrays = {"gen_Zs": rng.uniform(200, 300, (rows, 3))}
    for level in ("gen", "sim"):
        arrays[f"{level}_jets"] = rng.uniform(10, 100, (rows, 4))
        arrays[f"{level}_mults"] = rng.integers(1, 60, rows)
        for key in ("widths", "tau2s", "sdms", "zgs", "lhas", "ang2s"):
            arrays[f"{level}_{key}"] = rng.uniform(0.01, 0.5, rows)
    arrays |= other
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return arrays


def test_energyflow_observables_are_built_as_the_papers_do(tmp_path, rng):
    """Jet mass is column 3 and pT column 0; ln rho = 2 ln(m_SD / pT); tau21 = tau2 / width."""
    path = tmp_path / "Pythia26_Zjet_pTZ-200GeV_0.npz"
    arrays = energyflow(path, rng)
    read = unfolding.read(path)
    assert tuple(c.name for c in read.gen_columns) == unfolding.OBSERVABLES
    for level, values in (("gen", read.gen), ("sim", read.reco)):
        jets, of = arrays[f"{level}_jets"], {key: arrays[f"{level}_{key}"] for key in ("sdms", "tau2s", "widths")}
        expected = [
            jets[:, 3],
            arrays[f"{level}_mults"],
            of["widths"],
            2 * np.log(of["sdms"] / jets[:, 0]),
            arrays[f"{level}_zgs"],
            of["tau2s"] / of["widths"],
        ]
        np.testing.assert_allclose(values, np.stack(expected, -1), rtol=1e-6)
    other = unfolding.read_measured(path, ["rapidity", "pt_gev"])
    np.testing.assert_array_equal(other.reco, arrays["sim_jets"][:, [1, 0]].astype(np.float32))
    assert other.columns == (Column("rapidity"), Column("pt_gev", "GeV"))


def test_energyflow_jets_without_width_or_groomed_mass(tmp_path, rng):
    path, zero = tmp_path / "f.npz", np.zeros(ROWS)
    energyflow(path, rng, gen_widths=zero, gen_tau2s=zero, gen_sdms=zero, gen_zgs=zero)
    read = unfolding.read(path)
    assert (read.gen[:, 2:] == 0).all() and np.isfinite(read.gen).all()
    assert (read.reco[:, 2:] != 0).all()


def test_energyflow_needs_only_the_keys_of_what_is_asked_for(tmp_path, rng):
    path = tmp_path / "f.npz"
    energyflow(path, rng, gen_widths=None, gen_jets=None, sim_tau2s=None)
    assert unfolding.read_measured(path, ["mass_gev", "ln_rho"]).reco.shape == (ROWS, 2)
    with pytest.raises(InputError, match=r"f\.npz:sim_tau2s: missing key sim_tau2s, expected it .*found: .*sim_jets"):
        unfolding.read_measured(path)
    with pytest.raises(InputError, match=r"f\.npz:gen_jets: missing key gen_jets, expected it"):
        unfolding.read(path, reco=["width"])
    with pytest.raises(InputError, match=r"f\.npz:sim: no column z_pt_gev, expected z_pt_gev \(found: pt_gev, rap"):
        unfolding.read_measured(path, ["z_pt_gev"])


@pytest.mark.parametrize(
    "other, expected",
    [
        (dict(sim_widths=np.full(ROWS, np.nan)), r"f\.npz:sim: width is nan in row 0"),
        (dict(gen_jets=np.ones(ROWS)), r"f\.npz:gen_jets: float64 of shape \(40,\), expected numbers with 2 axes"),
        (dict(gen_mults=np.full(ROWS, "5")), r"f\.npz:gen_mults: <U1 of shape \(40,\), expected numbers with 1 axes"),
        (dict(sim_mults=np.ones(9)), r"f\.npz: rows are not paired \(40 of gen_jets, 9 of sim_mults\), expected"),
    ],
    ids=["nan", "axes", "text", "pairs"],
)
def test_bad_energyflow_content_is_one_line(tmp_path, rng, other, expected):
    energyflow(tmp_path / "f.npz", rng, **other)
    with pytest.raises(InputError, match=expected):
        unfolding.read(tmp_path / "f.npz")


def flat(rng, sim="sim_", rows=ROWS):
    """Columns of a flat table in an odd order, among others that are no observables."""
    names = ["tau21", "mass_gev", "n"]
    table = {f"{prefix}{name}": rng.uniform(1, 2, rows) for name in names for prefix in (sim, "gen_")}
    table["gen_n"] = rng.integers(1, 9, rows)
    return {"run": np.arange(rows), **table, "weight": rng.uniform(1, 2, rows), "pass_reco": np.arange(rows) % 4 > 0}


def write_flat(path, table):
    """The table as a ROOT tree `nominal/events` or as parquet, by the suffix of the path."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table(table), path)
        return
    with uproot.recreate(path) as file:
        file.mktree("nominal/events", {name: column.dtype for name, column in table.items()})
        file["nominal/events"].extend(table)


@pytest.mark.parametrize("suffix", ["root", "parquet"])
@pytest.mark.parametrize("sim", ["sim_", "reco_"])
def test_flat_tables(tmp_path, rng, suffix, sim):
    path, table = tmp_path / f"f.{suffix}", flat(rng, sim)
    write_flat(path, table)
    read = unfolding.read(path, gen=["n", "mass_gev"])
    expected = np.stack([table["gen_n"], table["gen_mass_gev"]], -1)
    np.testing.assert_array_equal(read.gen, expected.astype(np.float32))
    np.testing.assert_array_equal(read.weight, table["weight"])
    np.testing.assert_array_equal(read.pass_reco, table["pass_reco"])
    assert read.pass_gen.all() and read.gen_columns == (Column("n"), Column("mass_gev", "GeV"))
    assert {c.name for c in read.reco_columns} == {"n", "tau21", "mass_gev"}
    measured = unfolding.read_measured(path, ["tau21"])
    np.testing.assert_array_equal(measured.reco[:, 0], table[f"{sim}tau21"][table["pass_reco"]].astype(np.float32))
    truth = unfolding.read_truth(path, ["tau21"])
    assert truth.gen.shape == (ROWS, 1) and truth.weight.shape == (ROWS,)


@pytest.mark.parametrize("suffix", ["root", "parquet"])
def test_bad_flat_tables_are_one_line(tmp_path, rng, suffix):
    path, good = tmp_path / f"f.{suffix}", flat(rng)

    def message(table, read=unfolding.read, **asked):
        write_flat(path, table)
        with pytest.raises(InputError) as error:
            read(path, **asked)
        assert "\n" not in str(error.value) and str(error.value).startswith(str(path))
        return str(error.value).removeprefix(str(path))

    found = "(found: tau21, mass_gev, n)"
    assert message(good, gen=["z_g"]) == f":gen_*: no column z_g, expected z_g {found}"
    without = {name: column for name, column in good.items() if not name.startswith("sim_")}
    assert message(without).startswith(
        ": no columns at sim, expected sim_<name> or reco_<name> (found: run, gen_tau21,"
    )
    nan = np.where(np.arange(ROWS) == 5, np.nan, good["sim_n"])
    assert message(good | {"sim_n": nan}) == ":sim: n is nan in row 5, expected finite values in events that pass"
    assert message(good | {"weight": -good["weight"]}).startswith(":weight: sum of weights -")
    flags = np.where(good["pass_reco"], 1.0, 0.0)
    assert message(good | {"pass_reco": flags}).startswith(":pass_reco: type float64, expected booleans")


def test_parquet_of_missing_values_and_texts(tmp_path, rng):
    path, good = tmp_path / "f.parquet", flat(rng)
    write_flat(path, good | {"gen_n": pa.array([None, *good["gen_n"][1:]])})
    with pytest.raises(InputError, match="gen: n is nan in row 0"):
        unfolding.read(path)
    write_flat(path, good | {"gen_n": pa.array(["a"] * ROWS)})
    with pytest.raises(InputError, match="gen_n: type object, expected numbers"):
        unfolding.read(path)


def test_tree_of_a_root_file(tmp_path, rng):
    path, table = tmp_path / "f.root", flat(rng)
    write_flat(path, table)
    assert len(unfolding.read(f"{path}:nominal/events")) == ROWS
    with pytest.raises(InputError, match=r"f\.root:up: no such tree, expected .* \(in this file: nominal/events\)"):
        unfolding.read(f"{path}:up")
    with uproot.update(path) as file:
        file.mktree("up", {"gen_n": "f4"})
    with pytest.raises(InputError, match=r"f\.root: no such tree, .* \(in this file: nominal/events, up\)"):
        unfolding.read(path)


@pytest.mark.parametrize(
    "suffix, kind", [("root", "a ROOT file"), ("parquet", "a parquet file"), ("npz", "a file of E")]
)
def test_files_that_are_missing_or_not_whole(tmp_path, rng, suffix, kind):
    path = tmp_path / f"f.{suffix}"
    with pytest.raises(InputError, match=rf"f\.{suffix}: no such file, expected {kind}"):
        unfolding.read(path)
    if suffix == "npz":
        energyflow(path, rng)
    else:
        write_flat(path, flat(rng))
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"energies: 1, 2, 3"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"f\.{suffix}: cannot be read \(.+\), expected {kind}.* that is whole$"):
            unfolding.read(path)


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_formats_without_groups(tmp_path, rng, suffix):
    path = tmp_path / f"f.{suffix}"
    (write_flat(path, flat(rng)) if suffix == "parquet" else energyflow(path, rng))
    with pytest.raises(InputError, match=rf"f\.{suffix}:events: names a group, expected .*f\.{suffix} alone"):
        unfolding.read(f"{path}:events")


@pytest.mark.parametrize("suffix, package", [("root", "uproot"), ("parquet", "pyarrow")])
def test_without_the_extra_a_line_says_what_to_install(tmp_path, rng, monkeypatch, suffix, package):
    write_flat(tmp_path / f"f.{suffix}", flat(rng))
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet", raising=False)
    with pytest.raises(InputError, match=rf"needs {package}, expected .*: pip install 'hepjax\[tables\]'"):
        unfolding.read(tmp_path / f"f.{suffix}")


@pytest.mark.parametrize("suffix", ["root", "parquet", "npz"])
def test_misnamed_weights_are_noted_in_all_formats(tmp_path, rng, suffix, caplog):
    path = tmp_path / f"f.{suffix}"
    if suffix == "npz":
        energyflow(path, rng, weights=np.ones(ROWS))
    else:
        table = flat(rng)
        write_flat(path, {"weights": table.pop("weight"), **table})
    unfolding.read(path)
    (record,) = caplog.records
    assert "no weight, so every event weighs one; weights is not read" in record.message


def test_energyflow_weights_and_flags(tmp_path, rng):
    passed = np.arange(ROWS) % 2 == 0
    energyflow(tmp_path / "f.npz", rng, weight=np.arange(1.0, ROWS + 1), pass_reco=passed)
    read = unfolding.read(tmp_path / "f.npz")
    np.testing.assert_array_equal(read.weight, np.arange(1.0, ROWS + 1))
    np.testing.assert_array_equal(read.pass_reco, passed)
    assert read.pass_gen.all()


def test_several_files_one_after_the_other(tmp_path, rng):
    """By wildcards, in a list, and of other formats; the columns of the first are those of all."""
    tables = [flat(rng, rows=n) for n in (3, 5, 4)]
    for i, table in enumerate(tables):
        write_flat(tmp_path / f"f{i}.parquet", table if i != 1 else dict(reversed(table.items())))
    whole = np.concatenate([np.stack([t["gen_tau21"], t["gen_mass_gev"], t["gen_n"]], -1) for t in tables])
    read = unfolding.read(tmp_path / "f*.parquet")
    np.testing.assert_array_equal(read.gen, whole.astype(np.float32))
    assert len(read.weight) == len(read.pass_reco) == len(read.reco) == 12
    listed = unfolding.read([tmp_path / "f0.parquet", str(tmp_path / "f[12].parquet")])
    np.testing.assert_array_equal(listed.reco, read.reco)
    with pytest.raises(InputError, match=r"g\*\.parquet: no such files, expected at least one"):
        unfolding.read(tmp_path / "g*.parquet")
    other = unfolding.read([samples.zjets("pythia"), samples.zjets("vincia")])
    assert len(other) == 18_000


def test_several_files_are_checked_one_by_one(tmp_path, rng):
    good = flat(rng)
    write_flat(tmp_path / "a.parquet", good)
    write_flat(tmp_path / "b.parquet", good | {"sim_n": np.full(ROWS, np.inf)})
    with pytest.raises(InputError, match=r"b\.parquet:sim: n is inf in row 1,"):
        unfolding.read(tmp_path / "*.parquet")
    write_flat(tmp_path / "b.parquet", {k: v for k, v in good.items() if k != "gen_n"})
    with pytest.raises(InputError, match=r"b\.parquet:gen_\*: no column n,"):
        unfolding.read(tmp_path / "*.parquet")


@pytest.mark.parametrize("suffix", ["root", "parquet"])
@pytest.mark.parametrize("name", ["gen_n", "weight"])
def test_an_array_an_event_is_named(tmp_path, rng, suffix, name):
    """Of equal lengths, and of lengths that differ."""
    path, good = tmp_path / f"f.{suffix}", flat(rng)
    equal = np.ones((ROWS, 3), np.float32)
    for arrays in (pa.array(list(equal)), pa.array([[1.0] * (i % 3) for i in range(ROWS)])):
        if suffix == "root":
            with uproot.recreate(path) as file:
                file.mktree(
                    "events", {key: ("f4", (3,)) if key == name else value.dtype for key, value in good.items()}
                )
                file["events"].extend(good | {name: equal})
        else:
            write_flat(path, good | {name: arrays})
        with pytest.raises(InputError, match=rf"f\.{suffix}:{name}: an array an event, expected one number$"):
            unfolding.read(path)


def test_columns_of_the_same_name_are_named(tmp_path, rng):
    path, good = tmp_path / "f.parquet", flat(rng)
    names = [*good, "gen_n"]
    pq.write_table(pa.table([*map(pa.array, good.values()), pa.array(good["gen_n"])], names=names), path)
    with pytest.raises(InputError, match=r"f\.parquet:gen_n: several columns of this name, expected one"):
        unfolding.read(path)


@pytest.mark.parametrize("suffix", ["root", "parquet", "npz"])
def test_an_error_of_ours_does_not_look_like_a_damaged_file(tmp_path, rng, monkeypatch, suffix):
    path = tmp_path / f"f.{suffix}"
    energyflow(path, rng) if suffix == "npz" else write_flat(path, flat(rng))

    def broken(*args):
        raise RuntimeError("a mistake")

    module = from_energyflow if suffix == "npz" else from_tables
    monkeypatch.setattr(module, "float32", broken)
    with pytest.raises(RuntimeError, match="a mistake"):
        unfolding.read(path)


def test_a_codec_that_is_missing_is_named(tmp_path, rng, monkeypatch):
    write_flat(tmp_path / "f.root", flat(rng))

    def lacking(*args, **kwargs):
        raise ModuleNotFoundError("install the 'xxhash' package with:\n\n    pip install xxhash")

    monkeypatch.setattr(uproot, "open", lacking)
    with pytest.raises(InputError, match=r"needs a package that is not installed \(install the 'xxhash' package with:"):
        unfolding.read(tmp_path / "f.root")
