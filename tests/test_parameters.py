"""Parameters: strict types, no unknown names, one clear line, and a key that covers everything."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from drlcore.data.datasets import load_dataset
from drlcore.data.label_splits import LabelSplit
from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange
from drlcore.parameters import Parameters, fingerprint
from drlcore.training.run import RunParameters, build_model


class Small(Parameters):
    count: int = Field(default=1, ge=0)
    ratio: float = 0.5
    flag: bool = False
    name: str = "a"
    noise: NoiseRange = NoiseRange()

    @model_validator(mode="after")
    def _sum(self) -> Small:
        if self.count + self.ratio > 100:
            raise ValueError(f"count + ratio = {self.count + self.ratio:g} is above 100")
        return self


@pytest.mark.parametrize(
    "values",
    [
        {"count": "1"},
        {"count": 1.0},
        {"count": True},
        {"ratio": "0.5"},
        {"ratio": False},
        {"ratio": float("nan")},
        {"ratio": float("inf")},
        {"flag": 1},
        {"flag": "true"},
        {"name": 3},
        {"name": None},
        {"count": -1},
    ],
    ids=str,
)
def test_nothing_is_converted_and_the_line_names_name_and_value(values):
    ((name, value),) = values.items()
    with pytest.raises(ParameterError) as caught:
        Small(**values)
    message = str(caught.value)
    assert message.startswith(f"parameter {name!r} = {value!r}: ")
    assert "\n" not in message and "pydantic" not in message
    assert len(message) > len(f"parameter {name!r} = {value!r}: ")  # and says what is allowed


def test_an_integer_is_a_real_number_and_the_same_run():
    assert Small(ratio=2).ratio == 2.0 and isinstance(Small(ratio=2).ratio, float)
    whole, real = (
        RunParameters(sigma_data=value, noise=NoiseRange(sigma_max=50 * value))
        for value in (1, 1.0)
    )
    assert whole.key == real.key


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ParameterError) as caught:
        Small(cuont=3)
    assert str(caught.value) == (
        "unknown parameter 'cuont'; known are: count, flag, name, noise, ratio"
    )


def test_every_problem_is_named_in_one_line():
    with pytest.raises(ParameterError) as caught:
        Small(count="x", ratio="y", other=1)
    first, second, third = str(caught.value).split("; ", 2)
    assert "'count' = 'x'" in first and "'ratio' = 'y'" in second
    assert third.startswith("unknown parameter 'other'")


def test_rules_over_several_parameters_speak_plainly():
    with pytest.raises(ParameterError, match=r"^count \+ ratio = 101\.5 is above 100$"):
        Small(count=101)


def test_nested_problems_name_the_inner_parameter_and_its_own_names():
    text = json.dumps({"noise": {"sigma_mim": 0.1}})
    with pytest.raises(ParameterError) as caught:
        Small.from_json(text)
    assert "unknown parameter 'sigma_mim'; known are: sigma_max" in str(caught.value)
    assert "count" not in str(caught.value)
    with pytest.raises(ParameterError, match="'sigma_min' = -1"):
        Small.from_json(json.dumps({"noise": {"sigma_min": -1}}))


def test_json_is_as_strict_and_junk_is_a_parameter_error():
    for text in ('{"count": "1"}', '{"count": 1.5}', '{"flag": 0}', '{"cuont": 1}', "{", "[]", "3"):
        with pytest.raises(ParameterError):
            Small.from_json(text)


def test_an_update_is_validated_and_leaves_the_original():
    small = Small(count=3)
    assert small.updated(ratio=0.25) == Small(count=3, ratio=0.25)
    assert small == Small(count=3)
    for changes in ({"count": "4"}, {"cuont": 4}, {"count": 200}):
        with pytest.raises(ParameterError):
            small.updated(**changes)
    with pytest.raises(ValueError, match="frozen"):
        small.count = 4  # type: ignore[misc]


# The fingerprint and the key of a run.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values=st.dictionaries(st.text(), JSON, max_size=5), seed=st.integers(0, 100))
def test_fingerprint_does_not_depend_on_the_order(values, seed):
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        items = list(value.items())
        random.Random(seed).shuffle(items)
        return {name: shuffled(inner) for name, inner in items}

    assert fingerprint(shuffled(values)) == fingerprint(values)


@given(values=st.dictionaries(st.text(), JSON, max_size=4), name=st.text(), value=JSON)
def test_fingerprint_changes_with_any_value(values, name, value):
    changed = {**values, name: value}
    same = json.dumps(changed, sort_keys=True) == json.dumps(values, sort_keys=True)
    assert (fingerprint(changed) == fingerprint(values)) == same


def test_fingerprint_is_the_sha256_of_canonical_json():
    text = b'{"a":[1,2.5,null],"b":{"c":"x","d":true}}'
    values = {"b": {"d": True, "c": "x"}, "a": [1, 2.5, None]}
    assert fingerprint(values) == hashlib.sha256(text).hexdigest()[:12]


BASE = RunParameters(dataset="digits")
CHANGES: dict[str, Any] = {
    "dataset": "toy",
    "method": "vdrl",
    "sde": "vp",
    "noise": NoiseRange(sigma_max=49.0),
    "latent_dim": 3,
    "time_conditioned": True,
    "encoder": "mlp",
    "score_network": "ncsnpp-small",
    "time_embedding": "positional",
    "width": 129,
    "sigma_data": 0.6,
    "weighting": "edm",
    "lambda_z": 1e-9,
    "seed": 1,
    "steps": 1501,
    "batch_size": 127,
    "learning_rate": 1.001e-3,
    "warmup_steps": 0,
    "clip_norm": 2.0,
    "ema_decay": 0.9,
    "train_images": 100,
    "threads": 2,
    "first_stage": BASE,
    "label_split": LabelSplit(n_labels=10),
    "adam_epsilon": 1e-15,
    "cooldown": 0.5,
    "precision": "bf16",
    "compiled": True,
    "adversary": 0.5,
}


def test_any_changed_parameter_is_another_run():
    assert CHANGES.keys() == RunParameters.model_fields.keys()  # none forgotten
    keys = {name: BASE.updated(**{name: value}).key for name, value in CHANGES.items()}
    assert len({BASE.key, *keys.values()}) == 1 + len(keys)


def test_a_field_younger_than_stored_runs_leaves_their_keys_alone():
    assert BASE.adam_epsilon == 1e-8 and BASE.label_split is None and BASE.cooldown == 0
    assert not {"adam_epsilon", "cooldown", "label_split"} & BASE.model_dump().keys()
    changed = BASE.updated(adam_epsilon=1e-15)
    assert RunParameters.from_json(changed.model_dump_json()) == changed


@pytest.mark.parametrize(
    "change",
    [
        {"sigma_min": 0.011},
        {"sigma_max": 49.0},
        {"t_sampler": "uniform_sigma"},
        {"t_sampler": "single", "sigma": 1.0},
        {"t_sampler": "interval", "sigma_low": 1.0, "sigma_high": 2.0},
        {"t_sampler": "lognormal", "log_mean": 0.0, "log_std": 1.0},
    ],
    ids=str,
)
def test_any_changed_noise_is_another_run_also_in_the_first_stage(change):
    noise = NoiseRange(**change)
    assert BASE.updated(noise=noise).key != BASE.key
    two = BASE.updated(noise=noise).second_stage(NoiseRange(), steps=10)
    assert two.key != BASE.second_stage(NoiseRange(), steps=10).key


def test_key_survives_the_run_card_and_the_order_of_its_fields():
    run = BASE.second_stage(NoiseRange(sigma_max=20), steps=10)
    stored = json.loads(run.model_dump_json())
    backwards = json.dumps(dict(reversed(stored.items())))
    assert RunParameters.from_json(backwards) == run
    assert RunParameters.from_json(backwards).key == run.key
    assert len(run.key) == 12 and int(run.key, 16) >= 0


def test_a_second_stage_keeps_everything_that_shapes_the_encoder():
    first = BASE.updated(noise=NoiseRange().single(3.0), seed=4)
    two = first.second_stage(NoiseRange(), steps=77)
    assert two.first_stage == first and two.steps == 77 and two.noise == NoiseRange()
    assert two.updated(first_stage=None, steps=first.steps, noise=first.noise) == first
    for name, value in {
        "dataset": "mnist",
        "method": "vdrl",
        "latent_dim": 5,
        "encoder": "mlp",
        "time_conditioned": True,
    }.items():
        with pytest.raises(ParameterError, match=f"{name} must be the first stage's"):
            two.updated(**{name: value})
    for method in ("dsm", "csm"):
        with pytest.raises(ParameterError, match="no encoder to take over"):
            BASE.updated(method=method).second_stage(NoiseRange(), steps=10)


def test_a_kept_time_conditioned_encoder_keeps_its_clock():
    """Its code at one sigma must not depend on the stage it is read in."""
    first = BASE.updated(time_conditioned=True, noise=NoiseRange(sigma_max=10).single(3.0))
    first.second_stage(NoiseRange(sigma_max=10), steps=10)
    for changes in (
        {"noise": NoiseRange()},
        {"noise": NoiseRange(sigma_min=0.1, sigma_max=10)},
        {"noise": NoiseRange(sigma_max=10), "time_embedding": "positional"},
    ):
        with pytest.raises(ParameterError, match="tells the time"):
            first.updated(first_stage=first, **changes)
    # One that does not read the time is free to go on under any range.
    BASE.second_stage(NoiseRange(sigma_max=10), steps=10).updated(time_embedding="positional")


@pytest.mark.parametrize(
    ("name", "largest", "beyond"),
    [
        ("seed", 2**32 - 1, 2**32), ("seed", 0, 2**64), ("seed", 0, 10**30), ("seed", 0, -1),
        ("latent_dim", 4096, 10**9), ("width", 8192, 10**9), ("steps", 10**8, 10**30),
        ("batch_size", 2**16, 10**9), ("batch_size", 1, 0), ("sigma_data", 1e4, 1e300),
        ("sigma_data", 1e-4, 1e-40), ("learning_rate", 10.0, 1e300), ("lambda_z", 1e6, 1e300),
        ("clip_norm", 1e6, 1e300), ("warmup_steps", 10**8, 10**30), ("threads", 1024, 10**9),
        ("train_images", 10**9, 10**30),
    ],
)  # fmt: skip
def test_impossible_numbers_are_refused_and_the_largest_allowed_is_not(name, largest, beyond):
    assert getattr(RunParameters(**{name: largest}), name) == largest
    with pytest.raises(ParameterError, match=f"'{name}' = .*should be (less|greater) than"):
        RunParameters(**{name: beyond})


@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_every_seed_allowed_is_one_for_torch_numpy_and_scikit_learn(seed):
    run = RunParameters(dataset="digits", seed=seed)
    build_model(run, load_dataset("digits"))
    torch.Generator().manual_seed(run.seed)
    np.random.RandomState(run.seed)
    np.random.default_rng(run.seed)


@pytest.mark.parametrize("encoder", ["conv-norm", "wrn-28-2"])
def test_batch_norm_takes_two_images_or_more(encoder):
    with pytest.raises(ParameterError, match=f"batch_size = 1: encoder '{encoder}' has batch norm"):
        RunParameters(encoder=encoder, batch_size=1)
    RunParameters(encoder=encoder, batch_size=2)
    RunParameters(encoder="conv", batch_size=1)


def test_an_impossible_range_stops_before_any_training():
    with pytest.raises(ParameterError, match="sigma_max"):
        RunParameters(sde="vp", noise=NoiseRange(sigma_max=1e4))
