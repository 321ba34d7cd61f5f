"""Made-up result tables on which a claim is true (1), without effect (0) or its opposite (-1).

A table holds the rows its claim needs and no others, so that each of them can be missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from generative_rows import GENERATIVE
from made_up import LEVELS, LITTLE, N, Values, effect, in_order, join, monte_carlo, rows
from semi_supervised_rows import FEW_STEPS, LABELS, condition

from drlcore.paper.claims import CLAIMS
from drlcore.paper.claims.entries import Claim

BEST = 1.0
TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)

# Notebook 02.


def prop1(e: int) -> pd.DataFrame:
    constant = {1: 0.7 + LITTLE, 0: effect(0, 0), -1: -0.3 + LITTLE}[e]
    terms = {"dsm": 1.0, "constant": constant, "esm": 0.3}
    return join(monte_carlo(m, v, s) for m, v in terms.items() for s in LEVELS)


def floor(e: int) -> pd.DataFrame:
    told = dict.fromkeys(("coarse", "middle", "fine"), 0.7 - effect(e, 0.25))
    told |= {"nothing": 1.0, "shuffled": 0.7}
    return join(
        [monte_carlo(f"floor_{f}", v, 1.0) for f, v in told.items()],
        [monte_carlo(f"floor_{f}", 1.0, 10.0) for f in told],
    )


def windows(e: int) -> pd.DataFrame:
    low, middle, high = ((s,) * N for s in LEVELS[:3])
    turned = [np.roll(LEVELS[:3], k) for k in (0, -1, -2)]
    peaks = {1: (low, middle, high), -1: (high, middle, low), 0: turned}[e]
    return join(
        monte_carlo(f"gain_{factor}", (np.array(peak) == sigma) * 1.0, sigma)
        for factor, peak in zip(("fine", "middle", "coarse"), peaks, strict=True)
        for sigma in LEVELS
    )


# Notebooks 03 and 04.


def losses(at: Sequence[float] = LEVELS, **of: Any) -> pd.DataFrame:
    """Losses by code (own = ...), the rest says of which run."""
    codes = {z: of.pop(z) for z in list(of) if z in CODES}
    about = {"split": "validation", **of}
    return join(rows(f"loss_{z}", v, at_sigma=s, **about) for z, v in codes.items() for s in at)


CODES = ("own", "shuffled", "constant", "same_class", "same_ink", "same_brightness")


def used(e: int) -> pd.DataFrame:
    return losses(own=1 - effect(e, 0.2), shuffled=1.0, constant=1.0)


def no_code(e: int) -> pd.DataFrame:
    """Those of another weighting that stand beside it do not count."""
    of = {"weighting": "std2"}
    other = losses(own=5.0, method="dsm", weighting="edm")
    with_code = losses(own=1 - effect(e, 0.2), shuffled=1.0, **of)
    return join(with_code, losses(own=1.0, method="dsm", **of), other)


def of_sizes(e: int) -> pd.DataFrame:
    """VDRL with codes of two sizes, the smaller one always of use."""
    sizes = {2: 1 - effect(1, 0.2), 16: 1 - effect(e, 0.2)}
    about = {"method": "vdrl", "weighting": "edm"}
    with_code = [losses(own=v, shuffled=1.0, latent_dim=d, **about) for d, v in sizes.items()]
    return join(*with_code, losses(own=1.0, method="dsm", latent_dim=0, weighting="edm"))


def separates(method: str) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        found = {"uniform_sigma": 0.3 + effect(e, 0.2), "uniform_t": 0.3}
        return join(rows("knn_accuracy", v, method=method, t_sampler=t) for t, v in found.items())

    return table


def swap(e: int) -> pd.DataFrame:
    share = {0.5: 0.5, 2.0: 0.9, 10.0: 0.5 + effect(e, 0.3)}
    return join(
        rows("follows_code", v, at_sigma=s, t_sampler="uniform_sigma") for s, v in share.items()
    )


def diversity(e: int) -> pd.DataFrame:
    spread = zip((2, 4, 8, 16), in_order(-e, 4).T, strict=True)
    return join(rows("sample_diversity", v, latent_dim=d, method="vdrl") for d, v in spread)


def single(metric: str, of_levels: Sequence[Values], **about: Any) -> pd.DataFrame:
    return join(
        rows(metric, v, t_sampler="single", sigma_min=s, sigma_max=s, **about)
        for s, v in zip(LEVELS, of_levels, strict=True)
    )


def at_best(metric: str, best: Values, other: Values = 0.1, **about: Any) -> pd.DataFrame:
    return single(metric, [best if s == BEST else other for s in LEVELS], **about)


def chosen() -> pd.DataFrame:
    """What the best level is chosen by."""
    return at_best("knn_accuracy", 0.8, split="validation")


def untrained(metric: str, values: Values) -> pd.DataFrame:
    return rows(metric, values, method="random")


def of_level(sigma: float, **of: Any) -> pd.DataFrame:
    return losses((sigma,), t_sampler="single", sigma_min=sigma, sigma_max=sigma, **of)


def strokes(e: int) -> pd.DataFrame:
    return join(
        rows("ink_r2", 0.6 + effect(e, 0.25)),
        untrained("ink_r2", 0.6),
        losses(own=0.5, shuffled=1.0, same_class=0.9, same_ink=0.9 - effect(e, 0.2)),
    )


def hardly_class(e: int) -> pd.DataFrame:
    at = at_best("knn_accuracy", 0.6)
    return join(chosen(), at, rows("knn_accuracy", 0.6 - effect(e, 0.2)))


def paid_for_class(e: int) -> pd.DataFrame:
    """At the best level: the loss cares for the class, or no more than for the ink."""
    same_ink, same_class = 0.9 + 0.1 * LITTLE, 0.9 - effect(e, 0.2)
    return of_level(BEST, own=0.5, shuffled=1.0, same_ink=same_ink, same_class=same_class)


def dial_class(e: int) -> pd.DataFrame:
    return join(
        chosen(),
        at_best("knn_accuracy", 0.5 + effect(e, 0.3)),
        rows("knn_accuracy", 0.5),
        untrained("knn_accuracy", 0.5),
        paid_for_class(e),
    )


def dial_ink(e: int) -> pd.DataFrame:
    return join(
        chosen(),
        at_best("ink_r2", 0.7 - effect(e, 0.2)),
        rows("ink_r2", 0.7),
        untrained("ink_r2", 0.7 - effect(e, 0.3)),
        of_level(LEVELS[0], own=0.5, shuffled=1.0, same_class=0.9, same_ink=0.9 - effect(e, 0.2)),
    )


def dial_monotone(e: int) -> pd.DataFrame:
    n = len(LEVELS)
    return join(single("knn_accuracy", in_order(e, n).T), single("ink_r2", in_order(-e, n).T))


def dial_silhouette(e: int) -> pd.DataFrame:
    return join(
        chosen(),
        at_best("silhouette", effect(e, 0.1), 0.0),
        rows("silhouette", 0.0),
        untrained("silhouette", 0.0),
    )


def toy(e: int) -> pd.DataFrame:
    """Predicted at every other level; held as predicted, at half of the levels, or nowhere."""
    pays = np.array([1, 0, 1, 0])
    held = {1: pays, 0: np.array([1, 1, 0, 0]), -1: 1 - pays}[e]
    about = {"dataset": "toy", "t_sampler": "single"}
    tables = []
    for factor in ("coarse", "middle", "fine"):
        for sigma, p, h in zip(LEVELS, pays, held, strict=True):
            at = {"sigma_min": sigma, "sigma_max": sigma, **about}
            tables.append(rows(f"{factor}_accuracy", 0.5 + 0.4 * h, method="vdrl", **at))
            theory = rows(f"pays_{factor}", p, method="theory", split="monte-carlo", **at)
            tables.append(theory[theory.seed == 0])
    return join(tables)


# Notebook 10.

UNET = {"score_network": "unet", "width": 32}
UNCHANGED = {"change": "unchanged"}


def network_class(e: int) -> pd.DataFrame:
    found = join(
        chosen(),
        at_best("knn_accuracy", 0.5 + effect(e, 0.3), 0.5),
        paid_for_class(e),
    )
    return join(found.assign(**UNET), untrained("knn_accuracy", 0.5))


def network_ink(e: int) -> pd.DataFrame:
    lowest = [0.5 + effect(e, 0.2), *[0.5] * (len(LEVELS) - 1)]
    found = join(
        single("ink_r2", lowest),
        of_level(LEVELS[0], own=0.5, shuffled=1.0, same_class=0.9, same_ink=0.9 - effect(e, 0.2)),
    )
    return found.assign(**UNET)


# Notebook 11.


def border_colour(
    method: str, t_sampler: str, how: Mapping[str, Any]
) -> Callable[[int], pd.DataFrame]:
    of = {"dataset": "cifar10", "method": method, "t_sampler": t_sampler, **how}

    def table(e: int) -> pd.DataFrame:
        read = [f"border_{factor}_r2" for factor in ("brightness", "warmth")]
        kept = {"own": 0.5, "shuffled": 1.0, "same_class": 0.9 + 0.1 * LITTLE}
        kept["same_border_brightness"] = 0.9 - effect(e, 0.2)
        return join(
            [rows(metric, 0.5 + effect(e, 0.2), name=method, **of) for metric in read],
            [untrained(metric, 0.5).assign(name="untrained", **UNCHANGED) for metric in read],
            [
                rows(f"loss_{z}", v, name=method, **{**of, "split": "validation"}, at_sigma=BEST)
                for z, v in kept.items()
            ],
        )

    return table


def border_or_whole(*factors: str, **of: Any) -> Callable[[int], pd.DataFrame]:
    return lambda e: join(
        [rows(f"border_{factor}_r2", 0.5 + effect(e, 0.2), **of) for factor in factors],
        [rows(f"{factor}_r2", 0.5, **of) for factor in factors],
    )


def border_hue(e: int) -> pd.DataFrame:
    metric, of = "border_warmth_r2", {"t_sampler": "uniform_t", **UNET}
    kept = {"own": 0.5, "shuffled": 1.0, "same_class": 0.9 + 0.1 * LITTLE}
    kept["same_border_warmth"] = 0.9 - effect(e, 0.2)
    return join(
        rows(metric, 0.5 + effect(e, 0.2), **of),
        untrained(metric, 0.5).assign(name="untrained", **UNCHANGED),
        rows(metric, 0.5, t_sampler="uniform_t", name="mlp", **UNCHANGED),
        (rows(f"loss_{z}", v, split="validation", at_sigma=BEST, **of) for z, v in kept.items()),
    )


def photograph_class(of_dial: Mapping[str, Any]) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        found = join(
            chosen(),
            at_best("knn_accuracy", 0.5 + effect(e, 0.3), 0.5),
            at_best("silhouette", effect(e, 0.1), 0.0),
        )
        control = untrained("knn_accuracy", 0.5).assign(name="untrained", **UNCHANGED)
        return join(found.assign(**of_dial), control)

    return table


def photograph_ends(e: int) -> pd.DataFrame:
    some = [0.5] * (len(LEVELS) - 1)
    edges, brightness = [0.5 + effect(e, 0.2), *some], [*some, 0.5 + effect(e, 0.2)]
    found = join(single("edges_r2", edges), single("brightness_r2", brightness))
    return found.assign(**UNCHANGED)


def photograph_sides(e: int) -> pd.DataFrame:
    low = [sigma < 1 for sigma in LEVELS]
    edges = [0.5 + effect(e, 0.2) if below else 0.5 for below in low]
    waves = [0.5 if below else 0.5 + effect(e, 0.2) for below in low]
    kept = [0.9 - effect(e, 0.2) if below else 0.9 for below in low]
    return join(
        single("edges_r2", edges),
        single("band_r2", waves, band="longer than 16"),
        (
            of_level(sigma, own=0.5, shuffled=1.0, same_brightness=v)
            for sigma, v in zip(LEVELS, kept, strict=True)
        ),
    ).assign(**UNET)


# Notebooks 05 to 08.


def curve(
    metric: str, test: Sequence[Values], validation: Sequence[Values] | None = None, **about: Any
) -> pd.DataFrame:
    """E(x0, t): values of the seeds at each time, on validation as on test unless given."""
    both = {"test": test, "validation": test if validation is None else validation}
    about = {"time_conditioned": True, "weighting": "edm", "latent_dim": 32, **about}
    return join(
        rows(metric, v, t=t, sigma=0.01 * 5000**t, split=split, **about)
        for split, of_times in both.items()
        for t, v in zip(TIMES, of_times, strict=True)
    )


def static(metric: str, values: Values, method: str, **about: Any) -> pd.DataFrame:
    """E(x0): the same at every time."""
    return curve(metric, [values] * len(TIMES), method=method, time_conditioned=False, **about)


def peaked(height: Values, at: int = 2, foot: Values = 0.2) -> list[Values]:
    """Low everywhere but at one time."""
    return [height if i == at else foot for i in range(len(TIMES))]


def dial_along_t(weighting: str) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        n = len(TIMES)
        both = join(
            curve("knn_accuracy", in_order(e, n).T, weighting=weighting),
            curve("ink_r2", in_order(-e, n).T, weighting=weighting),
            curve("knn_accuracy", [0.3] * n, method="random"),
            curve("ink_r2", [0.3] * n, method="random"),
        )
        return both[both.split == "test"]

    return table


def near(e: int) -> pd.DataFrame:
    """The longest training counts, and the arm that is best on validation."""
    last = {1: 0.89 + LITTLE, 0: 0.85 + effect(0, 0), -1: 0.6 + LITTLE}[e]
    of = {"drl": last, "ae": 0.9, "random": 0.5}
    tables = []
    for method, values in of.items():
        arms = (
            [("edm", 1e-8), ("edm", 1e-12), ("std2", 1e-8)] if method == "drl" else [("std2", 1e-8)]
        )
        for k, (weighting, epsilon) in enumerate(arms):
            for steps in (100.0, 200.0):
                for split in ("validation", "test"):
                    worse = 0.2 * (k != len(arms) // 2) + 0.2 * (steps == 100)
                    tables.append(
                        rows(
                            "mlp_accuracy", values - worse, method=method, split=split, steps=steps,
                            weighting=weighting, adam_epsilon=epsilon, time_conditioned=False,
                            t_sampler="single" if method == "drl" else "uniform_t",
                        )
                    )  # fmt: skip
    return join(tables)


def diffusion(values: Values, metric: str = "mlp_accuracy", **about: Any) -> pd.DataFrame:
    """DRL's E(x0, t) peaks at these; VDRL and E(x0) stay low."""
    return join(
        curve(metric, peaked(values), **about),
        curve(metric, peaked(0.3), method="vdrl", **about),
        static(metric, 0.3, "drl", **about),
        static(metric, 0.3, "vdrl", **about),
    )


