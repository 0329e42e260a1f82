"""Reading simulation and data of unfolding from HDF5: by name, and one clear line for everything that can be wrong."""

import dataclasses

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.data import samples, unfolding
from hepjax.data.unfolding import columns
from hepjax.types import Column, InputError, Measured, Unfolding

NAMES = ["pt_gev", "width", "depth_mm", "tau21"]
ROWS = 6
GEN = np.arange(ROWS * 4, dtype=np.float32).reshape(ROWS, 4) + 1
SIM = GEN + 0.5


def raw(path, group="/", attrs=None, **data):
    """An HDF5 file with the data sets as they are, good or bad; None leaves one out."""
    with h5py.File(path, "w") as file:
        parent = file.require_group(group)
        for key, values in ({"gen": GEN, "sim": SIM} | data).items():
            if values is not None:
                parent[key] = values
        parent.attrs.update({"columns": NAMES} if attrs is None else attrs)
    return path


def changed(values, index, value):
    """A copy with one element replaced."""
    copy = np.array(values)
    copy[index] = value
    return copy


ONES, PASS = np.ones(ROWS), np.ones(ROWS, bool)
BAD = {
    "unpaired rows": (dict(sim=SIM[:5]), "rows are not paired (6 of gen, 5 of sim), expected as many of each"),
    "unpaired weight": (dict(weight=ONES[:4]), "rows are not paired (6 of gen, 4 of weight)"),
    "scalar weight": (dict(weight=2.0), "rows are not paired (6 of gen, 1 of weight), expected as many of each"),
    "unpaired flag": (dict(pass_reco=PASS[:4]), "rows are not paired (6 of gen, 4 of pass_reco)"),
    "empty": (dict(gen=GEN[:0], sim=SIM[:0]), "bad.hdf5:gen: zero events, expected at least one"),
    "missing gen": (dict(gen=None), "bad.hdf5:gen: missing key gen, expected gen and sim (found: sim)"),
    "missing sim": (dict(sim=None), "bad.hdf5:sim: missing key sim, expected gen and sim (found: gen)"),
    "nan gen": (dict(gen=changed(GEN, (2, 1), np.nan)), "gen: width is nan in row 2, expected finite values in events"),
    "inf sim": (dict(sim=changed(SIM, (3, 0), -np.inf)), "sim: pt_gev is -inf in row 3, expected finite values in"),
    "over float32": (
        dict(gen=changed(GEN.astype(float), (1, 3), 1e300)),
        "gen: tau21 is inf in row 1, expected finite",
    ),
    "nan weight": (dict(weight=changed(ONES, 4, np.nan)), "weight: nan in row 4, expected finite weights"),
    "zero sum": (dict(weight=0 * ONES), "weight: sum of weights 0, expected above zero over the 6 events that pass at"),
    "negative sum": (dict(weight=changed(ONES, 0, -9)), "sum of weights -4, expected above zero over the 6 events"),
    "negative sum of what passes": (
        dict(weight=changed(ONES, 0, -2), pass_reco=np.arange(ROWS) < 2),
        "weight: sum of weights -1, expected above zero over the 2 events that pass at sim",
    ),
    "all fail reco": (dict(pass_reco=~PASS), "bad.hdf5:pass_reco: all 6 events fail, expected some that pass"),
    "all fail gen": (dict(pass_gen=~PASS), "bad.hdf5:pass_gen: all 6 events fail, expected some that pass"),
    "float flag": (dict(pass_reco=ONES), "pass_reco: type float64, expected booleans, or integers that are all 0 or 1"),
    "flag of dummies": (dict(pass_gen=changed(PASS.astype(int), 2, -10)), "pass_gen: type int64, expected booleans"),
    "flag of two axes": (dict(pass_gen=np.ones((ROWS, 1), bool)), "pass_gen: bool of shape (6, 1), expected booleans"),
    "weight of two axes": (dict(weight=np.ones((ROWS, 1))), "weight: shape (6, 1), expected (events,)"),
    "strings": (dict(gen=np.full((ROWS, 4), b"1.0")), "gen: type |S3, expected numbers"),
    "weight of strings": (dict(weight=np.full(ROWS, b"1.0")), "weight: type |S3, expected numbers"),
    "one axis": (dict(sim=SIM[:, 0]), "sim: shape (6,), expected (events, columns)"),
    "no columns": (
        dict(attrs={}),
        "gen: columns without names, expected an attribute `columns` with 4 different names",
    ),
    "few columns": (dict(attrs={"columns": NAMES[:3]}), "gen: columns pt_gev, width, depth_mm, expected an attribute"),
    "columns twice": (dict(attrs={"columns": ["a", "b", "b", "c"]}), "columns a, b, b, c, expected an attribute `col"),
    "few units": (dict(attrs={"columns": NAMES, "units": ["GeV"]}), "gen: 1 units, expected one for each of 4 columns"),
}


