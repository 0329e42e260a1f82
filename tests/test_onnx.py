"""Models as ONNX graphs: the numbers of the live ones at their noise, plain operators, and clear refusals."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from fitted import KEY, N, calibration_state, case_of, near

from hepjax import export
from hepjax.app import cli
from hepjax.draws import LAWS
from hepjax.export import Exportable, Field, onnx_program
from hepjax.pipelines import calibration, unfolding
from hepjax.types import InputError, State

pytestmark = pytest.mark.usefixtures("fast_compilation")

X = np.random.default_rng(0).normal(0, 2, (7, 3, 4)).astype(np.float32)
EVEN, NOTHING = np.array([0, 2]), State(None, None, None)
FUNCTIONS = {
    "arithmetic": lambda x: -x * x + x / 3 - jnp.abs(x) ** 1.5 + x**3 + jnp.square(x),
    "elementary": lambda x: jnp.exp(x) + jnp.log(jnp.abs(x)) + jnp.sqrt(jnp.abs(x)) + jnp.sin(x) * jnp.cos(x),
    "tanh and sigmoid": lambda x: jnp.tanh(x) + jax.nn.silu(x) + jax.lax.rsqrt(1 + x * x) + jnp.sign(x),
    "log1p and expm1": lambda x: jnp.log1p(jnp.exp(4 * x)) * jnp.expm1(1e-3 * x),
    "softplus": lambda x: jax.nn.softplus(5 * x),
    "normal law": lambda x: jax.scipy.special.ndtr(x),
    "its logarithm": lambda x: jnp.log(jax.scipy.special.ndtr(-jnp.abs(2 * x))),
    "its quantiles": lambda x: jax.scipy.special.ndtri(jax.scipy.special.ndtr(-jnp.abs(x))),
    "rounding": lambda x: (
        jnp.floor(x) + jnp.ceil(x) + jnp.round(x) + (x * 9).astype(int) // 4 + (x * 9).astype(int) % 4
    ),
    "comparisons": lambda x: ((x > 0) & (x < 1) | ~(x <= -1) ^ (x >= 2)) + (jnp.sign(x) == 1) + (jnp.sign(x) != 0),
    "choices": lambda x: jnp.where(x > 0, x, 2.0) + jnp.where(x[0, 0] > 0, x, 1.0) + jnp.where(x > 0, x < 1, x > -1),
    "limits": lambda x: jnp.clip(x, -1, 1) + jax.lax.clamp(-0.5, x, x[0, 0]) + jnp.maximum(x, 0.1),
    "sums": lambda x: x.sum() + x.sum(0) + x.max(-1)[:, None] + x.min(0) + jnp.prod(x, axis=1, keepdims=True),
    "all and any": lambda x: (x > 0).any(0) + (x > 0).all(1)[:, None],
    "running sums": lambda x: jnp.cumsum(x, -1) + jnp.cumprod(x, 0) + jax.lax.cumsum(x, 1, reverse=True),
    "places": lambda x: x.argmax(0) + x.argmin(1)[:, None],
    "layout": lambda x: jnp.concatenate([x.T[::-1], x[:, :3].T[1:3], jnp.ones((1, 3))], 0) + x.reshape(4, 3)[:1],
    "split and stack": lambda x: jnp.stack([*jnp.split(x, 2, axis=1), jnp.zeros((3, 2))], 1),
    "padding": lambda x: jnp.pad(x, ((1, 0), (0, 2)), constant_values=3.0),
    "replacement": lambda x: jnp.zeros((3, 6)).at[:, np.array([5, 0, 2, 4])].set(x).at[1].set(7.0),
    "look-up of rows": lambda x: x[EVEN] + jnp.asarray(X[0])[x.argmax(0)[:2]] + jnp.asarray(X[1])[x[:, 0].argmax()],
    "look-up of entries": lambda x: (
        jnp.asarray(X[0])[x.argmax(0)[:3], x.argmax(1)] + jnp.take_along_axis(x, x.argmax(1)[:, None], 1)
    ),
    "interpolation": lambda x: jax.vmap(jnp.interp, (0, None, 0))(
        x, jnp.linspace(-3, 3, 9), jnp.asarray(X[:3, 0].repeat(3, 1)[:, :9])
    ),
    "product with an array": lambda x: (
        x @ X[0].T + X[1] @ x.T + (x[0] @ X[0].T) @ X[1, :, :3] + jnp.tensordot(x, X[:3], ((0, 1), (0, 2)))
    ),
    "product of two": lambda x: x @ x.T + x[0] @ x[1] + jnp.einsum("ij,ij->i", x, x),
    "products of several": lambda x: jnp.einsum("ij,ijk->ik", x, X[:3, :, :].repeat(4, 1)[:, :4]),
    "loop": lambda x: jax.lax.scan(
        lambda c, row: (jnp.tanh(c + row[0] * row[1]), c), x[0], (x, jnp.arange(3.0)), reverse=True
    )[1],
    "constant": lambda x: jnp.ones(2),
}


def made(*functions):
    """A model of functions of one event, and nothing fitted."""
    inputs = (Field("x", "", "numbers", X.shape[1:]),)
    outputs = tuple(Field(f"y{k}", "", "a function") for k in range(len(functions)))
    return Exportable(lambda _, *x: tuple(function(*x) for function in functions), inputs, outputs, "Tests.", ("none",))


@pytest.fixture(scope="module")
def computed():
    """What onnxruntime makes of every function."""
    program = onnx_program.convert(made(*FUNCTIONS.values()), NOTHING)
    return dict(zip(FUNCTIONS, session(program.content).run(None, {"x": X}), strict=True))


def session(content):
    import onnxruntime

    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_jax(name, computed):
    live = jax.jit(jax.vmap(FUNCTIONS[name]))(X)
    assert computed[name].dtype == live.dtype and computed[name].shape == live.shape
    np.testing.assert_allclose(computed[name], live, rtol=3e-6, atol=1e-6)


@pytest.fixture(scope="module", params=["squirels", "caloflow", "student", "posterior", "omnifold"])
def exported(request, tmp_path_factory):
    """The live numbers, the function of the ONNX, what it takes with the live noise, the record, and the graph."""
    case, folder = case_of(request.param), tmp_path_factory.mktemp(request.param)
    export.write(folder, case.state, "onnx")
    record = json.loads((folder / "record.json").read_text())
    given = export.noise(case.state, KEY, jnp.arange(N)) | case.arrays
    return case.live, export.load_onnx(folder), given, record, onnx.load(folder / "model.onnx")


def test_the_numbers_are_those_of_the_live_model_at_its_noise(exported):
    """To 1e-6 of the largest, in batches of any size."""
    live, function, given, record, _ = exported
    assert {array["name"] for array in record["inputs"]} == given.keys()
    for rows in (slice(N), slice(3, 4)):
        found = function(**{name: array[rows] for name, array in given.items()})
        for name, numbers in zip(found, live.values(), strict=True):
            assert np.abs(found[name] - np.asarray(numbers)[rows]).max() <= 1e-6 * np.abs(numbers).max()


def test_the_record_and_the_graph_agree(exported):
    *_, record, model = exported
    (opset,) = model.opset_import
    assert (opset.domain, opset.version) == ("", record["opset"])
    assert sorted({node.op_type for node in model.graph.node}) == record["operators"]
    assert {node.domain for node in model.graph.node} == {""}
    for arrays, values in ((record["inputs"], model.graph.input), (record["outputs"], model.graph.output)):
        assert [array["name"] for array in arrays] == [value.name for value in values]
        for array, value in zip(arrays, values, strict=True):
            assert array["meaning"]
            assert array["shape"] == [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
    assert record["noise"] == "none" or record["noise"].startswith("from the inputs ")


def test_other_noise_gives_other_events(exported):
    _, function, given, _, _ = exported
    others = {name: array[::-1] if name in LAWS else array for name, array in given.items()}
    (found, *_), (other, *_) = (list(function(**arrays).values()) for arrays in (given, others))
    assert np.allclose(found, other) == given.keys().isdisjoint(LAWS)


WITHOUT_JAX = """
import sys
for name in ("jax", "hepjax", "onnx"):
    sys.modules[name] = None