def beats(
    dataset: str, baselines: Sequence[str], metric: str = "mlp_accuracy"
) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        ours = diffusion(0.6 + effect(e, 0.1), metric, dataset=dataset)
        return join(ours, (static(metric, 0.6, m, dataset=dataset) for m in baselines))

    return table


def simclr(dataset: str) -> Callable[[int], pd.DataFrame]:
    about = {"dataset": dataset}

    def table(e: int) -> pd.DataFrame:
        others = (static("mlp_accuracy", 0.6, m, **about) for m in ("ae", "vae", "simclr-gauss"))
        best = static("mlp_accuracy", 0.6 + effect(e, 0.1), "simclr", **about)
        return join(best, others, diffusion(0.6 + 0 * LITTLE, **about))

    return table


def peak(e: int) -> pd.DataFrame:
    return curve("mlp_accuracy", peaked(0.6 + effect(e, 0.1), foot=0.6), peaked(0.9))


def background(e: int) -> pd.DataFrame:
    """Untrained: one error in ten; half of it of chance's .8 is as much as .05625 of .9."""
    about = {"dataset": "colored-mnist"}
    at = peaked(0.9)
    return join(
        curve("background_colour_accuracy", peaked(0.95 + effect(e, 0.04)), at, **about),
        curve("knn_accuracy", peaked(1 - 0.05625 - effect(e, 0.05)), at, **about),
        static("background_colour_accuracy", 0.9, "random", **about),
    )


