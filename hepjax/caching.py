"""The cache of everything that is made from a specification: models, and their compiled functions."""

from __future__ import annotations

import functools
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Made = TypeVar("Made")

MOST = 32
"""Results of one function that are kept: those used last."""


def cached(function: Callable[P, Made]) -> Callable[P, Made]:
    """The function, which returns the same object for the same arguments, however they are given.

    Defaults count as if they were given, names as places, and lists as tuples. Arguments are hashable: a specification,
    never arrays, which would stay as long as the result. Of results that are forgotten, what was compiled goes too.

    >>> made = cached(lambda size, bias=True: object())
    >>> made((2, 3)) is made(size=[2, 3], bias=True)
    True
    """
    signature = inspect.signature(function)
    kept: OrderedDict[Any, Made] = OrderedDict()
    lock = threading.Lock()

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Made:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given, named = key = _hashable(bound.args), _hashable(tuple(bound.kwargs.items()))
        with lock:
            if key in kept:
                kept.move_to_end(key)
                return kept[key]
        made = function(*given, **dict(named))
        with lock:
            made = kept.setdefault(key, made)
            while len(kept) > MOST:
                _forget(kept.popitem(last=False)[1])
        return made

    return call


def _forget(made: Any) -> None:
    """Drop what was compiled of a function, or of those of a model: JAX itself would keep it when they are gone."""
    for function in made if isinstance(made, tuple) else (made,):
        clear = getattr(function, "clear_cache", None)
        if clear is not None:
            clear()


def _hashable(value: Any) -> Any:
    """The value with tuples in place of lists; NamedTuples, such as models, are left as they are."""
    if type(value) in (tuple, list):
        return tuple(_hashable(item) for item in value)
    return value
