"""Invertible preprocessing with log-determinants; constants are fitted once and never trained."""

from hepjax.transforms import inputs
from hepjax.transforms.decorrelate import Correlations, decorrelate
from hepjax.transforms.host import floats
from hepjax.transforms.quantile import Quantiles, dequantize, gaussianize, quantize
from hepjax.transforms.ranks import quantiles, ranks
from hepjax.transforms.standardize import Moments, standardize
from hepjax.transforms.trend import Trend, trend

__all__ = [
    "Correlations",
    "Moments",
    "Quantiles",
    "Trend",
    "decorrelate",
    "dequantize",
    "floats",
    "gaussianize",
    "inputs",
    "quantiles",
    "quantize",
    "ranks",
    "standardize",
    "trend",
]
