import dataclasses

import numpy as np
import optax
import pytest

from hepjax.training import Config
from hepjax.training.plan import ema_decays, learning_rates, make_plan
from hepjax.types import InputError


def test_warm_up_and_cosine_are_those_of_optax():
    rates = learning_rates(Config(learning_rate=0.1, warmup=0.2), 50)
    expected = optax.schedules.warmup_cosine_decay_schedule(0.1 / 11, 0.1, 10, 50)
    assert np.allclose(rates, [expected(n) for n in range(50)], rtol=1e-5)


def test_a_constant_schedule_is_constant():
    assert np.array_equal(
        learning_rates(Config(learning_rate=0.1, schedule="constant", warmup=0.0), 5), np.full(5, 0.1)
    )


def test_the_average_forgets_the_start_and_settles():
    decays = ema_decays(0.99, 10_000)
    assert decays[0] == 0.1 and decays[-1] == 0.99
    assert np.all(ema_decays(0.0, 3) == 0)


def test_the_remainder_is_dropped_and_a_small_sample_is_one_batch():
    assert make_plan(Config(epochs=3, batch_size=100), 250).rates.shape == (3, 2)
    plan = make_plan(Config(epochs=3, batch_size=100), 60)
    assert plan.batch_size == 60 and plan.rates.shape == (3, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("accumulate", 0),
        ("batch_size", 0),
        ("learning_rate", float("nan")),
        ("warmup", 1.5),
        ("weight_decay", -1.0),
        ("clip_norm", -1.0),
        ("ema", 1.0),
        ("validation", 1.0),
        ("patience", -1),
        ("checkpoint_every", -1),
        ("epochs_per_call", 0),
    ],
)
def test_a_field_out_of_range_is_named(field, value):
    with pytest.raises(InputError, match=field) as error:
        make_plan(dataclasses.replace(Config(), **{field: value}), 10)
    assert "\n" not in str(error.value)


def test_a_batch_that_does_not_divide_into_its_pieces_is_refused():
    with pytest.raises(InputError, match="a batch of 10 events does not divide into 3 pieces"):
        make_plan(Config(batch_size=10, accumulate=3), 50)
