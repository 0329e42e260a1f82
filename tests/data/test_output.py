"""Output folders: nothing of the user's is lost, nothing half done is left."""

import errno

import pytest

from hepjax.data import output
from hepjax.types import InputError


def finished(path, text="old"):
    """A folder of an earlier run."""
    with output.claim(path) as folder:
        (folder / "metrics.json").write_text(text)
    return path


def names(path):
    return sorted(p.name for p in path.iterdir())


def test_new_folder_with_parents(tmp_path):
    finished(tmp_path / "runs" / "one")
    assert names(tmp_path / "runs") == ["one"]
    assert names(tmp_path / "runs" / "one") == [".hepjax", "metrics.json"]


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="bad"), output.claim(tmp_path / "runs" / "one") as folder:
        (folder / "half").touch()
        raise InputError("bad")
    assert names(tmp_path) == []


def test_interrupt_leaves_a_folder_to_resume(tmp_path):
    with pytest.raises(KeyboardInterrupt), output.claim(tmp_path / "one") as folder:
        (folder / "step").write_text("1")
        raise KeyboardInterrupt
    with output.claim(tmp_path / "one", resume=True) as folder:
        assert (folder / "step").read_text() == "1"


def test_existing_folder_is_refused(tmp_path):
    finished(tmp_path / "one")
    with (
        pytest.raises(InputError, match=r"one: output folder exists, expected a new one"),
        output.claim(tmp_path / "one"),
    ):
        pass
    assert (tmp_path / "one" / "metrics.json").read_text() == "old"


def test_overwrite_replaces(tmp_path):
    finished(tmp_path / "one")
    with output.claim(tmp_path / "one", overwrite=True) as folder:
        assert names(folder) == [".hepjax"]
        assert (tmp_path / ".one.replaced" / "metrics.json").read_text() == "old"
    assert names(tmp_path) == ["one"]


def test_failed_overwrite_puts_the_old_one_back(tmp_path):
    finished(tmp_path / "one")
    with pytest.raises(InputError, match="No space"), output.claim(tmp_path / "one", overwrite=True) as folder:
        (folder / "metrics.json").write_text("ne")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert (tmp_path / "one" / "metrics.json").read_text() == "old"
    assert names(tmp_path) == ["one"]


def test_killed_overwrite_keeps_the_old_one_until_the_next_success(tmp_path):
    finished(tmp_path / "one")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), output.claim(tmp_path / "one", overwrite=True) as folder:
            (folder / "half").touch()
            raise KeyboardInterrupt
        assert (tmp_path / ".one.replaced" / "metrics.json").read_text() == "old"
    with output.claim(tmp_path / "one", resume=True) as folder:
        assert names(folder) == [".hepjax", "half"]
    assert names(tmp_path) == ["one"]


def test_failed_resume_keeps_what_was_there(tmp_path):
    finished(tmp_path / "one")
    with pytest.raises(InputError), output.claim(tmp_path / "one", resume=True):
        raise InputError("other configuration")
    assert (tmp_path / "one" / "metrics.json").read_text() == "old"


def test_resume_without_a_folder_starts(tmp_path):
    with output.claim(tmp_path / "one", resume=True) as folder:
        assert folder.is_dir()


@pytest.mark.parametrize("option", ["overwrite", "resume"])
def test_folder_of_someone_else_is_never_touched(tmp_path, option):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "main.tex").touch()
    with pytest.raises(InputError, match="not made by hepjax"), output.claim(tmp_path / "thesis", **{option: True}):
        pass
    assert names(tmp_path / "thesis") == ["main.tex"]


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "one").touch()
    for path in (tmp_path / "one", tmp_path / "one" / "two"):
        with pytest.raises(InputError, match="one: is a file, expected an output folder"), output.claim(path):
            pass


def test_options_exclude_each_other(tmp_path):
    with (
        pytest.raises(InputError, match="exclude each other"),
        output.claim(tmp_path / "one", overwrite=True, resume=True),
    ):
        pass


def test_folder_that_cannot_be_made(tmp_path):
    with (
        pytest.raises(InputError, match=r"cannot be made \(File name too long\)"),
        output.claim(tmp_path / ("x" * 300)),
    ):
        pass


@pytest.mark.parametrize(
    "resume, options", [(None, "the option overwrite$"), (False, "the option overwrite or resume$")]
)
def test_only_options_that_a_command_has_are_proposed(tmp_path, resume, options):
    with pytest.raises(InputError, match=options), output.claim(tmp_path, resume=resume):
        pass
