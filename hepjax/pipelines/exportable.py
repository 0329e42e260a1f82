"""What can be exported: a function of one event's arrays, and what these are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array

from hepjax.types import AnyArray, Column, Geometry


class Field(NamedTuple):
    """An array that goes in or comes out.

    unit: "" of pure numbers. shape, dtype: of one event where it goes in, None for the precision of the day; what comes
    out tells its own. columns: of the last axis, where they are not all alike. limits: of the values of the training.
    """

    name: str
    unit: str
    meaning: str
    shape: tuple[int, ...] = ()
    dtype: str | None = None
    columns: tuple[Column, ...] = ()
    limits: tuple[float, float] | None = None


class Exportable(NamedTuple):
    """A trained model as a function.

    function: (state, one event's arrays) -> tuple of arrays; of a random model, (state, typed key, row (), one event's
    arrays), where the noise comes from `fold_in(key, row)`. inputs, outputs: those of the exported function, key and
    row among them. does: what it does, a sentence. transforms: what it does to the data before and after the network,
    in order.
    """

    function: Callable[..., tuple[Array, ...]]
    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    does: str
    transforms: tuple[str, ...]

    @property
    def random(self) -> bool:
        """Whether the function draws noise."""
        return self.inputs[0] == KEY


class Program(NamedTuple):
    """A model in a format, and what its record says of it.

    inputs, outputs: with arrays, or the like, of their shapes, the number of events among them, and dtypes.
    noise: where it comes from. further: other entries of the record.
    """

    content: bytes
    inputs: Sequence[tuple[Field, Any]]
    outputs: Sequence[tuple[Field, Any]]
    noise: str
    further: dict[str, Any]


BATCH = "b"
"""The number of events, in shapes."""

KEY = Field(
    "key",
    "",
    "decides all noise: the two words of a threefry2x32 key, such as (0, seed); one for all events",
    shape=(2,),
    dtype="uint32",
)
ROW = Field(
    "row",
    "",
    "number of the event, which with the key decides its noise: no two events of a sample should share both",
    dtype="int32",
)
NOISE = (KEY, ROW)


def range_of(values: AnyArray) -> tuple[float, float]:
    """Least and greatest value, as plain numbers."""
    return float(np.min(values)), float(np.max(values))


def incident_energy(meaning: str, limits: tuple[float, float] | None = None) -> Field:
    """The field of an incident energy. limits: as a field has them."""
    return Field("incident_energy", "MeV", f"incident energy {meaning}", limits=limits)


def voxels(geometry: Geometry, whose: str) -> Field:
    """The field of a shower's cells."""
    return Field("voxels", "MeV", f"cells {whose}, geometry {geometry.name}", (geometry.voxels,))
