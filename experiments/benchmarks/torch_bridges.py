"""The nets, losses, training step and sampler of the benchmark in PyTorch, written as PyTorch wants them.

AdamW is the fused one and the moving average that of many tensors at once: of PyTorch's implementations the fastest
for small nets on a CPU. Compiling the optimiser makes it slower, so `torch.compile` is left to losses and samplers.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hepjax.dynamics import Symmetric
from hepjax.training.config import Config

Table = tuple[Tensor | None, ...]
Loss = Callable[..., Tensor]


def time_embedding(time: Tensor, dim: int) -> Tensor:
    """`hepjax.nets.time_embedding`. time: (...,) in [0, 1]. Returns (..., dim)."""
    frequency = torch.exp(-math.log(1e4) * torch.arange(dim // 2) / (dim // 2))
    angle = 1000 * time[..., None] * frequency
    return torch.cat([angle.cos(), angle.sin()], -1)


class SBUnfold(nn.Module):
    """`hepjax.nets.sbunfold` with its defaults."""

    def __init__(self, dim: int = 6, width: int = 32, blocks: int = 4, dim_time: int = 16):
        super().__init__()
        self.dim_time = dim_time
        self.of_x, self.of_time = nn.Linear(dim, width), nn.Linear(dim_time, width)
        self.trunk = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.first = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.second = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.head, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, dim)

    def forward(self, x: Tensor, cond: None, time: Tensor) -> Tensor:
        h = F.silu(self.of_x(x) + self.of_time(time_embedding(time, self.dim_time)))
        for layer in self.trunk:
            h = F.silu(layer(h))
        for first, second in zip(self.first, self.second, strict=True):
            h = h + second(F.silu(first(h)))
        return x + self.out(F.silu(self.head(h)))

    def layers(self) -> dict[str, Any]:
        """Layers by their names in flax, which numbers a residual block's outer layer first."""
        blocks = [layer for pair in zip(self.second, self.first, strict=True) for layer in pair]
        dense = [*self.trunk, *blocks, self.head, self.out]
        inputs = {"Project_0/Dense_0": self.of_x, "Project_0/Dense_1": self.of_time}
        return inputs | {f"Dense_{i}": layer for i, layer in enumerate(dense)}


class ResNet(nn.Module):
    """`hepjax.nets.resnet` with condition and time."""

    def __init__(self, dim: int, width: int, blocks: int, dim_cond: int, dim_time: int = 64, dim_context: int = 128):
        super().__init__()
        self.dim_time = dim_time
        self.inward, self.out = nn.Linear(dim, width), nn.Linear(width, dim)
        self.of_cond, self.of_time = nn.Linear(dim_cond, dim_context), nn.Linear(dim_time, dim_context)
        self.context, self.film = nn.Linear(dim_context, dim_context), nn.Linear(dim_context, 2 * blocks * width)
        self.first = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.second = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))

    def forward(self, x: Tensor, cond: Tensor, time: Tensor) -> Tensor:
        context = F.silu(self.of_cond(cond) + self.of_time(time_embedding(time, self.dim_time)))
        film = self.film(F.silu(self.context(context))).chunk(2 * len(self.first), -1)
        h = self.inward(x)
        for first, second, scale, shift in zip(self.first, self.second, film[::2], film[1::2], strict=True):
            h = h + second(F.silu(first(F.silu((1 + scale) * h + shift))))
        return self.out(F.silu(h))

    def layers(self) -> dict[str, Any]:
        """Layers by their names in flax."""
        dense = {f"Dense_{i}": layer for i, layer in enumerate((self.inward, self.context, self.film, self.out))}
        blocks = {
            f"ResidualBlock_{block}/Dense_{i}": layer
            for i, layers in enumerate((self.first, self.second))
            for block, layer in enumerate(layers)
        }
        return {"Project_0/Dense_0": self.of_cond, "Project_0/Dense_1": self.of_time} | dense | blocks


def copy_parameters(net: Any, params: Mapping[str, Any]) -> None:
    """Give `net`, which names its layers as flax does, the parameters of its flax twin."""
    for path, layer in net.layers().items():
        flax = functools.reduce(operator.getitem, path.split("/"), params)
        layer.weight.data.copy_(torch.tensor(np.asarray(flax["kernel"]).T))
        layer.bias.data.copy_(torch.tensor(np.asarray(flax["bias"])))


def i2sb_loss(schedule: Symmetric) -> Loss:
    """The loss of `hepjax.bridges.i2sb`: (net, source, target, cond or None) -> ()."""
    table = schedule.table()
    grid = torch.tensor(np.stack([table.time, table.sigma_fwd, table.mu1, table.sigma]), dtype=torch.float32)

    def loss(net, source, target, cond):
        n = torch.randint(schedule.steps, source.shape[:-1])
        time, sigma_fwd, mu1, sigma = grid[:, n]
        moved = mu1[:, None] * (source - target) + sigma[:, None] * torch.randn_like(source)
        return F.mse_loss(net(target + moved, cond, time), moved / sigma_fwd[:, None])

    return loss


def matching_loss(net: nn.Module, source: Tensor, target: Tensor, cond: Tensor | None) -> Tensor:
    """The loss of `hepjax.bridges.matching` with independent pairs and sigma = 0."""
    t = 1 - torch.rand(source.shape[:-1])
    velocity = source - target
    return F.mse_loss(net(target + t[:, None] * velocity, cond, t), velocity)


def train(net: nn.Module, loss: Loss, data: Table, config: Config) -> float:
    """What `hepjax.training.fit` does, at a constant rate and without validation; returns the last epoch's loss.

    data: what the loss takes after the net, with a leading axis of events; the first is not None.
    """
    assert data[0] is not None
    params = list(net.parameters())
    average = [p.detach().clone() for p in params]
    optimiser = torch.optim.AdamW(params, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    steps, total = len(data[0]) // config.batch_size, torch.zeros(())
    for epoch in range(config.epochs):
        total = torch.zeros(())
        batches = torch.randperm(len(data[0])).split(config.batch_size)
        for number, rows in enumerate(batches[:steps], epoch * steps):
            value = loss(net, *(None if x is None else x[rows] for x in data))
            optimiser.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(params, config.clip_norm)
            optimiser.step()
            decay = min(config.ema, (1 + number) / (10 + number))
            get_ema_multi_avg_fn(decay)(average, params, number)  # type: ignore[arg-type]
            total += value.detach()
    return total.item() / steps


def posterior_step(net: nn.Module, x: Tensor, time: Tensor, sigma_fwd: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """One step of I2SB's sampler, (n, d) -> (n, d); the rest are constants of the step, ()."""
    mean = x - weight * sigma_fwd * net(x, None, time)
    return mean + scale * torch.randn_like(x)


def sample(net: nn.Module, x: Tensor, schedule: Symmetric, steps: int, step: Callable = posterior_step) -> Tensor:
    """What the `transport` of `hepjax.bridges.i2sb` does. x: (n, d) source events. Returns (n, d)."""
    table, path = schedule.table(), schedule.subset(steps)
    variance = table.sigma_fwd[path] ** 2
    weight = 1 - variance[1:] / variance[:-1]
    scale = np.sqrt(variance[1:] * weight)
    scale[-1] = 0
    constants = np.stack([table.time[path[:-1]], table.sigma_fwd[path[:-1]], weight, scale], axis=1)
    with torch.inference_mode():
        for row in torch.tensor(constants, dtype=torch.float32):
            x = step(net, x, *row)
    return x
