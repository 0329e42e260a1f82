"""The detector on single particles: efficiencies, resolutions, towers and thresholds are those of its card."""

import numpy as np
import pytest

from hepjax.data.zjets import detector
from hepjax.data.zjets.particles import Particles, kinematics, mass_squared, momentum, pseudorapidity

EVENTS = 20_000
PION, PHOTON, KLONG, MUON, ELECTRON = 211, 22, 130, 13, 11


def singles(pdg, pt, eta, phi=0.3, mass=0.0, events=EVENTS):
    """One particle an event, all alike but for arrays among the arguments."""
    momenta = momentum(*np.broadcast_arrays(*(np.full(events, a, float) for a in (pt, eta, phi, mass))))
    return Particles(momenta, np.full(events, pdg), np.ones(events, int))


def detect(particles, seed=0):
    return detector.detect(np.random.default_rng(seed), particles)


def within(sample, expected, error, sigmas=5):
    """A mean is within five standard errors, which fails by chance once in two million."""
    assert abs(sample - expected) < sigmas * error


@pytest.mark.parametrize(
    "pt, eta, expected",
    [
        (5.0, 0.5, detector.TRACKER.efficiency[0]),
        (5.0, -2.0, detector.TRACKER.efficiency[1]),
        (0.5, 0.5, detector.TRACKER.soft_efficiency[0]),
        (0.5, 2.0, detector.TRACKER.soft_efficiency[1]),
        (5.0, 2.7, 0.0),
        (0.9 * detector.TRACKER.min_pt_gev, 0.5, 0.0),
    ],
)
def test_tracking_efficiency(pt, eta, expected):
    seen = detect(singles(-PION, pt, eta, mass=0.1396))
    tracks = seen.select(seen.pdg == -PION)
    within(len(tracks.pdg) / EVENTS, expected, np.sqrt(expected * (1 - expected) / EVENTS) + 1e-12)


@pytest.mark.parametrize("pt", [2.0, 100.0])
@pytest.mark.parametrize("region, eta", [(0, 1.2), (1, -1.8)])
def test_track_resolution_and_direction(pt, region, eta):
    seen = detect(singles(PION, pt, eta, mass=0.1396))
    tracks = seen.momentum[seen.pdg == PION]
    found = kinematics(tracks)
    sigma = np.hypot(detector.TRACKER.resolution[region][0], detector.TRACKER.resolution[region][1] * pt)
    within(found.pt.mean() / pt, 1, sigma / np.sqrt(len(tracks)))
    within(found.pt.std() / pt, sigma, sigma / np.sqrt(2 * len(tracks)))
    np.testing.assert_allclose(pseudorapidity(tracks), eta)
    np.testing.assert_allclose(found.phi, 0.3)
    np.testing.assert_allclose(mass_squared(tracks), 0, atol=1e-9 * tracks[:, 3].max() ** 2)


@pytest.mark.parametrize("pdg, calorimeter", [(PHOTON, detector.ECAL), (KLONG, detector.HCAL)])
def test_calorimeter_resolution(pdg, calorimeter):
    energy = 200.0
    seen = detect(singles(pdg, energy / np.cosh(1.0), 1.0))
    assert (seen.pdg == calorimeter.deposit).all() and len(seen.pdg) == EVENTS
    sigma = np.sqrt(
        (calorimeter.constant * energy) ** 2 + calorimeter.stochastic**2 * energy + calorimeter.noise_gev**2
    )
    # A deposit keeps E_T cosh(eta) of the centre of its tower, so that its energy is the one that was measured.
    measured = seen.momentum[:, 3]
    within(measured.mean(), energy, sigma / np.sqrt(EVENTS))
    within(measured.std(), sigma, sigma / np.sqrt(2 * EVENTS))


@pytest.mark.parametrize("pdg, calorimeter", [(PHOTON, detector.ECAL), (KLONG, detector.HCAL)])
def test_towers_point_to_their_centres(pdg, calorimeter):
    rng = np.random.default_rng(0)
    eta, phi = rng.uniform(-2.9, 2.9, EVENTS), rng.uniform(-np.pi, np.pi, EVENTS)
    seen = detect(singles(pdg, 500.0, eta, phi))
    for found, true, pitch in zip(
        (pseudorapidity(seen.momentum), kinematics(seen.momentum).phi), (eta, phi), calorimeter.pitch, strict=True
    ):
        np.testing.assert_allclose((found / pitch) % 1, 0.5, atol=1e-6)
        assert np.abs(found - true).max() <= pitch / 2 + 1e-9


def test_a_tower_adds_its_particles_and_another_event_has_its_own():
    """Two photons of one tower, and one of the same direction in the next event."""
    three = momentum(np.array([100.0, 50.0, 30.0]), np.full(3, 0.009), np.full(3, 0.009))
    seen = detect(Particles(three, np.full(3, PHOTON), np.array([2, 1])))
    assert seen.count.tolist() == [1, 1]
    np.testing.assert_allclose(kinematics(seen.momentum).pt, [150, 30], rtol=0.1)


def test_hadrons_without_a_track_are_seen_by_the_calorimeter_and_those_with_one_only_once():
    seen = detect(singles(2212, 80.0, 2.0, mass=0.938))
    assert (seen.count == 1).all()
    share = (seen.pdg == detector.HCAL.deposit).mean()
    expected = 1 - detector.TRACKER.efficiency[1]
    within(share, expected, np.sqrt(expected * (1 - expected) / EVENTS))


def test_electrons_without_a_track_are_photons_and_muons_are_lost():
    assert set(detect(singles(ELECTRON, 50.0, 2.0)).pdg) == {ELECTRON, PHOTON}
    assert set(detect(singles(MUON, 50.0, 2.0)).pdg) == {MUON}


@pytest.mark.parametrize("pdg, calorimeter", [(PHOTON, detector.ECAL), (KLONG, detector.HCAL)])
def test_deposits_are_above_threshold(pdg, calorimeter):
    seen = detect(singles(pdg, calorimeter.min_et_gev, 0.5))
    assert 0 < len(seen.pdg) < EVENTS
    assert kinematics(seen.momentum).pt.min() > calorimeter.min_et_gev


def test_nothing_is_seen_beyond_the_calorimeters():
    assert detect(singles(PHOTON, 100.0, 3.2)).count.tolist() == [0] * EVENTS


def test_the_same_seed_sees_the_same():
    particles = singles(PION, 3.0, np.linspace(-2.4, 2.4, EVENTS))
    first, again, other = detect(particles, 1), detect(particles, 1), detect(particles, 2)
    np.testing.assert_array_equal(first.momentum, again.momentum)
    assert first.momentum.shape != other.momentum.shape or (first.momentum != other.momentum).any()
