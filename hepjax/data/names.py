"""Names in messages."""

from __future__ import annotations

from collections.abc import Iterable

SHOWN = 8


def listed(names: Iterable[str], none: str = "none") -> str:
    """The first names of a list, with an ellipsis and their number where there are more.

    >>> listed("abc")
    'a, b, c'
    >>> listed(str(i) for i in range(12))
    '0, 1, 2, 3, 4, 5, 6, 7, ... (12 in all)'
    """
    names = list(names)
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more or none
