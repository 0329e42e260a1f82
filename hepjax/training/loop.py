"""The one training loop of the project."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from hepjax import devices
from hepjax.training import epoch, identity, resident, start, stream, table, windows
from hepjax.training.config import Config
from hepjax.training.history import History, TrainingError, check_finite, extend
from hepjax.training.plan import make_plan
from hepjax.training.progress import progress_bar
from hepjax.types import Loss, Params, PRNGKey

# Fields that a resumed fit may change: they end or watch a fit, and leave its numbers as they are.
FREE = ("epochs", "patience", "checkpoint_every", "checkpoint_minutes")


@runtime_checkable
class Model(Protocol):
    """What can be trained.

    init: (key, batch) -> params; the batch is some of the events, for starts that depend on data, such as ActNorm's.
    loss: (key, params, batch) -> (value, metrics).
    """

    @property
    def init(self) -> Callable[..., Params]: ...

    @property
    def loss(self) -> Callable[..., Loss]: ...


class Fitted(NamedTuple):
    """A finished fit.

    params: moving average of the parameters at the best epoch, or at the last without score and validation.
    last: the parameters after the last step. history: quantity -> (epochs,). best_epoch: counted from one.
    """

    params: Params
    last: Params
    history: History
    best_epoch: int


class _Fit(NamedTuple):
    """A fit under way; `best` is the average with the lowest `best_value` so far, at `best_epoch`."""

    carry: epoch.Carry
    best: Params
    best_value: float
    best_epoch: int
    history: History

    @property
    def done(self) -> int:
        return len(self.history.get("epoch", ()))


def fit(
    key: PRNGKey,
    model: Model,
    data: Any,
    config: Config,
    *,
    params: Params | None = None,
    score: Callable[[PRNGKey, Params], Any] | None = None,
    validation: Any | None = None,
    encode: epoch.Encode = epoch.Encode(),  # noqa: B008 - immutable
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    name: str = "fit",
) -> Fitted:
    """Train a model by AdamW on shuffled batches.

    An epoch is one compiled scan over data on the devices, or one a window of data on disk; both give the same result
    for the same `config.window` and `config.block`, up to rounding.

    A second fit with the same `model.loss`, shapes, batch size, weight decay, clipping and devices compiles nothing.
    Several devices (`devices.use`), and all processes of a job, which call this together with the same arguments, share
    each batch and give the same result up to rounding.

    Weights are leaves called `weight`, of any scale, and negative in part where their sum is positive: they are divided
    by their mean over all events of `data`, and of `validation`, before anything else, and losses take them as that.

    Args:
        key: typed key; the same key gives the same result.
        model: `init(key, batch) -> params` and `loss(key, params, batch) -> (value, metrics)` with scalar metrics; the
            batch of `init` is a sample of the events to train on, encoded as those of `loss` are.
        data: pytree of arrays with a leading axis of events; a batch is the same pytree. Or a `Stream` of them.
        config: see `Config`.
        params: where to start; those of `model.init` when None.
        score: (key, params) -> number, lower is better, evaluated on the moving average after each compiled call; it
            selects the parameters in place of the validation loss. Its key is the same at each call. Of several
            processes the first one's number counts.
        validation: events to validate on, in place of a fraction of `data`; in memory in any case.
        encode: what makes batches of data and validation that are raw.
        folder: where to keep a checkpoint.
        resume: continue from the checkpoint in `folder`, when there is one, and end with the very parameters of an
            unbroken fit, up to rounding where the devices are others. Only the fields of `config` that
            say when to stop or to write a checkpoint may differ, and epochs where the schedule is constant without
            warm-up. The data, and all else that is given, must be the same (see `identity.fingerprint`); of a `Stream`
            a sample is compared.
        name: what the progress bar and errors call the fit.

    Raises:
        InputError: bad data, weights or configuration, a folder in use, a damaged checkpoint or that of another fit.
        TrainingError: a loss, gradient, validation loss or score is not a number.
    """
    init_key, split_key, run_key, score_key, sample_key = jax.random.split(key, 5)
    kind = stream if isinstance(data, stream.Stream) else table
    data = kind.normalised(data, f"{name}: training data")
    validation = None if validation is None else table.normalised(validation, f"{name}: validation data")
    train, held = (data, validation) if validation is not None else kind.split(split_key, data, config.validation)
    rows = len(train.source) if isinstance(train, stream.Stream) else table.length(train, f"{name}: training data")
    plan = make_plan(config, rows)
    recipe = epoch.Recipe(
        plan.batch_size,
        config.weight_decay,
        config.clip_norm,
        config.accumulate,
        plan.mesh,
        plan.window_steps,
        config.block,
    )
    held = None if held is None else table.chunked(held, plan.batch_size)

    begin = params
    if begin is None:
        begin = start.params(init_key, model.init, encode, start.sample(sample_key, train))
    carry = epoch.starter(model.loss, recipe)(devices.replicate(begin, plan.mesh))
    copy = epoch.copier(model.loss)
    state = _Fit(carry, copy(carry.average), np.inf, 0, {})
    selection = "score" if score is not None else "val_loss" if held is not None else None
    if isinstance(train, stream.Stream):
        trainer = windows.Trainer(run_key, train.source, held, model.loss, encode, recipe, plan)
    else:
        trainer = resident.Trainer(run_key, train, held, model.loss, encode, recipe, plan, config.epochs_per_call)

    with (
        contextlib.closing(trainer),
        _store(folder, resume) as store,
        progress_bar(name, config.epochs) as show,
    ):
        if store is not None:
            known = start.sample(sample_key, train) if isinstance(train, stream.Stream) else train
            parts = {"data": known, "validation": held, "params": params, "constants": encode.constants}
            itself = _identity(key, config, rows, selection) | identity.of(parts)
            state = _restore(store, state, itself, trainer, name)
        saved = time.monotonic()
        while not _finished(state, config):
            before = state.done
            carry, rows = trainer.advance(state.carry, before)
            state = state._replace(carry=carry)
            if rows is not None:
                numbers = np.arange(before, before + len(rows["loss"]))
                rows = {"epoch": numbers + 1, "learning_rate": plan.rates[numbers, -1], **rows}
                check_finite(rows, name, lambda: _to_blame(data, validation, params, encode.constants))
                if score is not None:
                    rows["score"] = _score(score, score_key, carry.average, rows["epoch"], name)
                state = _select(state._replace(history=extend(state.history, rows)), selection, copy)
            due = _finished(state, config) or _due(before, state.done, config.checkpoint_every)
            if store is not None and (due or _late(saved, config)):
                notes = {**_notes(state), "position": trainer.position(), "identity": itself}
                store.save(trainer.number(state.done), _arrays(state), notes)
                saved = time.monotonic()
            show(trainer.number(state.done) / trainer.windows, _summary(state))
    return Fitted(table.release(state.best), table.release(state.carry.params), state.history, state.best_epoch)


def _to_blame(data: Any, validation: Any, params: Params, constants: Any) -> str | None:
    """The first value that a fit was given and that is no finite number, in words."""
    named = {"data": data, "validation": validation, "params": params, "constants": constants}
    return next(filter(None, (stream.bad_value(given, name) for name, given in named.items())), None)


def _score(score: Callable, key: PRNGKey, average: Params, epochs: np.ndarray, name: str) -> np.ndarray:
    """The score after the last of `epochs`, beside NaN for those in which it is not evaluated."""
    value = devices.of_first(float(score(key, table.release(average))))
    if np.isnan(value):
        raise TrainingError(f"{name}: the score is not a number after epoch {epochs[-1]}")
    return np.append(np.full(len(epochs) - 1, np.nan), value)


def _select(state: _Fit, selection: str | None, copy: Callable[[Params], Params]) -> _Fit:
    """Keep the average when it is the best so far, or always where nothing selects."""
    value = float(state.history[selection][-1]) if selection else -np.inf
    if selection and state.best_epoch and value >= state.best_value:
        return state
    return state._replace(best=copy(state.carry.average), best_value=value, best_epoch=state.done)


def _finished(state: _Fit, config: Config) -> bool:
    stalled = bool(config.patience) and state.done - state.best_epoch >= config.patience
    return stalled or state.done >= config.epochs


def _due(before: int, done: int, every: int) -> bool:
    return bool(every) and done // every > before // every


def _late(saved: float, config: Config) -> bool:
    """Whether the last checkpoint, or the start, is long ago: the first process tells all."""
    return (
        bool(config.checkpoint_minutes) and devices.of_first(time.monotonic() - saved) > 60 * config.checkpoint_minutes
    )


def _summary(state: _Fit) -> str:
    shown = ("loss", "val_loss", "score")
    return " ".join(
        f"{name} {state.history[name][-1]:.4g}"
        for name in shown
        if name in state.history and np.isfinite(state.history[name][-1])
    )


def _identity(key: PRNGKey, config: Config, rows: int, selection: str | None) -> dict[str, Any]:
    """What a resumed fit must share with the one that wrote its checkpoint."""
    fixed = {name: value for name, value in dataclasses.asdict(config).items() if name not in FREE}
    if config.schedule == "cosine" or config.warmup:
        fixed["epochs"] = config.epochs
    return {"key": jax.random.key_data(key).tolist(), "events": rows, "selection": selection, **fixed}


@contextlib.contextmanager
def _store(folder: str | os.PathLike[str] | None, resume: bool) -> Iterator[Any]:
    """The checkpoints of `folder`, or None; orbax is imported only where it is used."""
    if folder is None:
        yield None
        return
    from hepjax.training.checkpoint import Store

    store = Store(folder, resume)
    try:
        yield store
    finally:
        store.close()


def _arrays(state: _Fit) -> dict[str, Any]:
    return {"carry": state.carry, "best": state.best}


def _notes(state: _Fit) -> dict[str, Any]:
    return {
        "best_value": state.best_value,
        "best_epoch": state.best_epoch,
        "history": {name: column.tolist() for name, column in state.history.items()},
    }


def _restore(store: Any, state: _Fit, itself: dict[str, Any], trainer: Any, name: str) -> _Fit:
    """The fit as the last checkpoint of the store left it, or as it is when there is none."""
    restored = store.restore(_arrays(state))
    if restored is None:
        return state
    arrays, notes = restored
    identity.require(store.folder, name, notes["identity"], itself)
    trainer.seek(notes["position"])
    history = {quantity: np.array(column) for quantity, column in notes["history"].items()}
    return _Fit(**arrays, best_value=notes["best_value"], best_epoch=notes["best_epoch"], history=history)
