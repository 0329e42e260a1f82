"""Distillation of a flow into one that is fast in the other direction: CaloFlow's student (arXiv:2110.11377)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from hepjax.caching import cached
from hepjax.flows.chain import chain
from hepjax.losses import weighted_mean
from hepjax.types import Bijection, Events, Flow, Loss, Params, PRNGKey


class Distillation(NamedTuple):
    """A student to train; its parameters are those of the chain of its blocks.

    init: (key, `Lesson` or None) -> params.
    loss: (key, params, `Lesson`) -> (value, metrics `z` and `x`).
    """

    init: Callable[..., Params]
    loss: Callable[[PRNGKey, Params, Any], Loss]


class Lesson(NamedTuple):
    """What a student learns from: events, the parameters of `chain(*teacher)`, and those of the base."""

    events: Events
    teacher: Params
    base: Params


def lesson(key: PRNGKey, taught: tuple[Params, Params], events: Events) -> Lesson:
    """Events with the parameters of teacher and base: the function of a `training.Encode` whose constants these are."""
    del key
    return Lesson(events, *taught)


@cached
def distill(teacher: Sequence[Bijection], student: Sequence[Bijection], base: Flow) -> Distillation:
    """Probability density distillation: the student's inverse learns to undo the teacher's forward, block by block.

        z loss:  z ~ base, back to x' by the student, on to z' by the teacher:  mean |z - z'|^2
        x loss:  x from data, on to z by the teacher, back to x' by the student:  mean |x - x'|^2

    Both paths compare events at the start and between all blocks (fully guided training, arXiv:2110.11377, sec. 3);
    the loss is the mean of the two. Blocks as of `autoregressive_blocks`, with `inverse=True` for the student: all that
    training evaluates is then one pass each. The teacher's parameters stay as they are; train with
    `encode=training.Encode(lesson, (teacher's parameters, base's))`.

    Raises ValueError when the numbers of blocks differ.
    """
    if len(teacher) != len(student):
        raise ValueError(f"teacher and student need as many blocks, got {len(teacher)} and {len(student)}")

    blocks = chain(*student)

    def onwards(params: Params, x: Array, cond: Array | None) -> list[Array]:
        """Events before, between and after the teacher's blocks."""
        places = [x]
        for block, p in zip(teacher, params, strict=True):
            places.append(block.forward(p, places[-1], cond)[0])
        return places

    def backwards(params: Params, z: Array, cond: Array | None) -> list[Array]:
        """The same by the student, from the last one."""
        places = [z]
        for block, p in zip(student[::-1], params[::-1], strict=True):
            places.append(block.inverse(p, places[-1], cond)[0])
        return places[::-1]

    def init(key, batch=None):
        return blocks.init(key, None if batch is None else batch.events)

    def loss(key, params, lesson):
        batch, own, of_base = lesson

        def miss(first: list[Array], second: list[Array]) -> Array:
            square = jnp.stack([(a - b) ** 2 for a, b in zip(first, second, strict=True)])
            return weighted_mean(square.sum(0).mean(-1) / len(student), batch.weight)

        shape = batch.x.shape[:-1] if batch.cond is None else ()
        draws = backwards(params, base.sample(key, of_base, batch.cond, shape), batch.cond)
        truth = onwards(own, batch.x, batch.cond)
        z = miss(onwards(own, draws[0], batch.cond), draws)
        x = miss(backwards(params, truth[-1], batch.cond), truth)
        return 0.5 * (z + x), {"z": z, "x": x}

    return Distillation(init, loss)
