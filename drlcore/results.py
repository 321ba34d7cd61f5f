"""Result tables: tidy CSV, one row per measured value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drlcore import paths
from drlcore.checkpoint import write_atomically
from drlcore.datasets import title
from drlcore.errors import ArtefactError
from drlcore.experiments import SETTINGS, Compared, Floor, LatentSpace
from drlcore.gaussian_mixture import Prop1
from drlcore.paired import best_time
from drlcore.products import Product, metrics, same_code, swapped_codes, usage
from drlcore.run import RunParameters
from drlcore.sheets import Arrays

COLUMNS = [
    "dataset",
    "method",
    "sde",
    "t_sampler",
    "sigma_min",
    "sigma_max",
    "latent_dim",
    "seed",
    "split",
    "metric",
    "value",
    "run",
]


def of_run(run: RunParameters, table: pd.DataFrame) -> pd.DataFrame:
    """Add to ``table`` (split, metric, value) the columns that say which run it is of.

    ``sigma_min`` and ``sigma_max`` are the levels the encoder was trained on, equal for a single
    level; for a second stage they are the first stage's, whose encoder it keeps. A baseline without
    t sees no noise: its ``sde``, ``t_sampler``, ``sigma_min`` and ``sigma_max`` are its run's, and
    say nothing about its code.
    """
    encoder = run.first_stage or run
    low, high = encoder.noise.window
    about: dict[str, Any] = {
        "dataset": title(run.dataset),
        "method": run.method,
        "sde": run.sde,
        "t_sampler": encoder.noise.t_sampler,
        "sigma_min": low,
        "sigma_max": high,
        "latent_dim": 0 if run.method == "dsm" else run.latent_dim,
        "seed": run.seed,
        "run": run.key,
    }
    return table.assign(**about)


def gather(products: Iterable[Product[pd.DataFrame]]) -> pd.DataFrame:
    """The tables of ``products`` under each other, with the columns that say which run each is of.

    Adds ``time_conditioned``, whether the encoder is E(x0, t), and ``weighting``.
    """
    tables = [
        of_run(p.run, p.load()).assign(
            time_conditioned=p.run.time_conditioned, weighting=p.run.weighting
        )
        for p in products
    ]
    return pd.concat(tables, ignore_index=True)


def of_information(products: Iterable[Product[pd.DataFrame]]) -> pd.DataFrame:
    """Mutual information between times, tidy: metric ``mi`` or ``nmi`` of times ``t``, ``t_j``."""
    tables = []
    for product in products:
        pairs = product.load().rename(columns={"t_i": "t", "sigma_i": "sigma"})
        tidy = pairs.melt(["t", "t_j", "sigma", "sigma_j"], ["mi", "nmi"], var_name="metric")
        about = of_run(product.run, tidy.assign(split="test"))
        tables.append(about.assign(time_conditioned=product.run.time_conditioned))
    return pd.concat(tables, ignore_index=True)


def best_times(table: pd.DataFrame, compared: Iterable[Compared], metric: str) -> pd.DataFrame:
    """Each method's test ``metric`` at the time that is best on validation, over seeds.

    On the data sets that have the metric: one too small for a few-shot budget does not.

    Returns:
        Columns dataset, label, method, sigma (median over seeds; nan for E(x0)), mean, sd, seeds.
    """
    rows = []
    for dataset in dict.fromkeys(table.dataset[table.metric == metric]):
        for each in compared:
            of_method = table[
                (table.dataset == dataset)
                & (table.method == each.method)
                & (table.time_conditioned == each.time_conditioned)
            ]
            best = best_time(of_method, metric)
            sigma = best.sigma.median() if each.time_conditioned else np.nan
            value = (best.test.mean(), best.test.std(), len(best))
            rows.append((dataset, each.label, each.method, sigma, *value))
    columns = ["dataset", "label", "method", "sigma", "mean", "sd", "seeds"]
    return pd.DataFrame(rows, columns=columns)


def of_floor(
    experiment: Floor,
    levels: Sequence[float],
    terms: Sequence[Prop1],
    floors: pd.DataFrame,
    gains: pd.DataFrame,
) -> pd.DataFrame:
    """Notebook 02's numbers, one row each; ``split`` is ``monte-carlo``."""
    rows: list[tuple[float, str, float]] = []
    for sigma, term in zip(levels, terms, strict=True):
        for name in ("dsm", "constant", "esm", "error"):
            rows.append((sigma, name, getattr(term, name).mean))
        rows.append((sigma, "error_standard_error", term.error.standard_error))
    for column in floors.columns:
        rows += [(s, f"floor_{column}", v) for s, v in floors[column].items() if column != "x0"]
    rows += [(r.sigma, f"gain_{r.factor}", r.gain) for r in gains.itertuples()]
    return _of_levels(rows, "dsm", experiment.sde, experiment.seed)


