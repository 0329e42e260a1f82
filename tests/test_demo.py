"""The demo on a handful of the embedded showers: its files, its numbers, and the folders it replaces."""

import dataclasses
import json

import pytest
from toys import TINY, physical

from hepjax import data
from hepjax.app import demo
from hepjax.types import InputError

pytestmark = pytest.mark.usefixtures("fast_compilation")


@pytest.fixture
def small(monkeypatch):
    """Paper's coordinates, which compile in little time, and the first showers of every sample."""
    read, rows = data.showers.read, {"fast/train": 240, "full/train": 200, "fast/test": 128, "full/test": 128}
    monkeypatch.setattr(demo, "CONFIG", dataclasses.replace(TINY, coordinates="zscore", validation=0.0))
    monkeypatch.setattr(data.showers, "read", lambda address: read(address)[: rows.get(address.group)])


def test_the_demo_leaves_its_results_and_replaces_its_own(small, tmp_path, capsys):
    out = tmp_path / "runs" / "demo"
    with data.output.claim(out) as older:
        (older / "stale.txt").write_text("of an older demo")
    demo.run(out)
    assert {p.name for p in tmp_path.joinpath("runs").iterdir()} == {"demo"}
    files = {"config.json", "metrics.json", "history.csv", "report.html", "refined.hdf5", "figures", "checkpoint"}
    assert {p.name for p in out.iterdir()} == files | {".hepjax"}
    metrics = json.loads((out / "metrics.json").read_text())
    assert 0 < metrics["auc_fast"] <= 1 and 0 < metrics["auc_refined"] <= 1
    assert metrics["auc_fast"] == metrics["baseline"]["auc_mlp"] and metrics["auc_refined"] == metrics["auc_mlp"]
    assert metrics["seconds_fit"] > 0 and metrics["ms_per_shower"] > 0
    printed = capsys.readouterr().out
    assert "AUC" in printed and "report.html" in printed
    refined = data.showers.read(data.Address(out / "refined.hdf5"))
    assert physical(refined) and len(refined) == 128


def test_a_folder_of_somebody_else_stays(small, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="folder was not made by hepjax"):
        demo.run(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
