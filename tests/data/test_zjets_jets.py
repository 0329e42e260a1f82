"""Jets and their observables: closed forms of jets of one, two and three constituents."""

import numpy as np
import pytest

pytest.importorskip("fastjet")

from hepjax.data.zjets import jets
from hepjax.data.zjets.particles import Particles, delta_phi, kinematics, momentum, pseudorapidity

NAMES = ("pt", "rapidity", "mass", "multiplicity", "width", "ln_rho", "z_g", "tau21")


def event(pt, eta, phi, mass=0.0):
    """Particles of one event."""
    momenta = momentum(*np.broadcast_arrays(*(np.asarray(a, float) for a in (pt, eta, phi, mass))))
    return Particles(momenta, np.full(len(momenta), 211), np.array([len(momenta)]))


def together(*events):
    return Particles(
        np.concatenate([e.momentum for e in events]),
        np.concatenate([e.pdg for e in events]),
        np.concatenate([e.count for e in events]),
    )


def observed(particles):
    """Observables by name of the only jet."""
    found = jets.observables(jets.leading(particles))
    assert len(found) == 1
    return dict(zip(NAMES, found[0], strict=True))


@pytest.mark.parametrize("z", [0.11, 0.3, 0.5])
@pytest.mark.parametrize("angle", [0.02, 0.2])
def test_two_prongs(z, angle):
    """Massless prongs in a plane of rapidity: m^2 = 2 pT_1 pT_2 (cosh(angle) - 1), and tau_2 is zero."""
    pt = 300.0
    found = observed(event([z * pt, (1 - z) * pt], [0.5 - angle, 0.5], [1.0, 1.0]))
    mass = pt * np.sqrt(2 * z * (1 - z) * (np.cosh(angle) - 1))
    assert found["pt"] == pytest.approx(pt)
    assert found["mass"] == pytest.approx(mass, rel=1e-6)
    assert found["multiplicity"] == 2
    # To first order in the angle the prongs are (1 - z) and z of it away from the axis.
    assert found["width"] == pytest.approx(2 * z * (1 - z) * angle / 0.4, rel=angle)
    assert found["z_g"] == pytest.approx(z)
    assert found["ln_rho"] == pytest.approx(2 * np.log(mass / pt), rel=1e-6)
    assert found["tau21"] == pytest.approx(0, abs=1e-7)


def test_soft_drop_removes_what_is_soft_and_wide_before_it_finds_the_prongs():
    pt, near, wide = 200.0, 0.05, 0.3
    found = observed(event([0.6 * pt, 0.38 * pt, 0.02 * pt], [0, near, 0], [0, 0, wide]))
    groomed = pt * np.sqrt(2 * 0.6 * 0.38 * (np.cosh(near) - 1))
    # ln rho is relative to the pT of the jet before grooming; the vector sum of pT is below the scalar one.
    assert found["ln_rho"] == pytest.approx(2 * np.log(groomed / found["pt"]), rel=1e-6)
    assert found["z_g"] == pytest.approx(0.38 / 0.98)
    assert found["mass"] > 1.5 * groomed


@pytest.mark.parametrize("pt, eta", [([100.0], [0.3]), ([150.0, 3.0], [0.3, 0.5])], ids=["one", "soft second"])
def test_failed_grooming_is_zero(pt, eta):
    found = observed(event(pt, eta, np.zeros(len(pt))))
    assert (found["z_g"], found["ln_rho"], found["tau21"]) == (0, 0, pytest.approx(0, abs=1e-7))


def test_collinear_prongs_have_a_split_without_mass():
    found = observed(event([60.0, 40.0], [0.3, 0.3], [0.0, 0.0]))
    assert found["z_g"] == pytest.approx(0.4)
    assert found["ln_rho"] == 0 or found["ln_rho"] < -30  # rounding leaves a mass of 1e-8 pT
    assert found["width"] == pytest.approx(0, abs=1e-7)


def test_tau21_of_two_prongs_of_two():
    """kT subjets are the pairs: tau_2 sums each particle's distance to its pair's axis, half the opening each."""
    opening, apart = 0.02, 0.3
    rapidity = np.array([-apart - opening, -apart + opening, apart - opening, apart + opening]) / 2
    found = observed(event(np.full(4, 50.0), rapidity, np.zeros(4)))
    assert found["width"] == pytest.approx(apart / 2 / 0.4)
    assert found["tau21"] == pytest.approx(opening / apart, rel=1e-4)


def test_subjettiness_follows_its_definition():
    """tau_1 of random jets, about the axis of the jet; tau_2 is not above it but for the change of axes."""
    rng = np.random.default_rng(0)
    parts = together(*(event(rng.exponential(10, n) + 1, *rng.normal(0, 0.1, (2, n))) for n in range(3, 23)))
    found = jets.leading(parts)
    inside = kinematics(found.constituents.momentum)
    axis = kinematics(found.momentum[found.constituents.event])
    distance = np.hypot(inside.rapidity - axis.rapidity, delta_phi(inside.phi, axis.phi))
    sums = [np.bincount(found.constituents.event, w) for w in (inside.pt * distance, inside.pt)]
    tau = jets.subjettiness(found)
    np.testing.assert_allclose(tau[:, 0], sums[0] / (0.4 * sums[1]), rtol=1e-6)
    assert (tau[:, 1] < 1.2 * tau[:, 0]).all() and (tau[:, 1] > 0).any()


def test_massive_constituents_have_rapidity_and_mass():
    found = observed(event([30.0], [1.5], [0.2], mass=5.0))
    assert found["mass"] == pytest.approx(5)
    assert found["rapidity"] == pytest.approx(np.arcsinh(30 * np.sinh(1.5) / np.hypot(30, 5)))


def test_leading_jet_is_the_hardest_in_acceptance():
    """Event 0: a harder jet is beyond |y| = 2.1. Event 1: none has 20 GeV. Event 2: two jets, each of two particles."""
    first = event([500.0, 90.0, 50.0], [2.3, -1.0, 0.0], [0.0, 1.0, 2.0])
    second = event([19.0, 15.0], [0.0, 1.0], [0.0, 2.0])
    third = event([30.0, 60.0, 20.0, 55.0], [0.0, 1.0, 0.1, 1.1], [3.1, 0.0, -3.1, 0.1])
    found = jets.leading(together(first, second, third))
    assert found.event.tolist() == [0, 2]
    np.testing.assert_allclose(kinematics(found.momentum).pt, [90, 114.86], rtol=1e-4)
    assert found.constituents.count.tolist() == [1, 2]
    np.testing.assert_allclose(kinematics(found.constituents.momentum).pt, [90, 60, 55])


def test_no_jets_have_no_observables():
    assert jets.observables(jets.leading(event([5.0], [0.0], [0.0]))).shape == (0, 8)


def test_kinematics_round_trip():
    rng = np.random.default_rng(1)
    pt, eta, phi, mass = rng.exponential(10, 50), rng.normal(0, 2, 50), rng.uniform(-np.pi, np.pi, 50), rng.random(50)
    momenta = momentum(pt, eta, phi, mass)
    np.testing.assert_allclose(kinematics(momenta).pt, pt)
    np.testing.assert_allclose(kinematics(momenta).phi, phi)
    np.testing.assert_allclose(pseudorapidity(momenta), eta)
    energy, pz = momenta[:, 3], momenta[:, 2]
    np.testing.assert_allclose(kinematics(momenta).rapidity, 0.5 * np.log((energy + pz) / (energy - pz)), rtol=1e-6)
