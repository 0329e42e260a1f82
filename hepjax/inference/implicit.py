"""Roots of a vector of equations, differentiable by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def root(
    residual: Callable[[Array], Array],
    solve: Callable[[Array], tuple[Array, Array, Any]],
    start: Float[Array, " k"],
    *,
    symmetric: bool = False,
) -> tuple[Array, Array, Any]:
    """x (k,) with residual(x) = 0, as `solve(start)` finds it, and the rest of what `solve` returns.

        dx = -J^-1 d(residual) at fixed x,   J = d residual / dx  (k x k, solved densely)

    in forward and reverse mode and to any order, with respect to whatever `residual` closes over. solve: start -> (x,
    converged (), pytree of arrays); it is never differentiated, and nor is the pytree. symmetric: J is symmetric
    and positive definite, so that Cholesky's factorisation solves it and fails where the root is no minimum.

    Where J cannot be solved, or `solve` did not converge, derivatives are NaN; but 0 where the incoming ones are, so
    that a masked event does not poison the derivatives of its batch.
    """

    def solve_tagged(_, tagged):
        x, converged, rest = solve(tagged[0])
        # custom_root differentiates its auxiliary output too, and knows no tangent of a flag or a count.
        return jax.tree.map(lambda a: a.astype(start.dtype), ((x, converged), rest))

    def residual_tagged(tagged):
        """The flag joins the root, with a Jacobian of its own value: `solve_tangents` sees the Jacobian only."""
        x, converged = tagged
        return residual(x), converged**2 / 2

    def solve_tangents(jacobian, tangents):
        b, flag = tangents
        converged = jacobian((jnp.zeros_like(b), jnp.ones_like(flag)))[1] > 0

        def dense(product, b):
            matrix = jax.vmap(product)(jnp.eye(len(b), dtype=b.dtype)).T
            if symmetric:
                x = jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(matrix), b)
            else:
                x = jnp.linalg.solve(matrix, b)
            return jnp.where(converged & jnp.isfinite(x).all(), x, jnp.where(b == 0, 0, jnp.nan))

        def product(v):
            return jacobian((v, jnp.zeros_like(flag)))[0]

        transpose = None if symmetric else dense
        return jax.lax.custom_linear_solve(product, b, dense, transpose, symmetric=symmetric), flag

    tagged = (start, jnp.ones_like(start[0]))
    (x, converged), rest = jax.lax.custom_root(residual_tagged, tagged, solve_tagged, solve_tangents, has_aux=True)
    return x, converged > 0, rest
