"""Claims of notebooks 05 to 08: the code as a curve, downstream tasks, another SDE."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from drlcore.errors import DataError
from drlcore.paper.claims.judge import Claim, Contrast, by_level, rank_correlation, rows, values
from drlcore.paper.tables.paired import best_time

CURVE, DOWNSTREAM = "05_code_as_a_curve", "06_downstream"
TRAJECTORY, ABLATION = "07_trajectory", "08_sde_ablation"
ACCURACY = "mlp_accuracy"
NEAR = 0.05  # accuracies this close count as near each other
CHANCE = {"background_colour_accuracy": 0.2, "knn_accuracy": 0.1}
NOTHING = "nothing is chosen"
TIME = "each seed's encoder time, on validation; test is reported"


def _of(table: pd.DataFrame, method: str, time_conditioned: bool) -> pd.DataFrame:
    return rows(table, method=method, time_conditioned=time_conditioned)


def _test(
    table: pd.DataFrame, method: str, metric: str = ACCURACY, time_conditioned: bool = False
) -> pd.Series[float]:
    """Test values of a method at the time that is best on validation; E(x0) has none to choose."""
    return best_time(_of(table, method, time_conditioned), metric).set_index("seed").test


def _best_arm(
    table: pd.DataFrame, arms: Iterable[tuple[str, bool]], metric: str = ACCURACY
) -> tuple[str, pd.Series[float]]:
    """Of methods (name, whether E(x0, t)) the best mean on validation: its name and test values."""
    found = {arm: best_time(_of(table, *arm), metric) for arm in arms}
    (method, timed), best = max(found.items(), key=lambda item: item[1].validation.mean())
    return f"{method}{', E(x0, t)' if timed else ''}", best.set_index("seed").test


DIFFUSION = [(method, timed) for method in ("drl", "vdrl") for timed in (True, False)]


# Notebook 05.


def _curve(weighting: str) -> Callable[[pd.DataFrame], list[Contrast]]:
    def contrasts(table: pd.DataFrame) -> list[Contrast]:
        trained = rows(_of(table, "drl", True), weighting=weighting, t_sampler="uniform_t")
        untrained = _of(table, "random", True)

        def along_t(of: pd.DataFrame, metric: str) -> pd.Series[float]:
            return rank_correlation(by_level(of, "t", metric=metric, split="test"))

        accuracy, ink = (along_t(trained, m) for m in ("knn_accuracy", "ink_r2"))
        control = {m: along_t(untrained, m) for m in ("knn_accuracy", "ink_r2")}
        return [
            Contrast(
                "rank correlation of t and kNN accuracy against untrained",
                accuracy,
                control["knn_accuracy"],
                bound=0.8,
            ),
            Contrast("of t and ink R2", ink, control["ink_r2"], rises=False, bound=-0.8),
        ]

    return contrasts


def _near_the_autoencoder(table: pd.DataFrame) -> list[Contrast]:
    """At each method's longest training; how DRL is trained is chosen."""
    if not {"steps", "adam_epsilon"} <= set(table.columns):
        raise DataError("the table has no columns steps and adam_epsilon")

    def longest(method: str) -> pd.DataFrame:
        of = _of(table[table.steps.notna()], method, False)
        return rows(of, metric=ACCURACY, steps=of.steps.max())

    arms = dict(list(longest("drl").groupby(["weighting", "adam_epsilon"])))
    best = max(arms, key=lambda arm: values(arms[arm], split="validation").mean())
    ours, ae, untrained = (
        values(of, split="test") for of in (arms[best], longest("ae"), longest("random"))
    )
    return [
        Contrast(f"DRL ({best[0]}, epsilon {best[1]:g}) against AE - {NEAR}", ours, ae - NEAR),
        Contrast(f"against AE + {NEAR}", ours, ae + NEAR, rises=False),
        Contrast("against untrained", ours, untrained),
    ]


# Notebook 06.


def _beats(
    dataset: str, baselines: Sequence[str], metric: str = ACCURACY
) -> Callable[[pd.DataFrame], list[Contrast]]:
    def contrasts(table: pd.DataFrame) -> list[Contrast]:
        of = rows(table, dataset=dataset)
        name, ours = _best_arm(of, DIFFUSION, metric)
        return [Contrast(f"{name} against {m}", ours, _test(of, m, metric)) for m in baselines]

    return contrasts


