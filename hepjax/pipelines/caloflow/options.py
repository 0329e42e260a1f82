"""`hepjax caloflow`, the older name of `hepjax showers` with the method caloflow: its options."""

from __future__ import annotations

import dataclasses

from hepjax.pipelines import options
from hepjax.pipelines.caloflow.config import Config
from hepjax.pipelines.showers.options import ShowersFit, ShowersSample


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaloflowFit(ShowersFit):
    """Train the flows of the layers' energies and of the cells; now `hepjax showers fit --method caloflow`.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    config: Config = Config()  # noqa: RUF009 - frozen
    """How to train."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaloflowSample(ShowersSample):
    """Generate one shower for each incident energy; now `hepjax showers sample`."""


COMMAND = "caloflow"
HELP = "The older name of `hepjax showers` with the method caloflow, until version 0.3."
VERBS = {"fit": options.Verb(CaloflowFit), "sample": options.Verb(CaloflowSample)}
