"""An output is never an input: no command writes over what it reads, by whatever name."""

import dataclasses
import os
import shutil
import typing
from pathlib import Path

import pytest

from hepjax.app import cli

OTHERS = {"beside", "command", "conditions", "coordinator", "observables", "out", "selection"}


def every_command(kind):
    """The classes of options of all commands, those of a pipeline's own commands too."""
    found = []
    for one in typing.get_args(kind):
        command = typing.get_args(one)[0]
        hint = typing.get_type_hints(command, include_extras=True).get("command")
        nested = typing.get_origin(hint) is typing.Annotated
        found += every_command(typing.get_args(hint)[0]) if nested else [command]
    return found


def test_every_option_is_known_to_name_a_file_or_not():
    """A new option that is a text or a path is marked as one to read, or belongs to those above."""
    commands = every_command(cli.commands())
    assert len(commands) > 10
    for command in commands:
        hints = typing.get_type_hints(command)
        named = {n for n, hint in hints.items() if "str" in str(hint) or "Path" in str(hint) or hint in (str, Path)}
        assert named - OTHERS == {field.name for field in dataclasses.fields(command) if field.metadata.get("read")}


@pytest.fixture
def folder(files, tmp_path, monkeypatch):
    """Copies of the files, to be destroyed, as the working folder."""
    for name in ("fast", "full", "test"):
        shutil.copy(files / f"{name}.hdf5", tmp_path)
    shutil.copytree(files / "run", tmp_path / "run")
    (tmp_path / ".hepjax").touch()
    (tmp_path / "run" / ".hepjax").touch()
    (tmp_path / "soft.hdf5").symlink_to(tmp_path / "test.hdf5")
    os.link(tmp_path / "test.hdf5", tmp_path / "hard.hdf5")
    (tmp_path / "here").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


REFINE = "squirels refine --model run --fast {} --out {} --overwrite"
APPLY = "calibrate apply --model run --showers {} --out {} --overwrite"
REFUSED = {
    "the same": (REFINE, "test.hdf5", "test.hdf5", "test.hdf5: is the input fast too, expected another output"),
    "a group": (REFINE, "test.hdf5:one", "test.hdf5", "test.hdf5: is the input fast too"),
    "another path": (REFINE, "test.hdf5", "run/../test.hdf5", "test.hdf5: is the input fast too"),
    "soft link": (REFINE, "test.hdf5", "soft.hdf5", "soft.hdf5: is the input fast too"),
    "input by a soft link": (REFINE, "soft.hdf5", "test.hdf5", "test.hdf5: is the input fast too"),
    "hard link": (REFINE, "test.hdf5", "hard.hdf5", "hard.hdf5: is the input fast too"),
    "folder by a link": (REFINE, "test.hdf5", "here/test.hdf5", "here/test.hdf5: is the input fast too"),
    "in the model": (REFINE, "test.hdf5", "run/checkpoint/x.hdf5", "lies in the input model (run/checkpoint)"),
    "calibrate": (APPLY, "test.hdf5", "test.hdf5", "test.hdf5: is the input showers too"),
    "score": ("anomaly score --model run --showers {} --out {} --overwrite", "test.hdf5", "test.hdf5", "showers too"),
    "sample": ("caloflow sample --model run --energies {} --out {} --overwrite", "test.hdf5", "test.hdf5", "energies"),
    "unfold": ("unfold apply --model run --data {} --out {} --overwrite", "t*.hdf5", "test.hdf5", "the input data too"),
    "report": ("compare --reference full.hdf5 --generated {} --out {} --overwrite", "fast.hdf5", ".", "holds the"),
    "export": ("export --model {} --out {} --overwrite", "run", "run", "run: holds the input model (run/checkpoint)"),
    "fit": ("squirels fit --fast fast.hdf5 --full {} --out {} --overwrite", "full.hdf5", ".", "holds the input fast"),
    "several": (
        "calochallenge evaluate --dataset 2 --reference /x.hdf5 --generated fast.hdf5 {} --out {} --overwrite",
        "test.hdf5", "here", "here: holds the input generated (fast.hdf5)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("command, read, out, expected", REFUSED.values(), ids=REFUSED)
def test_an_output_that_is_an_input_is_refused(command, read, out, expected, refused, folder):
    refused(expected, *command.format(read, out).split())


def test_results_may_lie_beside_the_checkpoint(run, folder):
    (folder / "run" / "old.hdf5").write_text("older results")
    assert run(*REFINE.format("test.hdf5", "run/old.hdf5").split())[0] == 0
    assert run(*REFINE.format("test.hdf5", "new.hdf5").split())[0] == 0


def test_an_output_file_that_is_a_folder(refused, folder):
    (folder / "empty").mkdir()
    refused("empty: is a folder, expected the name of an output file", *REFINE.format("test.hdf5", "empty").split())