def information(e: int) -> pd.DataFrame:
    def pairs(at: np.ndarray, method: str) -> pd.DataFrame:
        about = {"method": method, "time_conditioned": True}
        return join(
            rows("nmi", at[:, abs(i - j)], t=a, t_j=b, **about)
            for i, a in enumerate(TIMES)
            for j, b in enumerate(TIMES)
        )

    order = in_order(-e, len(TIMES))
    return join(pairs(order, "drl"), pairs(0 * order, "random"))


def trajectory(e: int) -> pd.DataFrame:
    whole = {"time_conditioned": True, "t": np.nan}
    return join(
        curve("mlp_accuracy", peaked(0.6)),
        [rows(f"{m}_accuracy", 0.6 + effect(e, 0.1), **whole) for m in ("gru", "transformer")],
    )


def another_sde(e: int) -> pd.DataFrame:
    return join(
        [curve("mlp_accuracy", peaked(0.6 + effect(e, 0.1)), sde=sde) for sde in ("vp", "subvp")],
        static("mlp_accuracy", 0.6, "ae"),
        static("mlp_accuracy", 0.5, "vae"),
    )


# Notebook 09.

FIVE = 0.003 * np.array([-1, -0.5, 0.0, 0.5, 1])
BUDGETS = (LABELS[0], LABELS[-1])