@pytest.mark.parametrize("data, expected", BAD.values(), ids=BAD.keys())
def test_bad_content_is_one_line(tmp_path, data, expected):
    with pytest.raises(InputError) as error:
        unfolding.read(raw(tmp_path / "bad.hdf5", **data))
    assert expected in str(error.value)
    assert "\n" not in str(error.value) and str(error.value).startswith(str(tmp_path / "bad.hdf5"))


def test_data_pass_every_check_of_theirs_and_no_other(tmp_path):
    """The same words as from `read` where detector level is amiss; particle level is not looked at."""
    ours = {name: case for name, case in BAD.items() if {"sim", "weight", "pass_reco"} & set(case[0])}
    assert len(ours) > 10
    for name, (data, _) in ours.items():
        if data.get("sim", SIM) is not None and len(data.get("sim", SIM)) == ROWS:
            with pytest.raises(InputError):
                unfolding.read_measured(raw(tmp_path / f"{name}.hdf5", **data))
    for bad in (None, np.full((2, 9), np.nan), np.zeros(0)):
        assert len(unfolding.read_measured(raw(tmp_path / "f.hdf5", gen=bad, pass_gen=~PASS[:1]))) == ROWS
    with pytest.raises(InputError, match=r"sim: missing key sim, expected sim \(found: gen\)"):
        unfolding.read_measured(raw(tmp_path / "f.hdf5", sim=None))


def test_truth_needs_no_detector_level(tmp_path):
    passed = np.arange(ROWS) % 2 == 0
    path = raw(tmp_path / "f.hdf5", sim=None, weight=np.arange(6.0), pass_gen=passed, pass_reco=~PASS)
    truth = unfolding.read_truth(path, ["tau21", "pt_gev"])
    np.testing.assert_array_equal(truth.gen, GEN[passed][:, [3, 0]])
    np.testing.assert_array_equal(truth.weight, [0, 2, 4])
    assert truth.columns == (Column("tau21"), Column("pt_gev", "GeV"))
    with pytest.raises(InputError, match=r"f\.hdf5:gen: no column mass_gev, expected mass_gev \(found: pt_gev, wid"):
        unfolding.read_truth(path, ["mass_gev"])


def test_defaults_of_what_a_file_need_not_say(tmp_path):
    read = unfolding.read(raw(tmp_path / "f.hdf5"))
    np.testing.assert_array_equal(read.gen, GEN)
    np.testing.assert_array_equal(read.reco, SIM)
    assert (read.weight == 1).all() and read.pass_gen.all() and read.pass_reco.all()
    assert read.gen_columns == read.reco_columns
    assert [c.unit for c in read.gen_columns] == ["GeV", "", "mm", ""]
    for array, dtype in ((read.gen, np.float32), (read.reco, np.float32), (read.weight, np.float64)):
        assert type(array) is np.ndarray and array.dtype == dtype


def test_weights_and_flags_are_read_and_may_be_negative_and_integers(tmp_path):
    flag, weight = np.arange(ROWS) % 2, changed(ONES, 1, -0.5)
    path = raw(tmp_path / "f.hdf5", weight=weight, pass_reco=flag.astype(np.int8), pass_gen=flag == 0)
    read = unfolding.read(path)
    assert read.pass_reco.dtype == read.pass_gen.dtype == bool
    np.testing.assert_array_equal(read.pass_reco, ~read.pass_gen)
    np.testing.assert_array_equal(read.weight, weight)
    measured = unfolding.read_measured(raw(path, weight=weight, pass_reco=flag == 0))
    np.testing.assert_array_equal(measured.reco, SIM[flag == 0])
    np.testing.assert_array_equal(measured.weight, weight[flag == 0])


def test_values_of_an_event_that_fails_are_not_looked_at(tmp_path):
    passed = np.arange(ROWS) != 2
    nan = np.where(passed[:, None], SIM, np.nan)
    read = unfolding.read(raw(tmp_path / "f.hdf5", sim=nan, pass_reco=passed))
    assert np.isnan(read.reco[2]).all()
    assert np.isfinite(unfolding.read_measured(tmp_path / "f.hdf5").reco).all()


