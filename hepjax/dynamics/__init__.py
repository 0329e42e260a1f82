"""Schedules, interpolants and samplers shared by flow matching, diffusion and bridges.

Time runs from the target (x0, t = 0) to the source (x1, t = 1); samplers walk it backwards.
"""

from hepjax.dynamics.interpolants import brownian, linear
from hepjax.dynamics.noise import event_keys, event_noise
from hepjax.dynamics.samplers import METHODS, ode, posterior, sde
from hepjax.dynamics.schedules import BridgeTable, Constant, Symmetric

__all__ = [
    "METHODS",
    "BridgeTable",
    "Constant",
    "Symmetric",
    "brownian",
    "event_keys",
    "event_noise",
    "linear",
    "ode",
    "posterior",
    "sde",
]
