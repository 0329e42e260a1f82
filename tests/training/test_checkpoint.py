import dataclasses
import errno
import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.training import Config, Encode, checkpoint, fit
from hepjax.types import InputError, State

KEY = jax.random.key(0)
CONFIG = Config(epochs=6, batch_size=40, learning_rate=0.05, checkpoint_every=1)


@dataclasses.dataclass(frozen=True)
class Grid:
    shape: tuple[int, ...]
    name: str | None = None


@dataclasses.dataclass(frozen=True)
class Spec:
    grid: Grid
    width: int = 4
    scale: float = 0.1


class Constants(NamedTuple):
    mean: jax.Array
    nothing: None = None


def _state(width=4):
    params = {"dense": {"kernel": jnp.arange(3.0 * width).reshape(3, width)}, "n": jnp.array(7)}
    return State(Spec(Grid((2, 3)), width), Constants(jnp.array([0.1, jnp.pi])), params)


def _build(spec):
    return jax.eval_shape(lambda: _state(spec.width)._replace(spec=None))


def _equal(a, b):
    return jax.tree.structure(a) == jax.tree.structure(b) and jax.tree.all(jax.tree.map(np.array_equal, a, b))


def _one_line(error):
    return "\n" not in str(error.value)


def test_a_state_comes_back_as_it_was(tmp_path):
    checkpoint.save(tmp_path / "model", _state())
    state = checkpoint.load(tmp_path / "model", _build)
    assert state.spec == _state().spec and hash(state.spec) == hash(_state().spec)
    assert _equal(state[1:], _state()[1:])
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["versions"]["jax"] == jax.__version__


def test_a_state_without_constants_comes_back(tmp_path):
    checkpoint.save(tmp_path / "model", _state()._replace(constants=()))
    assert checkpoint.load(tmp_path / "model", lambda spec: _build(spec)._replace(constants=())).constants == ()


def test_a_later_save_replaces_and_leaves_nothing_else(tmp_path):
    checkpoint.save(tmp_path / "model", _state(4))
    checkpoint.save(tmp_path / "model", _state(5))
    assert checkpoint.load(tmp_path / "model", _build).spec.width == 5
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("call", ["save", "_fill"])
def test_a_full_disk_keeps_the_older_checkpoint(tmp_path, monkeypatch, call):
    checkpoint.save(tmp_path / "model", _state())

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    if call == "save":
        monkeypatch.setattr("orbax.checkpoint.StandardCheckpointer.save", full)
    else:
        monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(InputError, match="No space left") as error:
        checkpoint.save(tmp_path / "model", _state(5))
    monkeypatch.undo()
    assert _one_line(error)
    assert checkpoint.load(tmp_path / "model", _build).spec.width == 4
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_checkpoint_is_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    with pytest.raises(InputError, match="no checkpoint"):
        checkpoint.save(tmp_path / "thesis", _state())


def test_a_specification_of_other_values_is_refused(tmp_path):
    with pytest.raises(TypeError, match="specification"):
        checkpoint.save(tmp_path / "model", _state()._replace(spec=Spec(Grid([1]))))
    assert not list(tmp_path.iterdir())


def test_a_missing_checkpoint_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no checkpoint here") as error:
        checkpoint.load(tmp_path / "model", _build)
    assert _one_line(error)


@pytest.mark.parametrize("victim", ["config.json", "arrays/_METADATA", "arrays/manifest.ocdbt", "arrays/d"])
@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_damaged_checkpoint_is_one_line(tmp_path, victim, damage):
    checkpoint.save(tmp_path / "model", _state())
    path = tmp_path / "model" / victim
    for file in path.iterdir() if path.is_dir() else [path]:
        if damage == "removed":
            file.unlink()
        else:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError) as error:
        checkpoint.load(tmp_path / "model", _build)
    assert _one_line(error) and "model" in str(error.value)


def test_another_model_is_refused(tmp_path):
    checkpoint.save(tmp_path / "model", _state())
    with pytest.raises(InputError, match="another model"):
        checkpoint.load(tmp_path / "model", lambda spec: _build(dataclasses.replace(spec, width=5)))


@pytest.mark.parametrize("kind", ["os:system", "hepjax.no_such:Spec", None])
def test_a_specification_of_an_unknown_class_is_refused(tmp_path, kind):
    checkpoint.save(tmp_path / "model", _state())
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "spec": {**config["spec"], "kind": kind}}))
    with pytest.raises(InputError, match="not a specification"):
        checkpoint.load(tmp_path / "model", _build)


