"""The command line as a process: instant help, exit codes, and one line for what goes wrong."""

import subprocess
import sys

import pytest

from hepjax.app import cli, compare
from hepjax.training import TrainingError
from hepjax.types import InputError

COMPARE = ["compare", "--reference", "a.hdf5", "--generated", "b.hdf5", "--out", "out"]


@pytest.mark.parametrize("words", [[], ["squirels", "fit"], ["compare"]], ids=" ".join)
def test_help_imports_no_jax(words):
    script = f"""
import sys
from hepjax.app import cli
try:
    cli.main({[*words, "--help"]})
except SystemExit as end:
    heavy = [name for name in ("jax", "flax", "sklearn", "matplotlib", "h5py") if name in sys.modules]
    print(end.code, heavy, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.strip() == "0 []"
    assert "usage: hepjax" in done.stdout


def test_help_tells_every_option(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["squirels", "fit", "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    for option in ("--fast", "--full", "--out", "--seed", "--overwrite", "--resume", "--config.shape-training.epochs"):
        assert option in text


def test_a_command_in_a_process_of_its_own(tmp_path):
    words = ["compare", "--reference", "none.hdf5:full/test", "--generated", "none.hdf5", "--out", "out"]
    done = subprocess.run([sys.executable, "-m", "hepjax", *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == "hepjax: none.hdf5: no such file, expected an HDF5 file\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["compare"], ["no-such-command"], [*COMPARE, "--seed", "one"]], ids=" ".join)
def test_words_that_are_no_command_end_with_2(words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2


@pytest.mark.parametrize("error, code", [(InputError("bad"), 2), (TrainingError("shape: loss is not finite"), 1)])
def test_errors_are_one_line(error, code, monkeypatch, capsys):
    def fail(options):
        raise error

    monkeypatch.setattr(compare, "run", fail)
    assert cli.main(COMPARE) == code
    assert capsys.readouterr().err == f"hepjax: {error}\n"