def of_gains(gains: pd.DataFrame, price: float) -> pd.DataFrame:
    """Theory of the toy dial: each factor's gain, and whether it exceeds its price (1 or 0)."""
    rows: list[tuple[float, str, float]] = []
    for r in gains.itertuples():
        rows += [(r.sigma, f"gain_{r.factor}", r.gain)]
        rows += [(r.sigma, f"pays_{r.factor}", float(r.gain > price))]
    return _of_levels(rows, "theory", "ve", 0)


def of_latent_space(experiment: LatentSpace) -> list[pd.DataFrame]:
    """Notebook 03's numbers: probes, losses by noise level, swapped codes, diversity."""
    steps = experiment.numbers.nfe_steps
    tables = []
    for method, t_sampler in SETTINGS:
        run = experiment.run(method, t_sampler)
        tables.append(of_run(run, metrics(run).load()))
    for run in (experiment.run("drl", "uniform_t"), experiment.unconditional()):
        used = usage(run).load()
        table = used.assign(split="validation", metric="loss_" + used.z, value=used.loss)
        about = of_run(run, table[["split", "metric", "value"]])
        tables.append(about.assign(sigma_min=used.sigma, sigma_max=used.sigma))
    for method, t_sampler in SETTINGS[:2]:
        run = experiment.sampler(method, t_sampler)
        follows = follows_code(swapped_codes(run, steps).load())
        table = pd.DataFrame({"split": "test", "metric": "follows_code", "value": follows})
        about = of_run(run, table.reset_index(drop=True))
        tables.append(about.assign(sigma_min=follows.index, sigma_max=follows.index))
    for dimension in experiment.numbers.latent_dims:
        run = experiment.of_dimension(dimension)
        sheet = same_code(run, steps).load()
        table = pd.DataFrame(
            {
                "split": "test",
                "metric": ["sample_diversity", "sample_error"],
                "value": [float(sheet["diversity"].mean()), float(sheet["error"].mean())],
            }
        )
        tables.append(of_run(run, table))
    return tables


def follows_code(sheet: Arrays) -> pd.Series[float]:
    """Share of swaps (i not j) whose result is nearer to digit j than to digit i, by sigma.

    Near is small squared distance to the clean image that gave the code (j) or the noise (i).
    """
    clean, images = sheet["clean"].astype(float), sheet["images"].astype(float)
    distance = np.square(images[:, :, :, None] - clean).mean(axis=(-3, -2, -1))  # level, i, j, to
    i, j = np.nonzero(~np.eye(len(clean), dtype=bool))
    nearer = distance[:, i, j, j] < distance[:, i, j, i]
    return pd.Series(nearer.mean(axis=1), index=sheet["sigmas"].astype(float).round(4))


def best_level(table: pd.DataFrame) -> float:
    """The single noise level with the highest mean kNN accuracy on validation."""
    rows = table[
        (table.t_sampler == "single")
        & (table.split == "validation")
        & (table.metric == "knn_accuracy")
        & (table.dataset != "toy")
    ]
    return float(rows.groupby("sigma_max").value.mean().idxmax())


def _of_levels(
    rows: Sequence[tuple[float, str, float]], method: str, sde: str, seed: int
) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["sigma_max", "metric", "value"])
    return table.assign(
        dataset="toy", method=method, sde=sde, t_sampler="single", sigma_min=table.sigma_max,
        latent_dim=0, seed=seed, split="monte-carlo",
    )  # fmt: skip


def write(preset: str, name: str, tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Write ``data/results/<preset>/<name>.csv`` and return it; columns beyond COLUMNS go last."""
    table = pd.concat(tables, ignore_index=True)
    table = table.reindex(columns=[*COLUMNS, *(c for c in table.columns if c not in COLUMNS)])
    return write_as_it_is(preset, name, table)


def write_as_it_is(preset: str, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """``write`` of a table that holds no measured values, so none of ``COLUMNS``."""
    path = paths.results(preset) / f"{name}.csv"
    write_atomically(
        path, lambda temporary: table.to_csv(temporary, index=False, float_format="%.6g")
    )
    return table


def path_of(preset: str, name: str) -> Path:
    """The result file computed here, else the committed one.

    Raises:
        ArtefactError: neither exists.
    """
    for path in (
        paths.results(preset) / f"{name}.csv",
        paths.root() / "data" / "results" / preset / f"{name}.csv",
    ):
        if path.is_file():
            return path
    raise ArtefactError(
        f"no results of {name} at preset {preset}: run 'make reproduce PRESET={preset}', or "
        f"notebooks/{name}.ipynb"
    )


def read(preset: str, name: str) -> pd.DataFrame:
    """The table ``write`` wrote. Raises ArtefactError if it is absent."""
    return pd.read_csv(path_of(preset, name))
