"""Bridges between two samples: paired (I2SB) and unpaired (DSB, flow and bridge matching)."""

from hepjax.bridges.coupling import repair, sinkhorn
from hepjax.bridges.dsb import DSB, Ends, Half, IPFState, Transitions, dsb, dsb_half_pass, dsb_ipf
from hepjax.bridges.i2sb import i2sb
from hepjax.bridges.matching import matching

__all__ = [
    "DSB",
    "Ends",
    "Half",
    "IPFState",
    "Transitions",
    "dsb",
    "dsb_half_pass",
    "dsb_ipf",
    "i2sb",
    "matching",
    "repair",
    "sinkhorn",
]
