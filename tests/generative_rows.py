"""Made-up result tables of notebooks 17 to 19, see ``claim_rows``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from made_up import Values, effect, join, monte_carlo, rows


def of_start(value: Values, stand_in: str, start: float) -> pd.DataFrame:
    about = {"dataset": "cifar10", "method": "dsm", "stand_in": stand_in, "start": start}
    return rows("sample_frechet", value, split="validation", **about)


def foretold(e: int) -> pd.DataFrame:
    return join(
        monte_carlo(metric, value, 50.0).assign(stand_in="black", start=start)
        for start in (0.5, 0.8)
        for metric, value in {"error_measured": 1.0, "error_foretold": effect(e, 0.95)}.items()
    )


def free(stand_in: str, start: float) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        whole = of_start(1.0, stand_in, 1.0)
        return join(of_start(1.1 - effect(e, 0.2), stand_in, start), whole)

    return table


def better(stand_in: str) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        found = {stand_in: 1.0 - effect(e, 0.2), "black": 1.0}
        return join(of_start(v, s, t) for s, v in found.items() for t in (0.5, 0.6, 0.7))

    return table


def slope(e: int) -> pd.DataFrame:
    return rows("alpha", -effect(e, 0.95), method="dsm", p_kl=0.0, split="train")


def no_gain(metric: str, less: float, **about: Any) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        found = {p_kl: less + effect(e, 0.2) for p_kl in (0.0, 0.05, 0.5, 0.95)} | {1.0: 1.0}
        of = {"method": "dsm", "split": "validation", **about}
        return join(rows(metric, value, p_kl=p_kl, **of) for p_kl, value in found.items())

    return table


def misled(weighting: str) -> Callable[[int], pd.DataFrame]:
    sign = {"std2": -1, "edm": 1}[weighting]

    def table(e: int) -> pd.DataFrame:
        found = {"alpha_of_loss": effect(sign * e, 0.8), "alpha_of_loss_less_constant": 0.0}
        about = {"weighting": weighting, "dataset": ["toy", "twelve-modes"]}
        return join(
            monte_carlo(metric, value, 50.0).assign(**{**about, "dataset": name})
            for metric, value in found.items()
            for name in about["dataset"]
        )

    return table


def from_prior(prior: str) -> Callable[[int], pd.DataFrame]:
    def table(e: int) -> pd.DataFrame:
        found = {(prior, 16): 1.0 - effect(e, 0.2), ("none", 0): 1.0}
        return join(
            rows("sample_frechet", value, prior=name, latent_dim=size, split="validation")
            for (name, size), value in found.items()
        )

    return table


def whose(e: int) -> pd.DataFrame:
    shares = {5.0: (0.5 + effect(e, 0.3), 0.5), 0.2: (0.5, 0.5 + effect(e, 0.3))}
    return join(
        rows(metric, value, t_sampler="single", sigma_min=sigma, sigma_max=sigma)
        for sigma, values in shares.items()
        for metric, value in zip(("class_of_code", "class_of_noise"), values, strict=True)
    )


GENERATIVE: dict[str, Callable[[int], pd.DataFrame]] = {
    "the exact walk back": foretold,
    "the first steps are free": free("black", 0.9),
    "with a uniform + Gaussian": free("uniform", 0.8),
    "begun earlier": better("uniform"),
    "much of that is the mean": better("grey"),
    "the adversary's alpha": slope,
    "training against an": no_gain("loss_own", 0.98, at_sigma=1.0),
    "samples are not the better": no_gain("sample_frechet", 0.9),
    "the score of samples": no_gain("sample_classifier_score", 1.0),
    "the adversary is misled": misled("std2"),
    "where all levels weigh alike the constant": misled("edm"),
    "codes from VDRL's own": from_prior("normal"),
    "codes from a fitted mixture": from_prior("mixture"),
    "a code learned at high noise brings": whose,
}
