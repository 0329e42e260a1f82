"""The application's options: those of commands that belong to no pipeline, and where commands keep their work.

Nothing here imports jax.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from hepjax.evaluation.calochallenge_config import Config
from hepjax.evaluation.compare_config import METRICS
from hepjax.evaluation.compare_config import Metric as ShowerMetric
from hepjax.pipelines.options import READ
from hepjax.training.spec import CHECKPOINT as CHECKPOINT

PROGRESS = "progress"
"""The folder of a run that is under way, which holds its checkpoints."""


def parts_of(out: Path) -> Path:
    """The folder of the parts that a file is made of, while the command that writes it is under way."""
    return out.absolute().with_name(f".{out.name}.parts")


Dataset = Literal["1-photons", "1-pions", "2", "3"]
Device = Literal["auto", "cpu", "gpu", "tpu"]
Metric = Literal["separation", "fpd", "kpd", "prdc", "low", "low_normed", "high", "cnn", "multiclass"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compare:
    """Compare generated showers with a reference: metrics.json, figures and report.html."""

    reference: str = dataclasses.field(metadata=READ)
    """Address of the reference's showers."""
    generated: str = dataclasses.field(metadata=READ)
    """Address of the generated showers."""
    out: Path
    """Report folder to write."""
    baseline: str | None = dataclasses.field(default=None, metadata=READ)
    """Address of further showers to show beside, such as unrefined ones."""
    train: str | None = dataclasses.field(default=None, metadata=READ)
    """Address of the reference's showers the generator was trained on, for the test of copies."""
    metrics: tuple[ShowerMetric, ...] = METRICS
    """What to measure; mlp and trees are classifiers, a network and boosted trees, which take most of the time."""
    showers: int | None = None
    """Showers of each sample to compare at most, drawn at random; by default as many as the smallest has."""
    seed: int = 0
    """Seed of the classifiers."""
    overwrite: bool = False
    """Replace an older report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure generated showers against Geant4's by the challenge's metrics: metrics.json, tables and report.html.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    dataset: Dataset
    """Data set of the challenge."""
    reference: str = dataclasses.field(metadata=READ)
    """Address of showers of Geant4."""
    generated: tuple[str, ...] = dataclasses.field(metadata=READ)
    """Addresses of generated showers, one a submission."""
    out: Path
    """Report folder to write."""
    baseline: str | None = dataclasses.field(default=None, metadata=READ)
    """Address of other showers of Geant4, whose distance to the reference is that of statistics."""
    metrics: tuple[Metric, ...] = ("separation", "fpd", "kpd", "prdc", "low", "high")
    """What to measure; low, low_normed, high and cnn are binary classifiers, multiclass compares submissions."""
    beside: tuple[str, ...] = ("best",)
    """Published submissions to stand beside: all, best (the five of the least FPD), or names; Geant4's own always."""
    device: Device = "auto"
    """Where to compute."""
    threshold_mev: float | None = None
    """Voxels below are set to zero in all samples first; by default below the data set's threshold, 0 for none."""
    memory_gib: float = 8.0
    """Memory for showers held at once by the low-level classifiers and prdc: of larger files they take random ones."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """Options of the classifiers."""
    seed: int = 0
    """Seed of the classifiers."""
    overwrite: bool = False
    """Replace an older report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Time:
    """Time a generator: milliseconds a shower at each batch size, without start-up and compilation."""

    model: Path | None = dataclasses.field(default=None, metadata=READ)
    """Run folder of a generator that `hepjax showers fit` made."""
    command: str | None = None
    """Or a command of another one: its {showers} are to be made {batch} at a time, in a file {out} if it needs one."""
    batches: tuple[int, ...] = (1, 100, 10_000)
    """Showers a batch."""
    repeats: int = 5
    """Timed repetitions of each."""
    energy_gev: tuple[float, float] | None = None
    """Range of the incident energies, drawn log-uniformly; by default that of the model's training."""
    further: int = 1000
    """Showers of a timed run of a command beyond its first batch, rounded up to whole batches."""
    device: Device = "auto"
    """Where a model computes."""
    out: Path | None = None
    """JSON file to write."""
    seed: int = 0
    """Seed of the showers."""
    overwrite: bool = False
    """Replace an older file."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubmitCheck:
    """Check that a file is a valid submission: keys, shapes, types, units, energies, and every voxel."""

    file: Positional[str] = dataclasses.field(metadata=READ)
    """Address of generated showers."""
    dataset: Dataset
    """Data set of the challenge."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Export a trained model as a function of arrays, which runs without hepjax.

    The folder holds the model, for any number of events, and record.json with the names, shapes and units of what goes
    in and comes out. Format jax: model.bin (`jax.export`) for CPU and CUDA, and load.py, which needs jax and
    flatbuffers alone. Format onnx (extra `onnx`): model.onnx, whose noise is an input, and load_onnx.py, which needs
    numpy and onnxruntime alone.
    """

    model: Path = dataclasses.field(metadata=READ)
    """Run folder of a fit, of any pipeline."""
    out: Path
    """Folder to write."""
    format: Literal["jax", "onnx"] = "jax"
    """Of the model; onnx for models of a fixed number of steps, which not all are."""
    overwrite: bool = False
    """Replace an older export."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generate:
    """Make Z + jets by Pythia 8, with their detector level: files to unfold (extra `generators`)."""

    sample: Positional[Literal["zjets"]]
    """What to make."""
    out: Path
    """HDF5 file to write."""
    events: int = 10_000
    """Pairs of jets to make."""
    shower: Literal["pythia", "vincia"] = "pythia"
    """Parton shower."""
    seed: int = 0
    """Seed of all random numbers."""
    overwrite: bool = False
    """Replace an older file."""


@dataclasses.dataclass(frozen=True)
class Demo:
    """Train, refine and compare on the showers that come with the package: some minutes on two cores."""

    out: Path = Path("runs/demo")
    """Folder to write; an older demo there is replaced."""
    seed: int = 0
    """Seed of all random numbers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnfoldCompare:
    """Compare unfolded events with the truth: metrics.json, figures and report.html."""

    truth: str = dataclasses.field(metadata=READ)
    """Address of the true particle level (gen); its detector level (sim) is shown beside where there is one."""
    unfolded: tuple[Path, ...] = dataclasses.field(metadata=READ)
    """Files of unfolded events."""
    out: Path
    """Report folder to write."""
    simulation: str | None = dataclasses.field(default=None, metadata=READ)
    """Address of the simulation, to show its particle level and migrations beside."""
    null: Literal["auto", "paired", "independent"] = "auto"
    """What distances are held against: events that belong to the truth's, in the order they were measured, or others.
    By default paired for methods that unfold event by event, where there are as many as the truth's file has measured.
    """
    seed: int = 0
    """Seed of the classifiers."""
    overwrite: bool = False
    """Replace an older report."""
