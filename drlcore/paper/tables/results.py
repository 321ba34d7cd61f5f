"""Result tables: tidy CSV, one row per measured value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from drlcore.baselines import METHODS
from drlcore.data import paths
from drlcore.data.datasets import title
from drlcore.errors import ArtefactError
from drlcore.paper.experiments.base import Experiment
from drlcore.paper.experiments.comparison import Compared
from drlcore.paper.experiments.latent_space import SETTINGS, LatentSpace
from drlcore.paper.presets import PRESETS
from drlcore.paper.products import Product, metrics, same_code, swapped_codes, usage
from drlcore.paper.sheets import Arrays
from drlcore.paper.tables.paired import best_time
from drlcore.probes.usage import paid_for
from drlcore.training.checkpoint import write_atomically
from drlcore.training.run import RunParameters

COLUMNS = [
    "dataset", "method", "sde", "t_sampler", "sigma_min", "sigma_max", "latent_dim", "seed",
    "split", "metric", "value", "run",
]  # fmt: skip


def add_run_columns(run: RunParameters, table: pd.DataFrame) -> pd.DataFrame:
    """Add to ``table`` (split, metric, value) the columns that say which run it is of.

    ``sigma_min`` and ``sigma_max`` are the levels the encoder was trained on, equal for a single
    level; for a second stage they are the first stage's, whose encoder it keeps. A baseline without
    t sees no noise: its ``sde``, ``t_sampler``, ``sigma_min`` and ``sigma_max`` are its run's, and
    say nothing about its code.
    """
    encoder = run.first_stage or run
    low, high = encoder.noise.window
    return table.assign(
        dataset=title(run.dataset),
        method=run.method,
        sde=run.sde,
        t_sampler=encoder.noise.t_sampler.name,
        sigma_min=low,
        sigma_max=high,
        latent_dim=run.latent_dim if METHODS[run.method].has_code else 0,
        seed=run.seed,
        run=run.key,
    )


def gather(products: Iterable[Product[pd.DataFrame]]) -> pd.DataFrame:
    """The tables of ``products`` under each other, with the columns that say which run each is of.

    Adds ``time_conditioned``, whether the encoder is E(x0, t), and ``weighting``, which says
    nothing about an untrained encoder or a baseline.
    """
    tables = [
        add_run_columns(p.run, p.load()).assign(
            time_conditioned=p.run.time_conditioned, weighting=p.run.weighting
        )
        for p in products
    ]
    return pd.concat(tables, ignore_index=True)


def last_time_rows(products: Iterable[Product[pd.DataFrame]]) -> pd.DataFrame:
    """The end of the curve: rows of ``gather`` at the last time alone, since codes E(x0) have none.

    Adds ``steps``, the training length (0 for ``random``), and ``adam_epsilon``. What tells the
    rows apart is ``method``, ``weighting``, ``adam_epsilon``, ``steps`` and ``seed``.
    """
    tables = []
    for product in products:
        run, table = product.run, gather([product])
        last = table[table.t == table.t.max()]
        tables.append(last.assign(steps=run.steps_taken, adam_epsilon=run.adam_epsilon))
    return pd.concat(tables, ignore_index=True)


def information_rows(products: Iterable[Product[pd.DataFrame]]) -> pd.DataFrame:
    """Mutual information between times ``t``, ``t_j``, tidy: metrics mi, mi_bias and nmi.

    The rows of method ``random`` are the control.
    """
    tables = []
    for product in products:
        pairs = product.load().rename(columns={"t_i": "t", "sigma_i": "sigma"})
        metrics = ["mi", "mi_bias", "nmi"]
        tidy = pairs.melt(["t", "t_j", "sigma", "sigma_j"], metrics, var_name="metric")
        about = add_run_columns(product.run, tidy.assign(split="test"))
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


def usage_rows(run: RunParameters, used: pd.DataFrame) -> pd.DataFrame:
    """What the code of ``run`` is used for: a table of ``code_usage``, tidy.

    Split ``validation``, and beside ``COLUMNS`` the column ``at_sigma``, the level looked at;
    ``sigma_min`` and ``sigma_max`` are the levels trained on, as everywhere. Metrics:
    ``loss_own``, ``loss_shuffled``, ``loss_constant``, ``loss_interpolated``, ``loss_same_class``,
    ``loss_same_<factor>``, the losses; ``worth``, ``kept_class``, ``kept_<factor>``, what follows
    from them, see ``paid_for``: ``kept_`` rows are left out where z is worth too little to share.
    Factors of MNIST are those of ``data.factors`` (``ink``, ...), of the toy set ``coarse``,
    ``middle``, ``fine``. A model without a code has ``loss_own`` alone.
    """
    has_code = METHODS[run.method].has_code
    losses = used if has_code else used[used.z == "own"]
    rows = losses.assign(metric="loss_" + losses.z, value=losses.loss)
    if has_code:
        paid = paid_for(used).reset_index().melt("sigma", var_name="metric").dropna()
        rows = pd.concat([rows, paid], ignore_index=True)
    rows = rows.rename(columns={"sigma": "at_sigma"}).assign(split="validation")
    return add_run_columns(run, rows[["split", "metric", "value", "at_sigma"]])


def band_rows(run: RunParameters, told: pd.DataFrame) -> pd.DataFrame:
    """What the code of ``run`` tells by wavelength: a table of ``bands_of_code``, tidy.

    Split ``test``, metric ``band_r2``; beside ``COLUMNS`` the column ``band``.
    """
    rows = told.rename(columns={"r2": "value"}).assign(split="test", metric="band_r2")
    return add_run_columns(run, rows)


ROWS_OF = {"metrics": add_run_columns, "usage": usage_rows, "bands": band_rows}


def tidy(products: Iterable[Product[pd.DataFrame]]) -> pd.DataFrame:
    """Products of the kinds ``ROWS_OF``, of any runs: their rows under each other."""
    return pd.concat([ROWS_OF[p.kind](p.run, p.load()) for p in products], ignore_index=True)


def quality_rows(run: RunParameters, judged: pd.DataFrame) -> pd.DataFrame:
    """How good the samples of ``run`` are: a table of ``quality_of_samples``, tidy.

    Split ``validation``; metrics ``sample_<name>``, and ``real_<name>`` of the images whose codes
    were given.
    """
    prefix = judged.of.map({"samples": "sample_", "real": "real_"})
    rows = judged.assign(metric=prefix + judged.metric, split="validation")
    return add_run_columns(run, rows[["split", "metric", "value"]])


def sampler_rows(run: RunParameters, judged: pd.DataFrame) -> pd.DataFrame:
    """The same by sampler: a table of ``quality_by_sampler``, tidy.

    Metrics ``sample_<name>``; beside ``COLUMNS`` the columns ``sampler`` and ``nfe``.
    """
    rows = judged.assign(metric="sample_" + judged.metric, split="validation")
    return add_run_columns(run, rows[["split", "metric", "value", "sampler", "nfe"]])


def latent_space_tables(experiment: LatentSpace) -> list[pd.DataFrame]:
    """Notebook 03's numbers, all seeds: probes, usage, sample quality, swapped codes, diversity.

    Usage (see ``usage_rows``) is that of every setting, of the models whose samples are judged, and
    of those without a code (``dsm``). ``follows_code`` has ``at_sigma``, the level that denoising
    started from. ``weighting`` is the encoder's, as all columns that say which run.
    """
    steps = experiment.numbers.nfe_steps
    tables = []

    def add(run: RunParameters, rows: pd.DataFrame) -> None:
        tables.append(rows.assign(weighting=(run.first_stage or run).weighting))

    for seed in experiment.seeds:
        for run in (experiment.run(method, t_sampler, seed) for method, t_sampler in SETTINGS):
            add(run, add_run_columns(run, metrics(run).load()))
        for run in experiment.used(seed):
            add(run, usage_rows(run, usage(run).load()))
        for run in dict.fromkeys(experiment.drawn(seed).values()):
            add(run, quality_rows(run, experiment.quality(run).load()))
        by_sampler = experiment.samplers(seed)
        add(by_sampler.run, sampler_rows(by_sampler.run, by_sampler.load()))
        for method, t_sampler in SETTINGS[:2]:
            run = experiment.sampler(method, t_sampler, seed)
            follows = follows_code(swapped_codes(run, steps).load())
            rows = follows.rename_axis("at_sigma").reset_index(name="value")
            add(run, add_run_columns(run, rows.assign(split="test", metric="follows_code")))
        for dimension in experiment.numbers.latent_dims:
            run = experiment.of_dimension(dimension, seed)
            sheet = same_code(run, steps).load()
            drawn = {f"sample_{name}": sheet[name].mean() for name in ("diversity", "error")}
            rows = pd.DataFrame(drawn.items(), columns=["metric", "value"])
            add(run, add_run_columns(run, rows.assign(split="test")))
    return tables


def mean_and_sd(rows: pd.DataFrame, by: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Mean over seeds of each of ``metrics`` by ``by``, and the standard deviation beside it.

    To two digits. A metric that is not there is left out; one seed has a deviation of nan.
    """
    found = rows[rows.metric.isin(metrics)].groupby([by, "metric"], sort=False).value
    wide = found.agg(["mean", "std"]).unstack().swaplevel(axis=1)
    return wide[[(m, s) for m in metrics for s in ("mean", "std") if (m, s) in wide]].round(2)


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
    """The single noise level with the highest mean kNN accuracy on validation.

    Without labels the one with the highest mean ink R².
    """
    own = table[table.dataset != "toy"]
    metric = "knn_accuracy" if "knn_accuracy" in own.metric.values else "ink_r2"
    rows = table[
        (table.t_sampler == "single")
        & (table.split == "validation")
        & (table.metric == metric)
        & (table.dataset != "toy")
    ]
    return float(rows.groupby("sigma_max").value.mean().idxmax())


