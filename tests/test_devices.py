"""Devices that share work, and processes that fail together, in processes of their own."""

import json
from pathlib import Path

import jax
import numpy as np
import processes
import pytest

from hepjax import devices
from hepjax.types import InputError

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture(scope="module")
def on_four():
    (ended,) = processes.run([SCRIPTS / "over_events.py"], devices=4)
    assert ended.code == 0, ended.error
    return json.loads(ended.out)


@pytest.fixture(scope="module")
def of_two():
    """What the first and the second of two processes have heard."""
    address = processes.free_address()
    ended = processes.run(*([SCRIPTS / "together.py", address, process] for process in range(2)))
    assert [one.code for one in ended] == [0, 0], ended
    return [json.loads(one.out) for one in ended]


@pytest.mark.parametrize("case", ["even", "remainder", "pieces", "one event", "own rows"])
def test_four_devices_give_the_events_of_one(on_four, case):
    assert on_four[case]


def test_tables_of_all_lengths_are_one_program(on_four):
    assert not on_four["recompiles"]


def test_a_block_has_the_devices_it_asks_for(on_four):
    assert on_four["sizes"] == [1, 4, 2, 1, 1]
    assert on_four["replicas"] == 3


@pytest.mark.parametrize(
    "case, text",
    [
        ("none", ""),
        ("first", "InputError: of the first"),
        ("second", "InputError: of the second"),
        ("both", "InputError: of the first"),
        ("nested", "InputError: inner"),
        ("elsewhere", "InputError: distributed: processes do different things, expected the same options and files"),
    ],
)
def test_all_processes_fail_with_the_same_line(of_two, case, text):
    assert [heard[case] for heard in of_two] == [text, text]


def test_a_bug_stays_what_it_is_where_it_is(of_two):
    assert [heard["other kind"] for heard in of_two] == ["InputError: 'bug'", "KeyError: 'bug'"]


def test_each_process_reads_a_share_and_has_all(of_two):
    assert [heard["shares"] for heard in of_two] == [[0, 5, True], [5, 11, True]]
    for heard in of_two:
        assert heard["other lengths"] == [3, 2] and heard["flags"] == [False, False, True, True]


def test_the_first_process_writes_and_decides(of_two):
    assert [heard["written"] for heard in of_two] == [[0], []]
    assert [heard["of first"] for heard in of_two] == [0.1, 0.1]


def test_a_device_that_one_process_lacks_is_told_to_all(of_two):
    line = "InputError: devices: 9 asked for, expected all, or between 1 and the 2 present"
    assert all(heard["missing device"].startswith(line) for heard in of_two)


@pytest.mark.parametrize("count", [0, -1, 1000])
def test_devices_that_are_not_there(count):
    with pytest.raises(InputError, match=rf"devices: {count} asked for, expected all, or between 1 and") as error:
        devices.use(count).__enter__()
    assert "JAX_NUM_CPU_DEVICES" in str(error.value)


def test_a_job_that_is_none_cannot_be_joined():
    jax.devices()
    with pytest.raises(InputError, match="distributed: cannot join the job's processes") as error:
        devices.join("localhost:1", 2, 1)
    assert "\n" not in str(error.value)


def test_a_process_alone_is_the_first_and_has_everything():
    assert devices.is_first() and devices.of_first(0.3) == 0.3
    assert np.array_equal(devices.gathered(np.arange(3)), np.arange(3))
    with pytest.raises(InputError, match="alone"), devices.together():
        assert np.array_equal(devices.rows(np.arange(5).__getitem__, 3), np.arange(3))
        raise InputError("alone")