def gain(e: int, size: float) -> np.ndarray:
    """As ``effect``, over five label splits."""
    return e * size + FIVE - (0.001 if e == 0 else 0.0)


def grid(gains: Mapping[str, Any], *mixup: str, **about: Any) -> pd.DataFrame:
    return join(condition(dict(gains), n, mixup=m, **about) for m in mixup for n in BUDGETS)


def every_budget(method: str, mixup: str) -> Callable[[int], pd.DataFrame]:
    return lambda e: grid({method: gain(e, 0.05)}, mixup)


def fewest_labels(method: str) -> Callable[[int], pd.DataFrame]:
    return lambda e: condition({method: gain(e, 0.05)}, BUDGETS[0])


def largest(e: int) -> pd.DataFrame:
    few, more = {1: (0.1, 0.02), 0: (0.0, 0.0), -1: (-0.05, 0.02)}[e]
    return join(
        condition({"vdrl": few + gain(0, 0)}, BUDGETS[0]),
        condition({"vdrl": np.full(5, more)}, BUDGETS[1]),
    )


def little_compute(e: int) -> pd.DataFrame:
    little, full = {1: (0.1, 0.05), 0: (0.0, 0.0), -1: (-0.05, 0.02)}[e]
    return join(
        grid({"drl": np.full(5, full)}, "off"),
        grid({"drl": little + gain(0, 0)}, "off", base=0.4, steps=FEW_STEPS),
    )