def test_columns_are_selected_by_name_whatever_their_order(tmp_path):
    """A file with other columns first and in another order gives the same records."""
    order = [2, 0, 3, 1]
    attrs = {"columns": [NAMES[i] for i in order]}
    asked = dict(gen=["tau21", "pt_gev"], reco=["width"])
    straight = unfolding.read(raw(tmp_path / "a.hdf5"), **asked)
    mixed = unfolding.read(raw(tmp_path / "b.hdf5", gen=GEN[:, order], sim=SIM[:, order], attrs=attrs), **asked)
    np.testing.assert_array_equal(straight.gen, GEN[:, [3, 0]])
    np.testing.assert_array_equal(mixed.gen, straight.gen)
    np.testing.assert_array_equal(mixed.reco, straight.reco)
    assert mixed.gen_columns == straight.gen_columns == (Column("tau21"), Column("pt_gev", "GeV"))
    np.testing.assert_array_equal(unfolding.read_measured(tmp_path / "b.hdf5", ["width"]).reco, SIM[:, [1]])


@pytest.mark.parametrize(
    "asked, expected",
    [
        (["width", "mass_gev"], "no column mass_gev, expected width, mass_gev (found: pt_gev, width, depth_mm, tau21)"),
        ([], "columns none, expected at least one"),
        (["width", "width"], "columns width, width, expected at least one, and none twice"),
    ],
    ids=["missing", "none", "twice"],
)
def test_columns_that_cannot_be_had(tmp_path, asked, expected):
    address = f"{raw(tmp_path / 'f.hdf5', group='pythia')}:pythia"
    for level, read in {
        "gen": lambda: unfolding.read(address, gen=asked),
        "sim": lambda: unfolding.read_measured(address, asked),
    }.items():
        with pytest.raises(InputError) as error:
            read()
        assert str(error.value).startswith(f"{address}/{level}: {expected}")


def test_columns_and_units_of_a_data_set_go_before_those_of_the_file(tmp_path):
    path = raw(tmp_path / "f.hdf5", group="g")
    with h5py.File(path, "a") as file:
        file["g/sim"].attrs["columns"] = np.array(["energy", "width", "x", "y"], "S")
        file["g/sim"].attrs["units"] = ["MeV", "", "cm", "cm"]
    read = unfolding.read(f"{path}:g")
    assert read.reco_columns == (Column("energy", "MeV"), Column("width"), Column("x", "cm"), Column("y", "cm"))
    assert [c.name for c in read.gen_columns] == NAMES


def test_the_six_observables_are_the_default_where_they_are_all_there(tmp_path):
    names = ["pt_gev", *reversed(columns.OBSERVABLES)]
    table = np.arange(14.0).reshape(2, 7)
    read = unfolding.read(raw(tmp_path / "f.hdf5", gen=table, sim=table, attrs={"columns": names}))
    assert tuple(c.name for c in read.gen_columns) == columns.OBSERVABLES
    np.testing.assert_array_equal(read.reco, table[:, :0:-1])


def test_several_files_must_be_paired_one_by_one_and_have_the_same_units(tmp_path):
    """A row too many in one file cannot make up for one too few in the next."""
    one, two = raw(tmp_path / "1.hdf5", gen=GEN[:5]), raw(tmp_path / "2.hdf5", sim=SIM[:5])
    with pytest.raises(InputError, match=r"1\.hdf5: rows are not paired \(5 of gen, 6 of sim\)"):
        unfolding.read([one, two])
    raw(one, attrs={"columns": NAMES, "units": ["GeV", "", "mm", ""]})
    raw(two, attrs={"columns": NAMES[::-1], "units": ["", "mm", "", "GeV"]})
    np.testing.assert_array_equal(unfolding.read_measured([one, two]).reco, np.concatenate([SIM, SIM[:, ::-1]]))
    raw(two, attrs={"columns": NAMES, "units": ["MeV", "", "mm", ""]})
    with pytest.raises(InputError, match=r"2\.hdf5:sim: pt_gev in units 'MeV', expected 'GeV' as in the first file"):
        unfolding.read_measured(tmp_path / "?.hdf5")


