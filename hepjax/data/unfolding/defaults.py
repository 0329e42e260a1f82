"""What a file need not have: weights and flags, where all files of a sample do without, and none has them misnamed."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

from hepjax.data.addresses import Address
from hepjax.data.unfolding.records import FLAGS, WEIGHT, Asked, Content, extras_of
from hepjax.types import InputError

ALIKE = {WEIGHT: re.compile(r"weight|wgt", re.IGNORECASE), **dict.fromkeys(FLAGS.values(), re.compile(r"^pass"))}
"""What names are like that may be meant to be a weight or a flag."""
OTHERS = (WEIGHT, "weight_replicas", *FLAGS.values())
"""Names that say what they are."""
DEFAULT = {WEIGHT: "every event weighs one", **dict.fromkeys(FLAGS.values(), "every event passes")}

log = logging.getLogger(__name__)


def require_alike(contents: Mapping[Address, Content]) -> None:
    """Raise InputError for a weight or flag that some of the files of a sample have, and others not."""
    keys = {key: address for address, content in contents.items() for key in content.extras}
    for key, having in keys.items():
        for address, content in contents.items():
            if key not in content.extras:
                raise InputError(f"{address.key(key)}: missing key {key}, expected it as {having} has it")


def note_names(address: Address, content: Content, asked: Asked) -> None:
    """Log a warning for a weight or flag that a file lacks, where a name in it is like that."""
    for key in extras_of(asked):
        found = [] if key in content.extras else near(key, content.names)
        if found:
            line = "%s: no %s, so %s; %s is not read: expected the name %s if it is meant"
            log.warning(line, address, key, DEFAULT[key], ", ".join(found), key)


def near(key: str, names: Sequence[str]) -> list[str]:
    """Names that may be meant to be a weight or a flag.

    >>> near("weight", ["gen", "mc_weight", "weight_replicas"])
    ['mc_weight']
    """
    return [name for name in names if ALIKE[key].search(name) and name not in OTHERS]
