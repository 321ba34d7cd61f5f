"""Tables of notebook 09: LaplaceNet by pretraining, mixup, number of labels and compute."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from drlcore.data.datasets import load_dataset, title
from drlcore.data.label_splits import LabelSplit, label_split
from drlcore.errors import DataError
from drlcore.paper.experiments.semi_supervised import Cell
from drlcore.paper.tables.paired import PairedDifference, over_seeds
from drlcore.paper.tables.results import add_run_columns

# Pretraining arms, as the paper names them and in the order of every table and figure.
ARMS = {
    "none": "LaplaceNet",
    "drl": "DRL",
    "vdrl": "VDRL",
    "drl-mixup": "DRL-mixup",
    "ae": "AE",
    "simclr": "SimCLR",
}
CONDITION = ["dataset", "mixup", "n_labels", "steps"]  # what an arm shares with its baseline
ARM = ["method", "pretrained_on", "encoder_time"]


def cell_rows(cells: Sequence[Cell]) -> pd.DataFrame:
    """Last epochs, tidy: one row a value, with the columns that say which classifier it is of.

    No epoch is selected. Metrics ``accuracy`` and ``top5_accuracy`` on validation and test;
    on ``train`` ``pseudo_label_accuracy`` of the unlabelled images and the encoder time ``t``.
    """
    tables = []
    for variant, run, settings, product in ((*cell, cell.product) for cell in cells):
        last = product.load().iloc[-1]
        rows = [
            ("test", "accuracy", last.test_accuracy),
            ("test", "top5_accuracy", last.test_top5),
            ("validation", "accuracy", last.validation_accuracy),
            ("validation", "top5_accuracy", last.validation_top5),
            ("train", "pseudo_label_accuracy", last.pseudo_label_accuracy),
            ("train", "t", last.t),
        ]
        table = add_run_columns(run, pd.DataFrame(rows, columns=["split", "metric", "value"]))
        tables.append(
            table.assign(
                method=variant.method,
                mixup=settings.mixup,
                n_labels=settings.n_labels,
                label_split=settings.label_split,
                n_images=run.train_images,
                pretrained_on="none" if variant.method == "none" else variant.pretrained_on,
                encoder_time=settings.encoder_time,
                steps=settings.steps,
            )
        )
    return pd.concat(tables, ignore_index=True)


def label_split_rows(cells: Sequence[Cell]) -> pd.DataFrame:
    """Which images of each data set were labelled: one row a split, with the seed it is drawn by.

    Columns dataset, data_checksum, n_images, n_labels, label_split, indices (of the training
    part, separated by spaces).
    """
    rows = {}
    for _, run, settings in cells:
        dataset = load_dataset(run.dataset)
        split = LabelSplit(n_labels=settings.n_labels, index=settings.label_split)
        key = (title(run.dataset), dataset.checksum, run.train_images, split.n_labels, split.index)
        if key not in rows:
            y = dataset.train.y[: run.train_images]
            rows[key] = " ".join(map(str, label_split(y, split, dataset.n_classes)))
    columns = ["dataset", "data_checksum", "n_images", "n_labels", "label_split", "indices"]
    return pd.DataFrame([(*key, indices) for key, indices in rows.items()], columns=columns)


def accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """Top-1 accuracy on test, in [0, 1], one row for each classifier; ``compute`` is added.

    ``compute`` is the share of the full compute that fine-tuning took, to two digits: ``steps``
    over the most steps that any classifier took with as many labels.

    Raises:
        DataError: no such rows, or a classifier twice.
    """
    rows = table[(table.split == "test") & (table.metric == "accuracy")]
    if rows.empty:
        raise DataError("no test accuracies in the table")
    told_apart = rows[[*CONDITION, *ARM, "label_split"]]
    if (twice := told_apart.duplicated()).any():
        found = told_apart[twice].iloc[0].to_dict()
        raise DataError(f"the classifier {found} is in the table more than once; allowed: once")
    full = rows.groupby(["dataset", "n_labels"]).steps.transform("max")
    return rows.assign(compute=(rows.steps / full).round(2)).reset_index(drop=True)


def judged_accuracies(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of the first data set, as ``accuracies`` but in %; what the claims judge.

    Raises:
        DataError: the classifiers were not all trained on the same label splits.
    """
    rows = accuracies(table)
    rows = rows[rows.dataset == rows.dataset.iloc[0]]
    if rows.groupby([*CONDITION, *ARM]).label_split.agg(frozenset).nunique() > 1:
        raise DataError("the label splits differ from cell to cell; allowed: the same in each")
    return rows.assign(value=100 * rows.value)