def no_gain(e: int) -> pd.DataFrame:
    ae, drl = {1: (-0.02, 0.05), 0: (0.012, 0.01), -1: (0.1, 0.0)}[e]
    return grid({"ae": ae + FIVE, "drl": np.full(5, drl)}, "off")


def inconsistent(e: int) -> pd.DataFrame:
    """Of no effect: unclear everywhere. Its 'opposite' is a gain everywhere, which refutes it."""
    tables = []
    for k, n in enumerate(BUDGETS):
        more = {1: 0.05 * (-1) ** k, 0: 0.001, -1: 0.05}[e] + FIVE
        for m in ("off", "on"):
            both = condition({"drl": 0.0, "drl-mixup": more}, n, base=0.5, mixup=m)
            tables.append(both[both.method != "none"])
    return join(tables)


def labelled_subset(e: int) -> pd.DataFrame:
    return join(
        condition({"drl": gain(e, 0.05)}, n).assign(
            pretrained_on=lambda t: np.where(t.method == "none", "none", "labelled")
        )
        for n in BUDGETS
    )


# Notebook 13.


LEARNING = {"dataset": "cifar10", "change": "as above"}


def longer(*metrics: str, **about: Any) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        levels = {"ae": 0.5 + np.zeros(N), "drl": 0.5 + effect(e, 0.05)}
        return join(
            rows(m, v, method=k, steps=12_000, **about) for m in metrics for k, v in levels.items()
        )

    return table


