"""Claims of notebook 09: LaplaceNet from a pretrained encoder, few labels.

All are judged on the first data set of the table, in accuracies in % paired by label split. Where a
claim is on every number of labels each is a comparison of its own, so that harm at one is not
hidden by gains at others.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from drlcore.errors import DataError
from drlcore.paper.claims.judge import Claim, Contrast, rows
from drlcore.paper.tables.semi_supervised import in_main_grid, paired_accuracies

TABLE = "09_semi_supervised"
CELL = ["mixup", "n_labels"]


def _paired(table: pd.DataFrame, method: str, baseline: str = "none") -> pd.DataFrame:
    """Rows of ``method`` beside ``baseline``, in %, with their difference as ``gain``."""
    of = rows(table, dataset=rows(table).dataset.iloc[0])
    paired = rows(paired_accuracies(of, baseline), method=method)
    percent = paired.assign(value=100 * paired.value, baseline=100 * paired.baseline)
    return percent.assign(gain=percent.value - percent.baseline)


def _main(table: pd.DataFrame, method: str, *mixup: str, baseline: str = "none") -> pd.DataFrame:
    paired = _paired(table, method, baseline)
    grid = paired[in_main_grid(paired)]
    return pd.concat([rows(grid, mixup=each) for each in mixup])


def _by_split(of: pd.DataFrame, column: str = "gain") -> pd.Series[float]:
    """Mean over cells for each label split; every split must have every cell."""
    wide = of.pivot_table(index="label_split", columns=[*CELL, "steps"], values=column)
    if wide.isna().any(axis=None):
        raise DataError("the label splits differ from cell to cell; allowed: the same in each")
    return wide.mean(axis=1)


def _above(name: str, of: pd.DataFrame) -> Contrast:
    return Contrast(name, _by_split(of, "value"), _by_split(of, "baseline"))


def _each(of: pd.DataFrame) -> list[Contrast]:
    """Each cell against its baseline, fewest labels first."""
    _by_split(of)
    return [
        _above(f"{n} labels{', mixup' if mixup == 'on' else ''}", cell)
        for (mixup, n), cell in of.groupby(CELL)
    ]


def _fewest_labels(method: str) -> Callable[[pd.DataFrame], list[Contrast]]:
    return lambda table: _each(_main(table, method, "off"))[:1]


def _every_budget(method: str, mixup: str) -> Callable[[pd.DataFrame], list[Contrast]]:
    return lambda table: _each(_main(table, method, mixup))


def _largest_with_fewest(table: pd.DataFrame) -> list[Contrast]:
    of = _main(table, "vdrl", "off")
    fewest, *others = (_by_split(cell) for _, cell in of.groupby("n_labels"))
    if not others:
        raise DataError("one number of labels has no other to compare with")
    n_fewest, *numbers = sorted(of.n_labels.unique())
    return [
        Contrast(f"gain at {n_fewest} labels", fewest, 0.0),
        *[Contrast(f"against {n}", fewest, gain) for n, gain in zip(numbers, others, strict=True)],
    ]


def _learned(table: pd.DataFrame, pretrained_on: str) -> pd.DataFrame:
    """DRL without mixup, whatever the steps."""
    where = {"mixup": "off", "encoder_time": "learned", "pretrained_on": pretrained_on}
    return rows(_paired(table, "drl"), **where)


def _little_compute(table: pd.DataFrame) -> list[Contrast]:
    """With the fewest steps, at the numbers of labels that were trained with them."""
    of = _learned(table, "all")
    little = rows(of[of.compute < 1])
    little = little[little.steps == little.groupby("n_labels").steps.transform("min")]
    full = rows(of[(of.compute == 1) & of.n_labels.isin(little.n_labels)])
    share = f"{little.compute.mean():.0%} of the steps"
    return [
        _above(f"{share}, mean over numbers of labels", little),
        Contrast("gain against that with all steps", _by_split(little), _by_split(full)),
        *_each(little),
    ]


def _no_gain(table: pd.DataFrame) -> list[Contrast]:
    ae, drl = (_by_split(_main(table, method, "off")) for method in ("ae", "drl"))
    return [
        Contrast("AE's gain against 1 point", ae, 1.0, rises=False),
        Contrast("against DRL's gain", ae, drl, rises=False),
    ]


def _inconsistent(table: pd.DataFrame) -> list[Contrast]:
    cells = _each(_main(table, "drl-mixup", "off", "on", baseline="drl"))
    if len(cells) < 2:
        raise DataError("one cell has no other to be inconsistent with")
    return cells


def _labelled_subset(table: pd.DataFrame) -> list[Contrast]:
    of = _learned(table, "labelled")
    return _each(rows(of[of.compute == 1]))


ACCURACY = "test accuracy in % of LaplaceNet after its last epoch, mean over label splits"
UNTRAINED = "LaplaceNet from the same encoder, not pretrained, on the same label splits"
NOTHING = "nothing is chosen, no epoch either"
SEMI_SUPERVISED: tuple[Claim, ...] = (
    *(
        Claim(
            claim=f"pretraining by {method.upper()} raises LaplaceNet's accuracy (fewest labels, "
            "no mixup)",
            figure="Table 1",
            published=f"CIFAR-10, 100 labels: 73.68 % to {published} % (one number each)",
            statistic=f"{ACCURACY}, pretrained on all images",
            selection=NOTHING,
            control=UNTRAINED,
            threshold="above it",
            fails="no pretraining is as good",
            source=TABLE,
            contrasts=_fewest_labels(method),
        )
        for method, published in (("drl", "74.31"), ("vdrl", "81.63"))
    ),
    *(
        Claim(
            claim=f"pretraining by {method.upper()} raises LaplaceNet's accuracy at every number "
            f"of labels ({'with' if mixup == 'on' else 'no'} mixup)",
            figure="Table 1",
            published=published,
            statistic=f"{ACCURACY}, pretrained on all images, at each number of labels",
            selection=NOTHING,
            control=UNTRAINED,
            threshold="above it at each" + more,
            fails="no pretraining is as good at some number of labels",
            source=TABLE,
            contrasts=_every_budget(method, mixup),
        )
        for method, mixup, published, more in (
            ("drl", "off", "above in 11 of 11 cells", ""),
            ("drl", "on", "above in 7 of 11 cells", ", which is more than was published"),
            ("vdrl", "off", "above in 10 of 11 cells", ", which is one cell more than published"),
        )
    ),
    Claim(
        claim="the gain is largest with the fewest labels",
        figure="Table 1",
        published="CIFAR-10, no mixup: VDRL +7.95 points at 100 labels, at most +1.48 with more; "
        "DRL +0.63 at 100, but +1.39 at 500, so that VDRL alone is judged",
        statistic="gain of VDRL in % at the fewest labels, no mixup, mean over label splits",
        selection=NOTHING,
        control="0; its gain at each other number of labels",
        threshold="above each of them",
        fails="there is no gain, or as large a one with more labels",
        source=TABLE,
        contrasts=_largest_with_fewest,
    ),
    Claim(
        claim="with little compute the gain of DRL is larger",
        figure="Tables 4, 5",
        published="much better with fewer epochs (values not seen)",
        statistic="gain of DRL in % with fewer steps of fine-tuning, mean over numbers of labels "
        "and at each, no mixup",
        selection=NOTHING,
        control=f"{UNTRAINED}, as many steps; the gain with all steps",
        threshold="above both in the mean, and above the first at each number of labels",
        fails="no pretraining is as good with fewer steps, or the gain is as large with all",
        source=TABLE,
        contrasts=_little_compute,
    ),
    Claim(
        claim="autoencoder pretraining brings no gain",
        figure="Table 6",
        published="no gain (values not seen)",
        statistic="gain of AE in %, mean over numbers of labels, no mixup",
        selection=NOTHING,
        control="1 point; DRL's gain: a spread that hides any gain hides that too",
        threshold="below 1 point, about the published gains of DRL, and below DRL's",
        fails="AE gains a point or more, or as much as DRL, or the spread does not tell",
        source=TABLE,
        contrasts=_no_gain,
    ),
    Claim(
        claim="mixup inside DRL pretraining is inconsistent",
        figure="Table 7",
        published="better here and worse there (values not seen)",
        statistic=f"{ACCURACY}, pretrained with mixup, at each number of labels and mixup of "
        "LaplaceNet",
        selection=NOTHING,
        control="pretrained by DRL without mixup, on the same label splits",
        threshold="above it somewhere and below it somewhere",
        fails="it differs one way only, or nowhere beyond the spread; no outcome is the opposite",
        source=TABLE,
        contrasts=_inconsistent,
        needs="both signs",
    ),
    Claim(
        claim="DRL still helps when pretrained on the labelled subset alone, as the released code "
        "does",
        figure="App., Table 1",
        published="open: whether the published numbers were made so is not said",
        statistic=f"{ACCURACY}, pretrained on 8 % of the images, at each number of labels, no "
        "mixup",
        selection=NOTHING,
        control=UNTRAINED,
        threshold="above it at each",
        fails="no pretraining is as good at some number of labels",
        source=TABLE,
        contrasts=_labelled_subset,
    ),
)
