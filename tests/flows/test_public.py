"""Flows against numbers that public packages gave for the same parameters, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats
from sklearn.mixture import GaussianMixture

from hepjax import flows
from hepjax.flows.autoregressive import autoregressive_layer
from hepjax.flows.coupling import coupling_layer
from hepjax.types import Events, Net

pytestmark = pytest.mark.usefixtures("fast_compilation", "_float64")

X = np.array([[0.3, -1.2, 0.8, 2.1, -0.4], [1.5, 0.2, -2.6, 3.4, 0.9], [-0.7, 0.6, 0.1, -1.1, 2.9]])
COND = np.array([[0.5, -0.3], [-1.0, 0.8], [0.2, 0.4]])

# nflows 0.14, `unconstrained_rational_quadratic_spline` with linear tails, and zuko 1.6.0, `MonotonicRQSTransform` with
# the same knots, which agree with each other to 1e-14: values and logarithms of slopes at `PLACES`, there and back.
PLACES = np.linspace(-3.5, 3.5, 9)
THERE = (
    [-3.5, -2.656911592951124, -0.22612705342838002, -0.36125457673047157, -2.8342917519294604, 1.3403382593481523,
     1.5259733573181702, 2.819297440963095, 3.5],
    [0.0, -0.1787141349101551, -4.457589746707861, -0.6832058070281043, -1.643669436698394, -2.453157239244462,
     2.049777050698921, -1.4277783952075735, 0.0],
)  # fmt: skip
BACK = (
    [-3.5, -2.5865037842117116, -2.695299667997798, -1.6691831482288233, 0.4182895238791722, -0.6889352932857212,
     1.7798600947893521, 0.8791304896888326, 3.5],
    [0.0, 0.19647713342711715, -1.904687845416297, 0.1927944964911704, -1.370144723835236, -0.08654326658613076,
     -1.9763392964872373, 2.1173247768836125, 0.0],
)  # fmt: skip

# nflows 0.14, `PiecewiseRationalQuadraticCouplingTransform` and `MaskedPiecewiseRationalQuadraticAutoregressive-
# Transform` around a torch 2.14.1 net of the parameters `known`: z, log|dz/dx| and the normal log density of X; x and
# log|dx/dz| of X as latent.
LAYERS = {
    "coupling": (
        [[0.3, -1.2, 1.1079247012266664, 2.4798784566341654, -0.6662885063799215],
         [1.5, 0.2, -2.7863779082088236, 3.4, 0.39797059377984567],
         [-0.7, 0.6, 0.2611698302713641, -2.1384677279205127, 2.9117180940754146]],
        [-2.222118603298124, -1.0019268106365717, -2.0504458284080003],
        [-11.492428607821704, -16.482760697093767, -13.629816575915191],
        [[0.3, -1.2, 0.48861082296031977, 1.2171298643052364, 0.20880740614479065],
         [1.5, 0.2, -1.7125326048712641, 3.4, 1.3595681677020965],
         [-0.7, 0.6, -0.3959798703293209, -0.7345004453995324, 2.884730075722442]],
        [0.8647524140914601, 1.5656396179577812, -0.990569185568825],
    ),
    "autoregressive": (
        [[0.19020882042243462, -1.457622626960938, 0.9187226447453656, 2.1153833508489868, -0.3760539984026985],
         [1.4388414239222662, -0.18863734880328176, -2.65775981251955, 3.4, 0.8253055344188689],
         [-0.8150539302005989, 0.3447135385516894, -0.033404190654512556, -0.8865996431031891, 2.9001751473561805]],
        [-0.2871210291150606, -0.27360913331420483, 0.0712488620747728],
        [-8.692392568501756, -15.573634368709843, -9.51410929656994],
        [[0.4178608649722777, -0.9107923863694398, 0.6666329628998942, 2.0625042573355805, -0.39651210776929613],
         [1.5564780198742287, 0.6064969148346093, -2.515781294084002, 3.4, 0.9559809287788756],
         [-0.595660974862226, 0.8447638052377078, 0.2554558302830244, -1.3337562116834938, 2.899317456393946]],
        [0.26583037212529953, 0.0484152634662256, -0.1066386170907293],
    ),
}  # fmt: skip


@pytest.fixture
def _float64():
    with jax.enable_x64(True):
        yield


def known(init):
    """Parameters of a layer by a formula."""
    leaves, tree = jax.tree.flatten(jax.eval_shape(init, jax.random.key(0)))
    values = [0.6 * np.sin(1.3 * np.arange(a.size) + k).reshape(a.shape) for k, a in enumerate(leaves)]
    return jax.tree.unflatten(tree, [jnp.asarray(v) for v in values])


def test_splines_are_those_of_nflows_and_zuko():
    family = flows.spline(4, 3.0, min_bin=0.05, min_slope=0.02)
    theta = jnp.asarray(2 * np.sin(1.7 * np.arange(11 * 9).reshape(11, 9) + 0.3))
    np.testing.assert_allclose(family.forward(theta, jnp.asarray(PLACES)), THERE, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(family.inverse(theta, jnp.asarray(PLACES)), BACK, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "layer", "hidden"), [("coupling", coupling_layer, (6,)), ("autoregressive", autoregressive_layer, (12,))]
)
def test_layers_are_those_of_nflows(name, layer, hidden):
    bijection = layer(5, flows.spline(4, 3.0, min_bin=0.05, min_slope=0.02), hidden, dim_cond=2)
    params, x, cond = known(bijection.init), jnp.asarray(X), jnp.asarray(COND)
    z, log_det, log_prob, back, log_det_back = LAYERS[name]
    for found, expected in zip(jax.jit(bijection.forward)(params, x, cond), (z, log_det), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    for found, expected in zip(jax.jit(bijection.inverse)(params, x, cond), (back, log_det_back), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    flow = flows.transformed(bijection, flows.normal(5))
    np.testing.assert_allclose(flow.log_prob({"bijection": params, "base": {}}, x, cond), log_prob, rtol=1e-10)


def test_a_continuous_flow_has_the_density_of_torchdiffeq():
    """torchdiffeq 0.2.5 (dopri5) and zuko 1.6.0 (`FreeFormJacobianTransform`), both to 1e-12, agree to 1e-11."""
    a, b = np.array([[0.8, -0.5], [0.3, 0.6]]), np.array([[1.1, 0.4], [-0.7, 0.9]])

    def velocity(params, x, cond=None, time=None, mask=None):
        return jnp.tanh(x @ b.T + jnp.sin(3 * time)) @ a.T - 0.3 * x * time

    flow = flows.matching(Net(lambda key: {}, velocity), 2, steps=200, method="rk4")
    x = jnp.asarray([[0.3, -1.2], [1.5, 0.2], [-2.0, 0.7]])
    expected = [-2.511018561265156, -3.8431308395243073, -6.447401152889546]
    np.testing.assert_allclose(flow.log_prob({}, x), expected, rtol=1e-8)


def test_the_loss_of_a_continuous_flow_vanishes_at_the_flow_of_torchcfm():
    """torchcfm 1.0.7, `TargetConditionalFlowMatcher(0.2)`, of data x1 at time s = 1 - t, noise e: its point and flow.

    It has u = (x1 - 0.8 x) / (1 - 0.8 s); ours runs the other way. With the data as condition the loss is zero.
    """

    def flow_of_torchcfm(x, x1, s):
        return (x1 - 0.8 * x) / (1 - 0.8 * s)[..., None]

    x1, s = np.array([[1.0, 0.4], [-0.6, 0.9]]), np.array([0.25, 0.6])
    x, u = [[0.65, -0.54], [0.316, 0.592]], [[0.6, 1.04], [-1.64, 0.82]]
    np.testing.assert_allclose(flow_of_torchcfm(np.array(x), x1, s), u, rtol=1e-12)
    net = Net(lambda key: {}, lambda params, x, cond=None, time=None, mask=None: -flow_of_torchcfm(x, cond, 1 - time))
    batch = Events(jnp.asarray(X[:, :2]), jnp.asarray(X[:, :2]))
    assert float(flows.matching(net, 2, sigma_min=0.2).loss(jax.random.key(1), {}, batch)[0]) < 1e-24


def test_a_mixture_of_logistics_is_that_of_scipy(rng):
    """z = 0.99 logit F(x) + 0.01 x of arXiv:1902.00275 with SciPy's logistic law, and its slope."""
    k, x = 3, np.linspace(-4, 5, 7)
    theta = rng.normal(size=(3 * k, 7))
    places = np.linspace(-1, 1, k)
    offset = np.log(np.expm1(np.sqrt(1 - 3 * np.var(places) / np.pi**2) - 1e-2))
    law = stats.logistic(theta[k : 2 * k] + places[:, None], 1e-2 + np.logaddexp(0, theta[2 * k :] + offset))
    share = special.softmax(theta[:k], axis=0)
    lower, density = (share * law.cdf(x)).sum(0), (share * law.pdf(x)).sum(0)
    expected = 0.99 * special.logit(lower) + 0.01 * x, np.log(0.99 * density / lower / (1 - lower) + 0.01)
    found = flows.mixture(k).forward(jnp.asarray(theta), jnp.asarray(x))
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_a_mixture_of_normals_is_that_of_scikit_learn(rng):
    base = flows.mixture_of_normals(2, 3)
    theta = rng.normal(size=15)
    widths = 1e-3 + np.logaddexp(0, theta[9:].reshape(3, 2) + np.log(np.expm1(1 - 1e-3)))
    model = GaussianMixture(3, covariance_type="diag")
    model.weights_, model.means_ = special.softmax(theta[:3]), theta[3:9].reshape(3, 2)
    model.covariances_, model.precisions_cholesky_ = widths**2, 1 / widths
    x = rng.normal(size=(6, 2))
    found = base.log_prob({"theta": jnp.asarray(theta)}, jnp.asarray(x))
    np.testing.assert_allclose(found, model.score_samples(x), rtol=1e-9)


def test_logistic_coordinates_are_scipys():
    found = flows.logistic(5).log_prob({}, jnp.asarray(X))
    np.testing.assert_allclose(found, stats.logistic.logpdf(X).sum(-1), rtol=1e-12)
