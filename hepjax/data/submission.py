"""Whether a file can be submitted to the CaloChallenge (arXiv:2410.21611, section 2).

A fault is what no file of Geant4 showers in the challenge's format has; a remark is what a submitter should know.
Files are read in slices, so that they may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import h5py
import numpy as np

from hepjax.data import addresses, geometry, hdf5
from hepjax.data.addresses import Address
from hepjax.data.showers import ENERGIES, VOXELS, Where
from hepjax.types import Geometry, InputError

KEYS = (ENERGIES, VOXELS)
SLICE_BYTES = 64 << 20
ROUNDING = 1e-4
"""Relative, of incident energies that were logarithms of float32 numbers."""
RESPONSES = (0.1, 3.0)
"""Medians of the voxels' sum over the incident energy that are no mistake of units."""
MOSTLY_EMPTY = 0.1
"""Fraction of showers without energy that is a fault: low pions may leave nothing, but they are one energy of 15."""

_DTYPES = ("float32", "float64")


class Checked(NamedTuple):
    """What is wrong with a file, and what else is to be said of it, a line each."""

    faults: tuple[str, ...]
    remarks: tuple[str, ...]


class _Rules(NamedTuple):
    """What a data set of the challenge asks for, beyond its geometry.

    counts: numbers of showers to submit. energies: in words. allowed: MeV (n,) -> (n,) bool. read_out: whether the
    geometry's threshold is that of the simulation, so that no voxel lies between it and zero.
    """

    counts: tuple[int, ...]
    energies: str
    allowed: Callable[[np.ndarray], np.ndarray]
    read_out: bool


class _Rows(NamedTuple):
    """What is kept of showers (n,): the incident energy, the voxels' sum, and numbers of voxels of a kind."""

    energy: np.ndarray
    total: np.ndarray
    not_finite: np.ndarray
    negative: np.ndarray
    low: np.ndarray


def _power_of_two(energy: np.ndarray) -> np.ndarray:
    nearest = 2.0 ** np.clip(np.round(np.log2(energy)), 8, 22)
    return np.abs(energy / nearest - 1) <= ROUNDING


def _gev_to_tev(energy: np.ndarray) -> np.ndarray:
    return (energy >= 1e3 * (1 - ROUNDING)) & (energy <= 1e6 * (1 + ROUNDING))


_POWERS, _LOG_UNIFORM = "powers of two from 2^8 to 2^22 MeV", "1e3 to 1e6 MeV"
_RULES = {
    "1-photons": _Rules((121_000,), _POWERS, _power_of_two, read_out=False),
    "1-pions": _Rules((120_800,), _POWERS, _power_of_two, read_out=False),
    "2": _Rules((100_000,), _LOG_UNIFORM, _gev_to_tev, read_out=True),
    "3": _Rules((100_000, 50_000), _LOG_UNIFORM, _gev_to_tev, read_out=True),
}


def check(address: Where, dataset: str, progress: Callable[[float], None] = lambda done: None) -> Checked:
    """All faults of a file of showers for a data set of the challenge (1-photons, 1-pions, 2 or 3).

    The values are looked at when keys, types and shapes are right. progress: is told the fraction that is read. Raises
    InputError for a file or group that cannot be opened, and for another data set.
    """
    address, detector = addresses.parse(address), challenge_geometry(dataset)
    with hdf5.opened(address, KEYS) as group:
        faults = tuple(_layout_faults(group, address, detector))
        if faults:
            return Checked(faults, ())
        with hdf5.readable(address):
            energies, voxels = (hdf5.dataset(group, address, key, KEYS) for key in KEYS)
            rows = _read(energies, voxels, detector, progress)
    return Checked(
        tuple(_value_faults(rows, address, detector, _RULES[dataset])),
        tuple(_remarks(rows, address, detector, _RULES[dataset])),
    )


def challenge_geometry(dataset: str) -> Geometry:
    """The geometry of a data set of the challenge; raises InputError with the known ones.

    >>> challenge_geometry("1-pions").voxels
    533
    """
    if dataset not in _RULES:
        raise InputError(f"data set {dataset!r} of the CaloChallenge, expected one of {', '.join(_RULES)}")
    return geometry.named(f"calochallenge_{dataset.replace('-', '_')}")


def _layout_faults(group: h5py.Group, address: Address, detector: Geometry) -> Iterator[str]:
    written = hdf5.text({**group.file.attrs, **group.attrs}.get("geometry"), f"{address}: attribute geometry")
    if written not in ("", detector.name):
        yield f"{address}: attribute geometry is {written}, expected {detector.name} or none"
    counts = {}
    for key, width in ((ENERGIES, 1), (VOXELS, detector.voxels)):
        try:
            name, item = address.key(key), hdf5.dataset(group, address, key, KEYS)
        except InputError as error:
            yield str(error)
            continue
        if item.dtype.name not in _DTYPES:
            yield f"{name}: type {item.dtype}, expected {' or '.join(_DTYPES)}"
        if item.ndim != 2 or item.shape[1] != width:
            yield f"{name}: shape {item.shape}, expected (showers, {width})"
        if item.ndim:
            counts[key] = item.shape[0]
        if counts.get(key) == 0:
            yield f"{name}: zero rows, expected a row for each shower"
    if len(set(counts.values())) > 1:
        rows = " and ".join(f"{count} {key}" for key, count in counts.items())
        yield f"{address}: {rows}, expected as many"


