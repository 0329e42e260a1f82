"""The continuous flow of the benchmark in PyTorch: a perceptron, torchcfm's flow matching, torchdiffeq's solver.

The package torchcfm itself is not needed: of it the benchmark would use `ConditionalFlowMatcher(sigma=0)`, which is
two lines, and it brings Lightning, torchvision and a PyTorch of its choice.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
import torch_bridges
from torch import Tensor, nn
from torchdiffeq import odeint

Velocity = Callable[[Tensor, Tensor], Tensor]


class MLP(nn.Module):
    """`hepjax.nets.mlp` with time and without condition."""

    def __init__(self, dim: int, hidden: tuple[int, ...], dim_time: int = 32):
        super().__init__()
        self.dim_time = dim_time
        self.of_x, self.of_time = nn.Linear(dim, hidden[0]), nn.Linear(dim_time, hidden[0])
        sizes = (*hidden, dim)
        self.rest = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes))

    def forward(self, x: Tensor, cond: None, time: Tensor) -> Tensor:
        h = self.of_x(x) + self.of_time(torch_bridges.time_embedding(time, self.dim_time))
        for layer in self.rest:
            h = layer(F.silu(h))
        return h

    def layers(self) -> dict[str, Any]:
        """Layers by their names in flax."""
        inputs = {"Project_0/Dense_0": self.of_x, "Project_0/Dense_1": self.of_time}
        return inputs | {f"Dense_{i}": layer for i, layer in enumerate(self.rest)}


def loss(net: nn.Module, x: Tensor) -> Tensor:
    """Flow matching from data x (n, d) at t = 0 to normal noise at t = 1: torchcfm's, with time the other way round."""
    return torch_bridges.matching_loss(net, torch.randn_like(x), x, None)


def velocity(net: nn.Module) -> Velocity:
    """The right side of dx/dt: (t (), x (n, d)) -> (n, d)."""
    return lambda t, x: net(x, None, t)


def sample(field: Velocity, events: int, dim: int, steps: int) -> Tensor:
    """Events (n, dim) from normal noise, by Heun's method from t = 1 to 0."""
    with torch.inference_mode():
        return _solve(field, torch.randn(events, dim), (1.0, 0.0), steps)


def log_prob(rate: Velocity, x: Tensor, steps: int) -> Tensor:
    """Log-density (n,) in nats of x (n, d), by Heun's method from t = 0 to 1. rate: from `with_divergence`."""
    with torch.no_grad():
        end = _solve(rate, F.pad(x, (0, 1)), (0.0, 1.0), steps)
    z, gathered = end[:, :-1], end[:, -1]
    return gathered - (z.square().sum(-1) + x.shape[1] * math.log(2 * math.pi)) / 2


def with_divergence(field: Velocity) -> Velocity:
    """Velocity of (x, log-density) in one array (n, d + 1): the second one's is the exact trace of the Jacobian.

    One backward pass a coordinate. On a CPU that is faster than `torch.func.jacrev`, compiled or not, and than forward
    mode; `torch.compile` has no repeated backward passes.
    """

    def rate(t: Tensor, state: Tensor) -> Tensor:
        with torch.enable_grad():
            x = state[:, :-1].detach().requires_grad_()
            moved = field(t, x)
            rows = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in moved.T]
        trace = sum(row[:, i] for i, row in enumerate(rows))
        return torch.cat([moved.detach(), trace[:, None]], -1)  # type: ignore[index]

    return rate


def _solve(field: Velocity, start: Tensor, between: tuple[float, float], steps: int) -> Tensor:
    options = {"step_size": 1 / steps}
    return odeint(field, start, torch.tensor(between), method="heun2", options=options)[-1]  # type: ignore[index]
