"""Densities that can be sampled: bijections from data to latent, and bases; the only room that imports distrax."""

from hepjax.flows.autoregressive import autoregressive
from hepjax.flows.base import conditional_normal, logistic, mixture_of_normals, normal
from hepjax.flows.chain import actnorm, chain, invert, linear, permute
from hepjax.flows.coupling import coupling
from hepjax.flows.scalars import Scalar, affine, mixture, spline
from hepjax.flows.transformed import transformed

__all__ = [
    "Scalar",
    "actnorm",
    "affine",
    "autoregressive",
    "chain",
    "conditional_normal",
    "coupling",
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