def main_grid(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracies that Tables 1, 6 and 7 are made of, as ``accuracies``."""
    rows = accuracies(table)
    return rows[in_main_grid(rows)].reset_index(drop=True)


def in_main_grid(rows: pd.DataFrame) -> pd.Series[bool]:
    """Full compute, every image in pretraining, the encoder's time learned, mixup on or off.

    Args:
        rows: as ``accuracies``.
    """
    return (rows.compute == 1) & _by_default(rows) & rows.mixup.isin(["off", "on"])


def _by_default(rows: pd.DataFrame) -> pd.Series[bool]:
    return (rows.encoder_time == "learned") & rows.pretrained_on.isin(["all", "none"])


def paired_accuracies(table: pd.DataFrame, baseline: str = "none") -> pd.DataFrame:
    """Each classifier's test accuracy beside the baseline's on the same label split.

    The baseline is ``baseline`` as pretrained by default (every image, time learned), at the same
    mixup, number of labels and steps. Classifiers whose condition it was not trained at are left
    out.

    Args:
        table: the result table of notebook 09.
        baseline: a method.

    Returns:
        Columns of ``accuracies`` and ``baseline``, the baseline's accuracy.

    Raises:
        DataError: an arm and its baseline were not trained on the same label splits.
    """
    rows = accuracies(table)
    is_baseline = (rows.method == baseline) & _by_default(rows)
    theirs = rows[is_baseline].set_index([*CONDITION, "label_split"]).value.rename("baseline")
    arms = rows[~is_baseline]
    trained = pd.MultiIndex.from_frame(rows.loc[is_baseline, CONDITION])
    arms = arms[pd.MultiIndex.from_frame(arms[CONDITION]).isin(trained)]
    paired = arms.join(theirs, on=[*CONDITION, "label_split"])
    splits = theirs.groupby(level=CONDITION).size()
    for (*condition, method, _, _), arm in paired.groupby([*CONDITION, *ARM]):
        if arm.baseline.isna().any() or len(arm) != splits[tuple(condition)]:
            raise DataError(
                f"{method} at {dict(zip(CONDITION, condition, strict=True))}: label splits "
                f"{sorted(arm.label_split)} differ from those of {baseline}; allowed: the same"
            )
    return paired.reset_index(drop=True)


def gains(table: pd.DataFrame, baseline: str = "none") -> pd.DataFrame:
    """What pretraining adds to ``baseline`` on the same label splits, in accuracy.

    Returns:
        One row for each arm and condition: dataset, method, mixup, n_labels, steps, compute,
        pretrained_on, encoder_time; ``mean`` and ``sd`` of the arm's accuracy over label splits;
        ``difference`` to the baseline, paired by label split, with its 95 % interval ``low`` to
        ``high``, ``p`` and ``n`` (see ``paired.PairedDifference``; nan from one split).

    Raises:
        DataError: see ``paired_accuracies``.
    """
    keys = ["dataset", "method", "mixup", "n_labels", "steps", "compute", *ARM[1:]]
    found = []
    for key, rows in paired_accuracies(table, baseline).groupby(keys, sort=False):
        of_splits = rows.set_index("label_split")
        paired = over_seeds(of_splits.value, of_splits.baseline)
        found.append((*key, of_splits.value.mean(), of_splits.value.std(), *paired))
    rows = pd.DataFrame(found, columns=[*keys, "mean", "sd", *PairedDifference._fields])
    in_order = rows.assign(method=pd.Categorical(rows.method, list(ARMS)))
    in_order = in_order.sort_values(keys[:4], kind="stable")
    return rows.loc[in_order.index].reset_index(drop=True)


def accuracy_table(table: pd.DataFrame, published: pd.DataFrame | None = None) -> pd.DataFrame:
    """Table 1 from our numbers: test accuracy in %, 'mean (sd)' over label splits.

    Args:
        table: the result table of notebook 09; its main grid is shown.
        published: as ``published.published_table_1``. Its numbers stand beside ours in columns
            of their own, where it has the data set and the number of labels.

    Returns:
        Index dataset, n_labels; a column for each arm without and with mixup. No sd from one
        split, and an empty cell where nothing was trained.
    """
    ours = main_grid(table)
    index = ["dataset", "n_labels"]
    cells = ours.groupby([*index, "method", "mixup"]).value.agg(["mean", "std"]).mul(100)
    text = cells.apply(_mean_and_sd, axis=1).rename("text").reset_index().assign(source="")
    if published is not None:
        there = published.set_index(index).index.isin(ours.set_index(index).index)
        theirs = published[there].assign(source=", published")
        text = pd.concat([text, theirs.assign(text=theirs.accuracy.map("{:.2f}".format))])
    names = [arm_name(*arm) for arm in zip(text.method, text.mixup, strict=True)]
    wide = text.assign(arm=names + text.source).pivot(index=index, columns="arm", values="text")
    order = [
        arm_name(method, mixup) + source
        for mixup in ("off", "on")
        for method in ARMS
        for source in ("", ", published")
    ]
    shown = [name for name in order if name in wide.columns]
    return wide[shown].rename_axis(columns=None).fillna("")


def _mean_and_sd(cell: pd.Series[float]) -> str:
    sd = "" if pd.isna(cell["std"]) else f" ({cell['std']:.1f})"
    return f"{cell['mean']:.1f}{sd}"


def arm_name(method: str, mixup: str = "off") -> str:
    """An arm's column in Table 1; mixup is LaplaceNet's, in fine-tuning."""
    return ARMS[method] + {"off": "", "on": " + mixup", "released": " + released mixup"}[mixup]
