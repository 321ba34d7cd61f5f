"""What the page says in words: one plain sentence on each thing it shows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drlcore.paper.dial_page.level import Level


def intensity(channels: int) -> str:
    """What the mean intensity of an image is called, the factor ``ink``."""
    return "ink" if channels == 1 else "brightness"


def labels(level: Level) -> dict[str, str]:
    """The level's numbers that the chart has, and what it calls them."""
    return {
        "knn_accuracy": "class accuracy",
        "ink_r2": f"{_intensity(level)} R²",
        "worth": "worth of the code",
    }


def _intensity(level: Level) -> str:
    return intensity(level.clean.shape[1])


def sigma_text(sigma: float) -> str:
    """Three digits, as everywhere in the project."""
    return f"{sigma:.3g}"


def percent(share: float) -> str:
    """A share from 0 to 1 in whole per cent, negative ones as none."""
    return f"{max(0.0, share):.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def on_numbers(level: Level) -> str:
    """What the numbers of a level mean; of those that are absent nothing is said."""
    told, ink, parts = level.told, _intensity(level), []
    if "knn_accuracy" in told:
        share = percent(told["knn_accuracy"])
        parts.append(f"the nearest codes name the class of {share} of the test images")
    if "ink_r2" in told:
        parts.append(f"the code tells {percent(told['ink_r2'])} of the variance of {ink}")
    if "worth" in told:
        parts.append(f"the right code saves {percent(told['worth'])} of the denoising loss")
    if not parts:
        return ""
    text = "; ".join(parts) + "."
    kept = [
        f"one of the same {what} {percent(told[name])}"
        for name, what in (("kept_class", "class"), ("kept_ink", ink))
        if name in told
    ]
    if kept and "worth" in told:
        text += f" What the code of another image keeps of this saving: {', '.join(kept)}."
    return text[0].upper() + text[1:]


def on_nearest(level: Level, k: int, names: Sequence[str]) -> str:
    """What the nearest images have in common with image ``k``."""
    m = level.neighbours.shape[1]
    if m == 0:
        return "There are no other images."
    apart = percent(level.ink_apart[k])
    ink = f"their {_intensity(level)} differs from this image's by {apart} on average"
    if level.same_class is None or level.picture_labels is None:
        return ink[0].upper() + ink[1:] + "."
    name = names[int(level.picture_labels[k])]
    return f"{level.same_class[k]} of {m} are of class {name}; {ink}."


def on_samples(levels: Sequence[Level], i: int, source: int | None) -> str:
    """Whose samples are shown at level ``i``: those of level ``source``."""
    if source is None:
        return ""
    text = "Drawn from this image's code alone, each from other noise."
    if source != i:
        here, there = (sigma_text(levels[k].sigma) for k in (i, source))
        text += f" None were drawn at σ = {here}: these are of the nearest level, σ = {there}."
    return text


def nearest_with_samples(levels: Sequence[Level], i: int) -> int | None:
    """The level nearest to ``i`` in log sigma that has samples, of two the lower; None: no level.

    Example:
        >>> import numpy as np
        >>> image, code = np.zeros((1, 1, 8, 8), np.uint8), np.zeros((1, 2), np.float32)
        >>> def level(sigma, samples=None):
        ...     return Level(sigma, image, image, code, code, image[:, None], samples=samples)
        >>> nearest_with_samples([level(0.1, image[:, None]), level(0.2), level(0.3)], 2)
        0
    """
    drawn = [k for k, level in enumerate(levels) if level.samples is not None]
    log = np.log([level.sigma for level in levels])
    return min(drawn, key=lambda k: abs(log[k] - log[i]), default=None)