# Notebook 14.


def clothes_class(e: int) -> pd.DataFrame:
    of_dial = join(
        chosen(),
        at_best("knn_accuracy", 0.5 + effect(e, 0.3), 0.5),
        untrained("knn_accuracy", 0.5),
        paid_for_class(e),
    )
    return of_dial.assign(dataset="fashion-mnist")


def usual(table: Callable[[int], pd.DataFrame]) -> Callable[[int], pd.DataFrame]:
    return lambda e: table(e).assign(name="usual")


# Notebook 15.


def on_photographs(table: Callable[[int], pd.DataFrame]) -> Callable[[int], pd.DataFrame]:
    return lambda e: table(e).assign(dataset="cifar10")


SIMCLR_GAUSS = ("ae", "vae", "simclr-gauss")
# By how a claim's text starts.
TABLES: dict[str, Callable[[int], pd.DataFrame]] = {
    "J_DSM": prop1,
    "information on x0": floor,
    "each noise level": windows,
    "the code is used": used,
    "a code lowers the loss": no_code,
    "the largest code lowers it": of_sizes,
    "uniform t: z is about strokes": strokes,
    "uniform t: z is hardly about class": hardly_class,
    "high-noise VDRL": separates("vdrl"),
    "high-noise DRL": separates("drl"),
    "denoising from high noise": swap,
    "samples of one code": diversity,
    "noise dial: class": dial_class,
    "noise dial: fine detail": dial_ink,
    "noise dial: monotone": dial_monotone,
    "class separation by silhouette": dial_silhouette,
    "toy set": toy,
    "E(x0, t) runs through the dial: detail at small t, class at large t (edm": dial_along_t("edm"),
    "E(x0, t) runs through the dial: detail at small t, class at large t (the paper": (
        dial_along_t("std2")
    ),
    "a code of sigma_max alone": near,
    "MNIST: ": beats("mnist", SIMCLR_GAUSS),
    "Colored-MNIST: ": beats("colored-mnist", SIMCLR_GAUSS),
    "few labels: ": beats("mnist", ("ae", "vae"), "few_shot_100_accuracy"),
    "SimCLR with full": simclr("mnist"),
    "accuracy peaks": peak,
    "the code holds the background": background,
    "codes far apart": information,
    "a trajectory tells more": trajectory,
    "the benefit persists": another_sde,
    "pretraining by DRL raises LaplaceNet's accuracy (fewest": fewest_labels("drl"),
    "pretraining by VDRL raises LaplaceNet's accuracy (fewest": fewest_labels("vdrl"),
    "pretraining by DRL raises LaplaceNet's accuracy at every number of labels (no": (
        every_budget("drl", "off")
    ),
    "pretraining by DRL raises LaplaceNet's accuracy at every number of labels (with": (
        every_budget("drl", "on")
    ),
    "pretraining by VDRL raises LaplaceNet's accuracy at every": every_budget("vdrl", "off"),
    "the gain is largest": largest,
    "with little compute": little_compute,
    "autoencoder pretraining": no_gain,
    "mixup inside DRL": inconsistent,
    "DRL still helps": labelled_subset,
    "the dial with a U-Net: class": network_class,
    "the dial with a U-Net: low noise": network_ink,
    "CIFAR-10, DRL, uniform t": border_colour("drl", "uniform_t", UNCHANGED),
    "CIFAR-10, VDRL, high-noise": border_colour("vdrl", "uniform_sigma", UNCHANGED),
    "CIFAR-10: it is the background": border_or_whole("brightness", "warmth", **UNCHANGED),
    "CIFAR-10, noise dial: class": photograph_class(UNCHANGED),
    "CIFAR-10, noise dial: low noise": photograph_ends,
    "CIFAR-10, a U-Net, DRL, uniform t: a 2-d code holds the colour": border_colour(
        "drl", "uniform_t", UNET
    ),
    "CIFAR-10, a U-Net, DRL, uniform t: a 2-d code holds the hue": border_hue,
    "CIFAR-10, a U-Net: it is": border_or_whole("warmth", t_sampler="uniform_t", **UNET),
    "CIFAR-10, the dial with a U-Net: class": photograph_class(UNET),
    "CIFAR-10, the dial with a U-Net: from": photograph_sides,
    "CIFAR-10: diffusion codes": beats("cifar10", SIMCLR_GAUSS),
    "CIFAR-10, 100 labels: diffusion": beats("cifar10", ("ae", "vae"), "few_shot_100_accuracy"),
    "CIFAR-10, 1,000 labels": beats("cifar10", ("ae", "vae"), "few_shot_1000_accuracy"),
    "CIFAR-10, 10,000 labels": beats("cifar10", ("ae", "vae"), "few_shot_10000_accuracy"),
    "CIFAR-10: SimCLR": simclr("cifar10"),
    "CIFAR-10, code of 128, the longest training: DRL": longer(
        "mlp_accuracy", **LEARNING, latent_dim=128
    ),
    "CIFAR-10, code of 128, the longest training: the": longer(
        "linear_accuracy", "knn_accuracy", **LEARNING, latent_dim=128
    ),
    "CIFAR-10, code of 32: after": longer("mlp_accuracy", **LEARNING, latent_dim=32),
    "CIFAR-10: codes far apart": on_photographs(information),
    "CIFAR-10: a trajectory": on_photographs(trajectory),
    "CIFAR-10: the benefit": on_photographs(another_sde),
    "CIFAR-10, 100 labels: pretraining by DRL": on_photographs(fewest_labels("drl")),
    "CIFAR-10, 100 labels: pretraining by VDRL": on_photographs(fewest_labels("vdrl")),
    "CIFAR-10: pretraining": on_photographs(every_budget("drl", "off")),
    "Fashion-MNIST, noise dial": clothes_class,
    "Fashion-MNIST: diffusion codes": usual(beats("fashion-mnist", SIMCLR_GAUSS)),
    "MNIST, code of 128": longer("mlp_accuracy", dataset="mnist", name="longest"),
    "Fashion-MNIST, code of 128": longer("mlp_accuracy", dataset="fashion-mnist", name="longest"),
    **GENERATIVE,
}
# That two are near, or that something goes both ways, has no opposite.
WITHOUT_OPPOSITE = ("a code of sigma_max alone", "mixup inside DRL")


@cache
def table_of(start: str, e: int) -> pd.DataFrame:
    """Made once: not to be changed in place."""
    return TABLES[start](e)


def claim_of(start: str) -> Claim:
    """The one claim whose text starts so."""
    (claim,) = (c for c in CLAIMS if c.claim.startswith(start))
    return claim