def _read(energies: h5py.Dataset, voxels: h5py.Dataset, detector: Geometry, progress: Callable[[float], None]) -> _Rows:
    step = max(1, SLICE_BYTES // (8 * detector.voxels))
    parts = []
    for first in range(0, len(voxels), step):
        rows = slice(first, first + step)
        parts.append(_summary(energies[rows, 0].astype(float), voxels[rows], detector.threshold_mev))
        progress(min(1.0, rows.stop / len(voxels)))
    return _Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _summary(energy: np.ndarray, voxels: np.ndarray, threshold: float) -> _Rows:
    # A voxel at the threshold may have been rounded to float32.
    low = (voxels > 0) & (voxels < threshold * (1 - ROUNDING))
    with np.errstate(invalid="ignore", over="ignore"):
        total = voxels.sum(1, dtype=float)
    beyond = ~(np.abs(voxels) <= np.finfo(np.float32).max)  # true of NaN
    kinds = (beyond, voxels < 0, low)
    return _Rows(energy, total, *(np.count_nonzero(kind, axis=1) for kind in kinds))


def _value_faults(rows: _Rows, address: Address, detector: Geometry, rules: _Rules) -> Iterator[str]:
    energies, voxels = address.key(ENERGIES), address.key(VOXELS)
    good = np.isfinite(rows.energy) & (rows.energy > 0)
    yield from _found(energies, ~good, "energies that are not finite and above zero", rules.energies)
    yield from _energy_faults(energies, rows.energy, good, rules)
    yield from _found(voxels, rows.not_finite, "voxels that are NaN or infinite in float32", "finite energies")
    yield from _found(voxels, rows.negative, "voxels that are negative", "energies of zero or above")
    if rules.read_out:
        expected = f"zero or at least {detector.threshold_mev:.4g} MeV"
        kind = "voxels above zero but under the threshold"
        yield from _found(voxels, rows.low, kind, expected, f", {_low_share(rows, detector):.2g} of all")
    yield from _unit_faults(voxels, rows, good & np.isfinite(rows.total) & (rows.total > 0))
    empty = rows.total == 0
    if empty.mean() >= MOSTLY_EMPTY:
        yield from _found(voxels, empty, "showers without energy", f"fewer than {MOSTLY_EMPTY:.0%} of them")


def _found(name: str, count: np.ndarray, what: str, expected: str, more: str = "") -> Iterator[str]:
    """A line, where a count or flag (n,) of rows is not zero everywhere."""
    if count.any():
        yield f"{name}: {what} ({count.sum()}{more}, the first in row {np.argmax(count > 0)}), expected {expected}"


def _energy_faults(name: str, energy: np.ndarray, good: np.ndarray, rules: _Rules) -> Iterator[str]:
    other = np.zeros_like(good)
    other[good] = ~rules.allowed(energy[good])
    looks = ", which looks like GeV" if other.any() and rules.allowed(1e3 * energy[good]).all() else ""
    kind = f"energies such as {energy[np.argmax(other)]:.6g} MeV{looks}"
    yield from _found(name, other, kind, rules.energies)


def _low_share(rows: _Rows, detector: Geometry) -> float:
    return rows.low.sum() / (len(rows.low) * detector.voxels)


def _unit_faults(name: str, rows: _Rows, good: np.ndarray) -> Iterator[str]:
    if not good.any():
        return
    total, response = np.median(rows.total[good]), np.median(rows.total[good] / rows.energy[good])
    low, high = RESPONSES
    mistakes = {
        "fractions of the incident energy": total,
        "voxels in GeV": 1e3 * response,
        "incident energies in GeV": 1e-3 * response,
    }
    looks = next((f", which looks like {what}" for what, value in mistakes.items() if low <= value <= high), "")
    if not low <= response <= high:
        median = f"median of the voxels' sum over the incident energy {response:.3g}{looks}"
        yield f"{name}: {median}, expected {low:g} to {high:g} of energies in MeV"


def _remarks(rows: _Rows, address: Address, detector: Geometry, rules: _Rules) -> Iterator[str]:
    if len(rows.energy) not in rules.counts:
        published = " or ".join(f"{count:,}" for count in rules.counts)
        yield f"{address}: {len(rows.energy):,} showers, the challenge has {published}"
    empty = np.mean(rows.total == 0)
    if 0 < empty < MOSTLY_EMPTY:
        yield f"{address.key(VOXELS)}: {empty:.2g} of the showers have no energy"
    if not rules.read_out and rows.low.any():
        share, threshold = _low_share(rows, detector), f"{detector.threshold_mev:g} MeV"
        yield f"{address.key(VOXELS)}: {share:.2g} of the voxels are above zero but under the threshold of {threshold}"