def test_several_files_have_the_same_weights_and_flags_or_none(tmp_path):
    """What one file lacks is no default where another has it, whichever comes first."""
    one, two = raw(tmp_path / "1.hdf5", weight=0.01 * ONES, pass_reco=PASS), raw(tmp_path / "2.hdf5", pass_reco=PASS)
    line = r"^\S+2\.hdf5:weight: missing key weight, expected it as \S+1\.hdf5 has it$"
    for files in ([one, two], [two, one], [one, one, two]):
        with pytest.raises(InputError, match=line):
            unfolding.read(files)
    raw(two, weight=ONES)
    for read in (unfolding.read, unfolding.read_measured):
        with pytest.raises(InputError, match=r"2\.hdf5:pass_reco: missing key pass_reco, expected it as"):
            read(tmp_path / "?.hdf5")
    assert len(unfolding.read_truth(tmp_path / "?.hdf5")) == 2 * ROWS  # does not ask for it


def test_names_that_are_nearly_those_of_weights_and_flags_are_noted(tmp_path, caplog):
    unfolding.read(raw(tmp_path / "f.hdf5", mc_weight=ONES, pass_truth=PASS, pass_reco=PASS))
    line = "no {0}, so every event {1}; {2} is not read: expected the name {0} if it is meant"
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / 'f.hdf5'}: {line.format('weight', 'weighs one', 'mc_weight')}",
        f"{tmp_path / 'f.hdf5'}: {line.format('pass_gen', 'passes', 'pass_truth')}",
    ]
    caplog.clear()
    unfolding.read(raw(tmp_path / "f.hdf5", weight=ONES, mc_weight=ONES, pass_gen=PASS, pass_reco=PASS))
    assert not caplog.records


def test_weights_too_small_for_float32_are_kept(tmp_path):
    """A cross section in square metres, an event."""
    np.testing.assert_array_equal(unfolding.read(raw(tmp_path / "f.hdf5", weight=3e-50 * ONES)).weight, 3e-50)


@pytest.mark.parametrize("name, unit", [("e_tev", "TeV"), ("e_mev", "MeV"), ("gev", "GeV"), ("mm_x", ""), ("", "")])
def test_units_from_names(name, unit):
    assert columns.column(name) == Column(name, unit)
    assert columns.column(name, "").unit == ""


def simulation(**other):
    """A small simulation in memory."""
    named = tuple(Column(name) for name in NAMES)
    good = Unfolding(GEN, SIM, np.ones(ROWS), PASS, PASS, named, named)
    return dataclasses.replace(good, **{key: jnp.asarray(value) for key, value in other.items()})


def test_simulation_in_memory_is_checked():
    unfolding.check(simulation())
    unfolding.check(simulation(weight=changed(ONES, 0, -1)))
    with pytest.raises(InputError, match=r"^simulation:weight: -1\.0 in row 0, expected .* that are not negative$"):
        unfolding.check(simulation(weight=changed(ONES, 0, -1)), negative_weights=False)
    with pytest.raises(InputError, match=r"^toys:pass_reco: int32 of shape \(6,\), expected booleans"):
        unfolding.check(simulation(pass_reco=PASS.astype(np.int32)), "toys")
    with pytest.raises(InputError, match=r"gen: shape \(6, 3\), expected \(events, 4\), one for each of its columns"):
        unfolding.check(simulation(gen=GEN[:, :3]))
    with pytest.raises(InputError, match="rows are not paired"):
        unfolding.check(simulation(pass_gen=PASS[:2]))


def test_data_in_memory_are_checked():
    data = Measured(SIM, changed(ONES, 3, -1), tuple(Column(name) for name in NAMES))
    unfolding.check_measured(data)
    with pytest.raises(InputError, match=r"^background:weight: -1\.0 in row 3"):
        unfolding.check_measured(data, "background", negative_weights=False)
    with pytest.raises(InputError, match=r"^data:sim: zero events"):
        unfolding.check_measured(data[:0])


def test_missing_file_group_and_key(tmp_path):
    with pytest.raises(InputError, match=r"none\.hdf5: no such file, expected an HDF5 file"):
        unfolding.read(tmp_path / "none.hdf5")
    with pytest.raises(InputError, match=r"zjets\.hdf5:herwig: no such group, .* \(in this file: pythia, vincia\)"):
        unfolding.read(samples.zjets("herwig"))
    with pytest.raises(InputError, match=r"zjets\.hdf5:gen: missing key gen, .* \(found: pythia, vincia\)"):
        unfolding.read(samples.zjets())
