"""Distillation of a flow into one that is fast in the other direction: CaloFlow's student (arXiv:2110.11377)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from hepjax.flows.chain import chain
from hepjax.losses import weighted_mean
from hepjax.types import Bijection, Flow, Loss, Params, PRNGKey


class Distillation(NamedTuple):
    """A student to train; its parameters are those of the chain of its blocks.

    init: (key, batch of `Events` or None) -> params.
    loss: (key, params, batch of `Events`) -> (value, metrics `z` and `x`).
    """

    init: Callable[..., Params]
    loss: Callable[[PRNGKey, Params, Any], Loss]


def distill(
    teacher: Sequence[Bijection], teacher_params: Params, student: Sequence[Bijection], base: Flow, base_params: Params
) -> Distillation:
    """Probability density distillation: the student's inverse learns to undo the teacher's forward, block by block.

        z loss:  z ~ base, back to x' by the student, on to z' by the teacher:  mean |z - z'|^2
        x loss:  x from data, on to z by the teacher, back to x' by the student:  mean |x - x'|^2

    Both paths compare events at the start and between all blocks (fully guided training, arXiv:2110.11377, sec. 3);
    the loss is the mean of the two. Blocks as of `autoregressive_blocks`, with `inverse=True` for the student: all that
    training evaluates is then one pass each. The teacher's parameters stay as they are.

    teacher_params: those of `chain(*teacher)`. Raises ValueError when the numbers of blocks differ.
    """
    if len(teacher) != len(student):
        raise ValueError(f"teacher and student need as many blocks, got {len(teacher)} and {len(student)}")

    def onwards(x: Array, cond: Array | None) -> list[Array]:
        """Events before, between and after the teacher's blocks."""
        places = [x]
        for block, p in zip(teacher, teacher_params, strict=True):
            places.append(block.forward(p, places[-1], cond)[0])
        return places

    def backwards(params: Params, z: Array, cond: Array | None) -> list[Array]:
        """The same by the student, from the last one."""
        places = [z]
        for block, p in zip(student[::-1], params[::-1], strict=True):
            places.append(block.inverse(p, places[-1], cond)[0])
        return places[::-1]

    def loss(key, params, batch):
        def miss(first: list[Array], second: list[Array]) -> Array:
            square = jnp.stack([(a - b) ** 2 for a, b in zip(first, second, strict=True)])
            return weighted_mean(square.sum(0).mean(-1) / len(student), batch.weight)

        shape = batch.x.shape[:-1] if batch.cond is None else ()
        draws = backwards(params, base.sample(key, base_params, batch.cond, shape), batch.cond)
        truth = onwards(batch.x, batch.cond)
        z = miss(onwards(draws[0], batch.cond), draws)
        x = miss(backwards(params, truth[-1], batch.cond), truth)
        return 0.5 * (z + x), {"z": z, "x": x}

    return Distillation(chain(*student).init, loss)