sys.path.insert(0, sys.argv[1])
import load_onnx, numpy
numpy.save(sys.argv[3], load_onnx.load()(gen=numpy.load(sys.argv[2]))["weight"])
"""


def test_the_command_writes_what_numpy_and_onnxruntime_run(tmp_path):
    case, run, out = case_of("omnifold"), tmp_path / "run", tmp_path / "out"
    run.mkdir()
    unfolding.save(run / "checkpoint", case.state)
    assert cli.main(["export", "--model", str(run), "--out", str(out), "--format", "onnx"]) == 0
    assert {path.name for path in out.iterdir()} == {".hepjax", "model.onnx", "record.json", "load_onnx.py"}
    gen, weight = tmp_path / "gen.npy", tmp_path / "weight.npy"
    np.save(gen, case.arrays["gen"])
    done = subprocess.run([sys.executable, "-c", WITHOUT_JAX, *map(str, (out, gen, weight))], capture_output=True)
    assert done.returncode == 0, done.stderr
    near(np.load(weight), case.live["weight"])


def test_what_has_no_form_in_onnx_ends_with_one_line(tmp_path, monkeypatch, capsys):
    def refused(expected, *options):
        assert cli.main(["export", "--model", str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1
        assert not (tmp_path / "out").exists()

    calibration.save(tmp_path / "checkpoint", calibration_state())
    refused("has no form in ONNX, expected a model of fixed steps, or format jax", "--format", "onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    refused("format onnx needs the package onnx: pip install 'hepjax[onnx]'", "--format", "onnx")


def test_too_long_and_too_narrow_programs_are_refused(monkeypatch):
    halved = made(lambda x: x.astype(jnp.bfloat16) + 1)
    with pytest.raises(InputError, match="its net is in bfloat16, expected float32"):
        onnx_program.convert(halved, NOTHING)
    monkeypatch.setattr("hepjax.export.graph.MOST_NODES", 5)
    with pytest.raises(InputError, match="has over 5 steps in ONNX, expected fewer"):
        onnx_program.convert(made(*FUNCTIONS.values()), NOTHING)