def _simclr(table: pd.DataFrame) -> list[Contrast]:
    of = rows(table, dataset="mnist")
    simclr = _test(of, "simclr")
    others = {m: _test(of, m) for m in BASELINES}
    others |= [_best_arm(of, DIFFUSION)]
    return [Contrast(f"simclr against {m}", simclr, theirs) for m, theirs in others.items()]


def _peak(table: pd.DataFrame) -> list[Contrast]:
    drl = rows(_of(rows(table, dataset="mnist"), "drl", True), metric=ACCURACY)
    validation, test = (by_level(drl, "t", split=split) for split in ("validation", "test"))
    first, *inner, last = validation.columns
    peak = validation[inner].mean().idxmax()
    return [
        Contrast(f"t = {peak:.2f} against {end:.2f}", test[peak], test[end])
        for end in (first, last)
    ]


def _background(table: pd.DataFrame) -> list[Contrast]:
    of = rows(table, dataset="colored-mnist")

    def error(method: str, metric: str, timed: bool) -> pd.Series[float]:
        """Share of chance's errors that is left."""
        return (1 - _test(of, method, metric, timed)) / (1 - CHANCE[metric])

    colour = error("drl", "background_colour_accuracy", True)
    untrained = error("random", "background_colour_accuracy", False)
    digit = error("drl", "knn_accuracy", True)
    return [
        Contrast("errors in colour against half of untrained's", colour, untrained / 2, False),
        Contrast("against errors in digit class", colour, digit, False),
    ]


# Notebooks 07 and 08.


def _information(table: pd.DataFrame) -> list[Contrast]:
    def falls(method: str) -> pd.Series[float]:
        of = rows(table, method=method, metric="nmi")
        apart = of[of.t != of.t_j].assign(pair=lambda r: list(zip(r.t, r.t_j, strict=True)))
        wide = by_level(apart, "pair")
        return rank_correlation(wide.set_axis([round(abs(a - b), 6) for a, b in wide], axis=1))

    drl, untrained = falls("drl"), falls("random")
    return [
        Contrast("rank correlation of |t - t'| and NMI", drl, 0.0, rises=False),
        Contrast("against untrained", drl, untrained, rises=False),
    ]


def _trajectory(table: pd.DataFrame) -> list[Contrast]:
    drl = _of(table, "drl", True)
    single = _test(table, "drl", time_conditioned=True)
    return [
        Contrast(f"{name} against the best time", whole, single)
        for name in ("gru", "transformer")
        for whole in [values(drl, metric=f"{name}_accuracy", split="test")]
    ]


def _another_sde(table: pd.DataFrame) -> list[Contrast]:
    name, baseline = _best_arm(table, [("ae", False), ("vae", False)])
    under = {sde: _test(rows(table, sde=sde), "drl", ACCURACY, True) for sde in ("vp", "subvp")}
    return [Contrast(f"{sde} against {name}", ours, baseline) for sde, ours in under.items()]


