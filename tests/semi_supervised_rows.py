"""Made-up result tables of notebook 09."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

LABELS = (10, 50, 100, 200, 400)
STEPS, FEW_STEPS = 2000, 500
LEVEL = dict(zip(LABELS, (0.60, 0.82, 0.90, 0.94, 0.96), strict=True))
# Of the label splits: some are hard for every arm, which pairing takes out.
HARD = np.array([0.04, -0.02, 0.01, -0.04, 0.01])


def rows(values: float | Sequence[float] | np.ndarray, method: str, **about: Any) -> pd.DataFrame:
    """A test accuracy for each label split."""
    defaults = {
        "dataset": "mnist", "sde": "ve", "t_sampler": "uniform_t", "sigma_min": 0.01,
        "sigma_max": 50.0, "latent_dim": 32, "split": "test", "metric": "accuracy",
        "run": "0" * 12, "mixup": "off", "n_labels": 100, "n_images": 5000,
        "pretrained_on": "none" if method == "none" else "all", "encoder_time": "learned",
        "steps": STEPS,
    }  # fmt: skip
    return pd.DataFrame(
        [{**defaults, "method": method, **about, "seed": split, "label_split": split, "value": v}
         for split, v in enumerate(np.atleast_1d(values).astype(float))]
    )  # fmt: skip


def condition(
    gain: dict[str, Any], n_labels: int, base: Any = None, n_splits: int = 5, **about: Any
) -> pd.DataFrame:
    """LaplaceNet and arms that add ``gain`` (a number, or one a split) to its accuracy."""
    none = (LEVEL[n_labels] if base is None else base) + HARD[:n_splits] * (10 / n_labels) ** 0.5
    tables = [rows(none, "none", n_labels=n_labels, **about)]
    tables += [
        rows(none + np.asarray(more), method, n_labels=n_labels, **about)
        for method, more in gain.items()
    ]
    return pd.concat(tables, ignore_index=True)


@cache
def full_table(seed: int = 0, n_splits: int = 5) -> pd.DataFrame:
    """All rows that the notebook makes, with scatter, of effects as in the paper's words.

    Made once: not to be changed in place.
    """
    rng = np.random.default_rng(seed)

    def around(mean: float, n_labels: int) -> np.ndarray:
        return rng.normal(mean, 0.1 * n_labels**-0.7, n_splits)

    tables = []
    for n in LABELS:
        size = (10 / n) ** 0.6
        effect = {"drl": 0.10, "vdrl": 0.13, "drl-mixup": 0.08, "ae": 0.01, "simclr": 0.16}
        for mixup, more in (("off", 0.0), ("on", 0.02)):
            gain = {m: around(e * size, n) for m, e in effect.items()}
            tables.append(condition(gain, n, LEVEL[n] + more * size, n_splits, mixup=mixup))
    for n in (10, 100):
        size, base = (10 / n) ** 0.6, LEVEL[n] - 0.1
        few = {m: around(e * size, n) for m, e in (("drl", 0.2), ("vdrl", 0.22))}
        tables.append(condition(few, n, base, n_splits, steps=FEW_STEPS))
        released = condition({"drl": around(0.09 * size, n)}, n, None, n_splits, mixup="released")
        tables.append(released)
        level = LEVEL[n] + HARD[:n_splits] * (10 / n) ** 0.5
        other = (
            (0.04, {"pretrained_on": "labelled"}),
            (0.08, {"encoder_time": "fixed"}),
            (0.11, {"encoder_time": "chosen"}),
        )
        for more, about in other:
            tables.append(rows(level + around(more * size, n), "drl", n_labels=n, **about))
    test = pd.concat(tables, ignore_index=True)
    test = test.assign(value=test.value.clip(upper=0.995))
    validation = test.assign(split="validation", value=test.value - 0.01)
    top5 = test.assign(metric="top5_accuracy", value=1 - 0.1 * (1 - test.value))
    of_train = [
        test.assign(split="train", metric="pseudo_label_accuracy", value=test.value - 0.02),
        test.assign(split="train", metric="t", value=0.5),
    ]
    return pd.concat([test, validation, top5, *of_train], ignore_index=True)