class Stop(Exception):
    pass


def _score(stop_at=None):
    calls = iter(range(100))

    def score(key, params):
        if next(calls) == stop_at:
            raise Stop
        return abs(float(params["b"]) - 0.1)

    return score


def test_a_resumed_fit_is_the_unbroken_one(noisy, data, tmp_path):
    whole = fit(KEY, noisy, data, CONFIG, score=_score())
    with pytest.raises(Stop):
        fit(KEY, noisy, data, CONFIG, score=_score(stop_at=3), folder=tmp_path)
    resumed = fit(KEY, noisy, data, CONFIG, score=_score(), folder=tmp_path, resume=True)
    again = fit(KEY, noisy, data, CONFIG, score=_score(stop_at=0), folder=tmp_path, resume=True)
    assert _equal(whole, resumed) and _equal(whole, again)
    assert 1 < whole.best_epoch < 6


def test_a_fit_without_selection_resumes_and_extends(noisy, data, tmp_path):
    config = dataclasses.replace(CONFIG, validation=0.0, schedule="constant", warmup=0.0, checkpoint_every=0)
    whole = fit(KEY, noisy, data, config)
    fit(KEY, noisy, data, dataclasses.replace(config, epochs=2), folder=tmp_path)
    assert _equal(whole, fit(KEY, noisy, data, config, folder=tmp_path, resume=True))


def test_a_folder_in_use_needs_resume_and_the_same_fit(model, data, tmp_path):
    fit(KEY, model, data, CONFIG, folder=tmp_path)
    with pytest.raises(InputError, match="holds the checkpoint of a fit"):
        fit(KEY, model, data, CONFIG, folder=tmp_path)
    for field, key, config in (
        ("key", jax.random.key(1), CONFIG),
        ("learning_rate", KEY, dataclasses.replace(CONFIG, learning_rate=0.1)),
        ("epochs", KEY, dataclasses.replace(CONFIG, epochs=9)),
    ):
        with pytest.raises(InputError, match=f"another {field}"):
            fit(key, model, data, config, folder=tmp_path, resume=True)


@pytest.mark.parametrize("other", ["events", "events for validation", "parameters to start", "constants"])
def test_a_fit_of_other_data_is_not_resumed(model, data, tmp_path, other):
    """Nor one that is finished; all have the same shapes, of data one event in sixty is another."""
    given = {
        "data": data,
        "validation": {name: column[:40] for name, column in data.items()},
        "params": {"w": jnp.ones(3), "b": jnp.zeros(())},
        "encode": Encode(_scaled, np.float32(1)),
    }
    start = dict(zip(("events", "events for validation", "parameters to start", "constants"), given, strict=True))

    def changed(name, value):
        if name == "encode":
            return Encode(_scaled, np.float32(1.01))
        if name == "params":
            return {"w": jnp.array([1.0, 1.0, 1.1]), "b": jnp.zeros(())}
        return {**value, "x": np.where(np.arange(len(value["x"]))[:, None] % 60 == 7, 1, value["x"])}

    def run(**given):
        return fit(KEY, model, config=CONFIG, folder=tmp_path, resume=True, **given)

    first, name = run(**given), start[other]
    with pytest.raises(InputError, match=f"holds a fit with other {other}") as error:
        run(**{**given, name: changed(name, given[name])})
    assert _one_line(error)
    rounded = {**data, "x": np.nextafter(data["x"], np.float32(9))}  # as on other devices
    assert _equal(first, run(**{**given, "data": rounded}))


def _scaled(key, constants, batch):
    return {**batch, "x": constants * batch["x"]}


def test_a_damaged_fit_is_one_line(model, data, tmp_path):
    fit(KEY, model, data, CONFIG, folder=tmp_path)
    (tmp_path / "6" / "arrays" / "_METADATA").write_text("{")
    with pytest.raises(InputError, match="damaged") as error:
        fit(KEY, model, data, CONFIG, folder=tmp_path, resume=True)
    assert _one_line(error)


def test_a_folder_that_cannot_be_made_is_one_line(model, data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot hold checkpoints") as error:
        fit(KEY, model, data, CONFIG, folder=tmp_path / "file")
    assert _one_line(error)