OURS = "the best mean on validation of DRL and VDRL, E(x0) and E(x0, t), this at its best time"
BASELINES = ("ae", "vae", "simclr-gauss")
COMPARISON: tuple[Claim, ...] = (
    *(
        Claim(
            claim=f"E(x0, t) runs through the dial: detail at small t, class at large t ({words})",
            figure="Sec. 3",
            published="in words",
            statistic="Spearman's of t with kNN accuracy and with ink R2 over all times, per seed, "
            "2-d code of DRL, test",
            selection=NOTHING,
            control="an untrained E(x0, t) of the same seeds",
            threshold="above the control and at least .8, and below it and at most -.8: nearly "
            "in order",
            fails="class or ink turns back along t, or does the same without training",
            source=CURVE,
            contrasts=_curve(weighting),
        )
        for weighting, words in (("edm", "edm's weighting"), ("std2", "the paper's weighting"))
    ),
    Claim(
        claim="a code of sigma_max alone is near the autoencoder's",
        figure="Prop. 2",
        published="the same objective as t goes to 1 (in words)",
        statistic="accuracy of an MLP probe on E(x0) of DRL trained at sigma_max alone, at the "
        "longest training, test",
        selection="weighting and Adam's epsilon, by the best mean on validation",
        control="an autoencoder as long trained, less .05; an untrained encoder",
        threshold=f"within {NEAR} of the autoencoder (our tolerance) on both sides, and above "
        "untrained",
        fails="the code stays further from it, or no better than untrained; no outcome is the "
        "opposite",
        source=CURVE,
        contrasts=_near_the_autoencoder,
    ),
    *(
        Claim(
            claim=f"{name}diffusion codes beat {against} at some encoder time",
            figure=figure,
            published=published,
            statistic=f"accuracy of an MLP probe on 32-d codes{labels}, test",
            selection=f"{OURS}, by seed",
            control=f"{against}: same encoder, steps and probe",
            threshold="above each of them",
            fails="a baseline is as good",
            source=DOWNSTREAM,
            contrasts=_beats(dataset, baselines, metric),
        )
        for name, dataset, against, baselines, metric, labels, figure, published in (
            (
                "MNIST: ",
                "mnist",
                "AE, VAE and SimCLR-Gauss",
                BASELINES,
                ACCURACY,
                "",
                "ICML, downstream",
                "above all three (shown for CIFAR and mini-ImageNet; values not seen)",
            ),
            (
                "Colored-MNIST: ",
                "colored-mnist",
                "AE, VAE and SimCLR-Gauss",
                BASELINES,
                ACCURACY,
                "",
                "ICML, downstream",
                "as for MNIST",
            ),
            (
                "few labels: ",
                "mnist",
                "AE and VAE",
                ("ae", "vae"),
                "few_shot_100_accuracy",
                " fitted on 100 labels",
                "Fig. 12",
                "above at several t with few labels (in words)",
            ),
        )
    ),
    Claim(
        claim="SimCLR with full augmentation is the best of all",
        figure="ICML, downstream",
        published="above every other unsupervised method (in words)",
        statistic="accuracy of an MLP probe on 32-d codes of MNIST, test",
        selection=f"{OURS}, by seed",
        control="AE, VAE, SimCLR-Gauss, the best diffusion code",
        threshold="above each of them",
        fails="another method is as good",
        source=DOWNSTREAM,
        contrasts=_simclr,
    ),
    Claim(
        claim="accuracy peaks at an intermediate encoder time",
        figure="ICML, trajectory",
        published="a peak inside (picture only)",
        statistic="accuracy of an MLP probe on E(x0, t) of DRL at an inner t, MNIST, test",
        selection="the inner t with the best mean on validation",
        control="the first and the last t",
        threshold="above both",
        fails="one end is as good",
        source=DOWNSTREAM,
        contrasts=_peak,
    ),
    Claim(
        claim="the code holds the background's colour",
        figure="Figs. 2c-d, 3c-d",
        published="in words, for CIFAR; measured here where the colour is known",
        statistic="errors of nearest neighbours in background colour, as a share of chance's "
        "(4 of 5), E(x0, t) of DRL on Colored-MNIST, test",
        selection=f"{TIME}, for each metric",
        control="half of an untrained encoder's; errors in digit class as a share of chance's (9 "
        "of 10)",
        threshold="below both. Half: untrained is near right already, so that only errors tell",
        fails="colour is about as readable without training, or digit class as well as colour",
        source=DOWNSTREAM,
        contrasts=_background,
    ),
    Claim(
        claim="codes far apart in time share less information",
        figure="ICML, trajectory",
        published="falls with distance in t (picture only)",
        statistic="Spearman's of |t - t'| and normalised mutual information of the codes of DRL "
        "over all pairs of times, per seed",
        selection=NOTHING,
        control="0: no order; an untrained E(x0, t) of the same seeds",
        threshold="below both",
        fails="it does not fall, or falls as much without training",
        source=TRAJECTORY,
        contrasts=_information,
    ),
    Claim(
        claim="a trajectory tells more than its best point",
        figure="ICML, trajectory",
        published="GRU or transformer above the best single time (in words)",
        statistic="accuracy of a GRU and of a transformer on the codes of all times, DRL, test",
        selection=TIME,
        control="an MLP probe on the code of that time",
        threshold="either above it",
        fails="both do no better than one time",
        source=TRAJECTORY,
        contrasts=_trajectory,
        needs="any",
    ),
    Claim(
        claim="the benefit persists under another SDE",
        figure="ICML, SDE ablation",
        published="DRL under VP and sub-VP above AE and VAE (values not seen)",
        statistic="accuracy of an MLP probe on E(x0, t) of DRL, under VP and sub-VP, test",
        selection=f"{TIME}; the better of AE and VAE by its mean there",
        control="the better of AE and VAE",
        threshold="above it, under both",
        fails="the baseline is as good under either",
        source=ABLATION,
        contrasts=_another_sde,
    ),
)
