"""Densities that can be sampled: bijections from data to latent, and bases; the only room that imports distrax."""

from hepjax.flows.autoregressive import autoregressive, autoregressive_blocks
from hepjax.flows.base import conditional_normal, logistic, mixture_of_normals, normal
from hepjax.flows.chain import actnorm, chain, invert, linear, permute
from hepjax.flows.coupling import coupling
from hepjax.flows.distill import Distillation, distill
from hepjax.flows.scalars import Scalar, affine, mixture, spline
from hepjax.flows.transformed import transformed

__all__ = [
    "Distillation",
    "Scalar",
    "actnorm",
    "affine",
    "autoregressive",
    "autoregressive_blocks",
    "chain",
    "conditional_normal",
    "coupling",
    "distill",
    "invert",
    "linear",
    "logistic",
    "mixture",
    "mixture_of_normals",
    "normal",
    "permute",
    "spline",
    "transformed",
]