def write(to: Experiment | str, name: str, tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Write ``<name>.csv`` of an experiment, or of a place, and return it.

    Columns beyond COLUMNS go last. See ``Experiment.place`` for where that is.
    """
    table = pd.concat(tables, ignore_index=True)
    table = table.reindex(columns=[*COLUMNS, *(c for c in table.columns if c not in COLUMNS)])
    return write_table(to, name, table)


def write_table(to: Experiment | str, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Write a table that holds no measured values, so none of ``COLUMNS``; else as ``write``."""
    path = paths.results(_place(to)) / f"{name}.csv"
    write_atomically(
        path, lambda temporary: table.to_csv(temporary, index=False, float_format="%.6g")
    )
    return table


def table_path(of: Experiment | str, name: str) -> Path:
    """The file of that table.

    The place's own; with default parameters else the reference, computed here or committed.

    Raises:
        ArtefactError: there is none.
    """
    place = _place(of)
    reference = place.removeprefix("mine/")
    folders, remedy = [paths.results(place)], f"run notebooks/{name}.ipynb with these parameters"
    if reference in (place, *PRESETS):
        folders += [paths.results(reference), paths.committed(reference)]
        remedy = f"run 'make reproduce PRESET={reference}'"
    for folder in folders:
        if (path := folder / f"{name}.csv").is_file():
            return path
    raise ArtefactError(f"no results of {name} in data/results/{place}: {remedy}")


def read(of: Experiment | str, name: str) -> pd.DataFrame:
    """The table at ``table_path``. Raises ArtefactError if there is none."""
    return pd.read_csv(table_path(of, name))


def _place(of: Experiment | str) -> str:
    return of if isinstance(of, str) else of.place
