"""Classes keep their names in files when they move."""

import dataclasses
import json

import pytest

from hepjax import tags
from hepjax.tags import tagged
from hepjax.training import spec


@tagged("test_tags/inner", "hepjax.nowhere:Inner")
@dataclasses.dataclass(frozen=True)
class Inner:
    x: int = 1


@tagged("test_tags/outer", "hepjax.nowhere:Outer")
@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    many: tuple[Inner, ...] = (Inner(2),)


@dataclasses.dataclass(frozen=True)
class Untagged:
    x: int = 3


def test_a_file_holds_the_tag_and_no_module():
    encoded = spec.encode(Outer())
    assert encoded["kind"] == "test_tags/outer" and encoded["many"][0]["kind"] == "test_tags/inner"
    assert "hepjax" not in json.dumps(encoded)
    assert spec.decode(encoded) == Outer()


def test_files_of_before_are_read_and_renamed():
    older = {
        "kind": "hepjax.nowhere:Outer",
        "inner": {"kind": "hepjax.nowhere:Inner", "x": 5},
        "many": [{"kind": "hepjax.nowhere:Inner", "x": 6}],
    }
    assert spec.decode(older) == Outer(Inner(5), (Inner(6),))
    assert spec.renamed(older) == spec.encode(Outer(Inner(5), (Inner(6),)))
    assert spec.renamed({"kind": "unknown/thing", "x": 1}) == {"kind": "unknown/thing", "x": 1}


def test_a_class_without_a_tag_goes_by_its_module():
    assert tags.tag(Untagged) == f"{__name__}:Untagged"
    assert spec.decode(spec.encode(Untagged(7))) == Untagged(7)


def test_a_tag_belongs_to_one_class():
    with pytest.raises(ValueError, match="test_tags/inner is the tag of"):
        tagged("test_tags/inner")(Untagged)
    assert tags.find("test_tags/inner") is Inner
