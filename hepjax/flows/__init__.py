"""Densities that can be sampled: bijections to a base, and flow matching; the only room that imports distrax."""

from hepjax.flows.autoregressive import autoregressive, autoregressive_blocks
from hepjax.flows.base import conditional_normal, logistic, mixture_of_normals, normal
from hepjax.flows.chain import actnorm, chain, invert, linear, permute
from hepjax.flows.coupling import coupling
from hepjax.flows.distill import Distillation, Lesson, distill, lesson
from hepjax.flows.matching import matching
from hepjax.flows.scalars import Scalar, affine, mixture, spline
from hepjax.flows.transformed import transformed

__all__ = [
    "Distillation",
    "Lesson",
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
    "lesson",
    "linear",
    "logistic",
    "matching",
    "mixture",
    "mixture_of_normals",
    "normal",
    "permute",
    "spline",
    "transformed",
]
