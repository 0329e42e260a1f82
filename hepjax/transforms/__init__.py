"""Invertible preprocessing with log-determinants; constants are fitted once and never trained."""

from hepjax.transforms.quantile import Quantiles, dequantize, gaussianize, quantize
from hepjax.transforms.standardize import Moments, standardize

__all__ = ["Moments", "Quantiles", "dequantize", "gaussianize", "quantize", "standardize"]
