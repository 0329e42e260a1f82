"""Classifiers of samples, and the density ratios they learn."""

from hepjax.classifiers.classify import binary, multiclass
from hepjax.classifiers.ratio import ratio

__all__ = ["binary", "multiclass", "ratio"]
