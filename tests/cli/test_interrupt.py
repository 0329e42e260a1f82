"""Ctrl-C: one line that says what to do next, and exit code 130."""

import pytest

from hepjax.app import compare
from hepjax.pipelines.squirels import record

WORDS = {
    "squirels fit": ("squirels", "fit", "--fast", "fast.hdf5", "--full", "full.hdf5"),
    "compare": ("compare", "--reference", "full.hdf5", "--generated", "fast.hdf5"),
}


def stop(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_fit_says_that_resume_goes_on(files, tmp_path, run, monkeypatch, overwrite):
    def fit(*_, folder, **__):
        folder.mkdir(parents=True)
        stop()

    monkeypatch.setattr(record, "PIPELINE", record.PIPELINE._replace(fit=fit))
    words = [files / word if word.endswith("hdf5") else word for word in WORDS["squirels fit"]]
    if overwrite:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / ".hepjax").touch()
    code, error = run(*words, "--out", tmp_path / "out", *(["--overwrite"] if overwrite else []))
    instead = " in place of --overwrite" if overwrite else ""
    assert code == 130
    assert error == f"hepjax: stopped; the command goes on from its last checkpoint with --resume{instead}\n"


@pytest.mark.parametrize("begun", [False, True])
def test_a_report_begins_anew(tmp_path, run, monkeypatch, begun):
    def work(options):
        if begun:
            options.out.mkdir()
        stop()

    monkeypatch.setattr(compare, "run", work)
    code, error = run(*WORDS["compare"], "--out", tmp_path / "out")
    assert code == 130 and error.count("\n") == 1
    assert ("with --overwrite, since" in error) == begun and ("nothing is left" in error) != begun
