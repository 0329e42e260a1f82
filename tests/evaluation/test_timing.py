"""The timing protocol on a clock that the test turns, so that no test depends on the machine."""

import shlex
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import evaluation
from hepjax.evaluation.timing import time_command
from hepjax.types import InputError


def test_mean_and_spread_without_the_warm_up(monkeypatch):
    """A call takes 3 ms and 10 us a shower, the n-th repeat n ms more, and the first a second to compile."""
    now, calls, keys = [0.0], [], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def sample(key, batch):
        repeat = sum(b == batch for b in calls)
        calls.append(batch)
        keys.append(jax.random.key_data(key))
        now[0] += 1.0 if repeat == 0 else 3e-3 + 1e-5 * batch + 1e-3 * repeat
        return {"voxels": jnp.zeros((batch, 2))}

    rows = evaluation.timing(jax.random.key(0), sample, batches=(1, 100), repeats=3)
    assert calls == [1] * 4 + [100] * 4
    assert len(np.unique(np.array(keys), axis=0)) == 8
    assert [(r.batch, r.repeats) for r in rows] == [(1, 3), (100, 3)]
    assert [r.mean_ms for r in rows] == pytest.approx([5.01, 0.06])
    assert [r.spread_ms for r in rows] == pytest.approx([1.0, 0.01])


def test_one_repeat_has_no_spread():
    with pytest.raises(InputError, match="1 repeats, expected at least 2"):
        evaluation.timing(jax.random.key(0), lambda key, batch: None, repeats=1)


def test_no_batch():
    for batches in ((), (100, 0)):
        with pytest.raises(InputError, match="expected one or more of at least 1 shower"):
            evaluation.timing(jax.random.key(0), lambda key, batch: None, batches=batches)


@pytest.fixture
def clock(monkeypatch):
    """(seconds of a command, given its words) -> the list of the commands that were run, by a clock that they turn."""
    now, commands = [0.0], []

    def install(seconds):
        def run(words, **options):
            commands.append(list(words))
            now[0] += seconds(words)
            return subprocess.CompletedProcess(words, 0)

        monkeypatch.setattr(time, "perf_counter", lambda: now[0])
        monkeypatch.setattr(subprocess, "run", run)
        return commands

    return install


def test_a_command_is_timed_without_its_start(clock):
    """Start-up takes 10 s, then 0.1 s a batch and 1 ms a shower; each long run takes 1 ms a shower more."""
    seen = []

    def seconds(words):
        showers, batch = int(words[2]), int(words[4])
        seen.append((showers, batch))
        slower = seen.count((showers, batch)) - 1 if showers > batch else 0
        return 10 + 0.1 * showers / batch + 1e-3 * showers * (1 + slower)

    commands = clock(seconds)
    rows = time_command("gen -n {showers} -b {batch} '--o=a b/{out}'", (1, 100), repeats=2, further=250)
    assert [int(words[2]) for words in commands] == [1, 251, 1, 251, 1, 100, 400, 100, 400, 100]
    assert all(Path(words[5].removeprefix("--o=a b/")).name == "showers.hdf5" for words in commands)
    slower = np.array([251 / 250, 400 / 300])  # ms a shower of the second repeat, over the showers that are counted
    assert [row.mean_ms for row in rows] == pytest.approx([101, 2] + slower / 2)
    assert [row.spread_ms for row in rows] == pytest.approx(slower * np.sqrt(0.5))
    assert [row.note for row in rows] == ["", ""]


def test_a_difference_lost_in_the_start_is_no_number(clock):
    """Seconds of a warm-up, a long run, a short one, a long one, a short one, twice."""
    times = iter([9, 4, 2, 3, 1, 9, 4, 6, 5, 7])
    commands = clock(lambda words: next(times))
    rows = time_command("gen {showers} {batch}", (10, 20), repeats=2, further=10)
    assert rows[0].mean_ms == pytest.approx(200) and not rows[0].note
    assert np.isnan(rows[1].mean_ms) and rows[1].spread_ms == 0
    assert rows[1].note == "2 of 2 differences are not positive, time more showers"
    assert len(commands) == 10


BAD_COMMANDS = {
    "no batch": ("gen {showers}", r"command 'gen \{showers\}' has no \{batch\}, expected both"),
    "no fields": ("gen", r"has no \{batch\} and no \{showers\}"),
    "quotes": ("gen '{showers} {batch}", "No closing quotation, expected words as in a shell"),
    "no program": ("no-such-program {showers} {batch}", "no-such-program .*cannot be run .No such file or directory"),
}


@pytest.mark.parametrize("template, expected", BAD_COMMANDS.values(), ids=BAD_COMMANDS.keys())
def test_a_command_that_cannot_be_run(template, expected):
    with pytest.raises(InputError, match=expected) as error:
        time_command(template, (1,), repeats=2)
    assert "\n" not in str(error.value)


def test_a_command_that_fails():
    script = "import sys; print('loading', file=sys.stderr); sys.exit('no GPU: ' + sys.argv[1])"
    words = f"{shlex.join([sys.executable, '-c', script])} {{showers}}of{{batch}}"
    with pytest.raises(InputError, match=r"exit code 1 \(no GPU: 1of1\), expected 0"):
        time_command(words, (1,), repeats=2)


def test_a_command_makes_its_showers(tmp_path):
    """A real process is asked for both numbers of showers, and may write to a path that is there for it alone."""
    script = "import sys; open(sys.argv[3], 'x'); open(sys.argv[4], 'a').write(' '.join(sys.argv[1:3]) + ';')"
    words = shlex.join([sys.executable, "-c", script, "{showers}", "{batch}", "{out}", str(tmp_path / "log")])
    (row,) = time_command(words, (5,), repeats=2, further=10)
    assert (tmp_path / "log").read_text() == "5 5;15 5;5 5;15 5;5 5;"
    assert row.batch == 5 and row.repeats == 2
