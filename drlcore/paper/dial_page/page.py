"""The page: one HTML document with its style, its script and all it shows inside."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex
from PIL import Image

from drlcore.errors import ParameterError
from drlcore.paper.dial_page import words
from drlcore.paper.dial_page.level import Level
from drlcore.paper.plots.style import CLASS_MAP, sigma_colour, tile

HERE = Path(__file__).parent
TITLE = "Turn the noise dial"
HEIGHT = 1180  # pixels, of a frame as wide as a notebook
FULL = 65534  # codes are whole numbers from 0 to this
OUTSIDE = 65535  # stands for a code that lies outside what is shown


def dial_page(
    levels: Sequence[Level],
    about: str,
    title: str = TITLE,
    class_names: Sequence[str] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> str:
    """One complete HTML document that needs no server, no network and no library.

    The same levels give the same bytes. All text is taken as text, never as HTML or script.

    Args:
        levels: positions of the dial; they are shown by rising sigma.
        about: one line on what the levels are of.
        class_names: one for each label from 0 on; None names them by their numbers.
        origin: what the page is made of, kept in its ``<meta name="drlcore">``.

    Raises:
        ParameterError: no levels, two of the same sigma, levels that are not of the same images,
            or a label without a name.

    Example:
        >>> import numpy as np
        >>> image, code = np.zeros((1, 1, 8, 8), np.uint8), np.zeros((1, 2), np.float32)
        >>> level = Level(0.5, image, image, code, code, image[:, None])
        >>> dial_page([level], "nothing to see").startswith("<!doctype html>")
        True
    """
    levels = sorted(levels, key=lambda level: level.sigma)
    _of_the_same(levels)
    parts = {
        "title": html.escape(title),
        "about": html.escape(about),
        "origin": html.escape(json.dumps(origin or {}, sort_keys=True)),
        "style": _file("dial.css"),
        "script": _file("dial.js"),
        "data": _in_script(_shown(levels, _names(levels, class_names))),
    }
    # In one pass: what is put in is not looked at again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _file("page.html"))


def embedded(page: str, height: int = HEIGHT) -> str:
    """A page as HTML for a notebook's output: a frame of its own, so that two do not clash.

    It holds the whole page, 0.4 MB for MNIST.

    Args:
        page: from ``dial_page``.
        height: of the frame, in pixels.
    """
    return in_frame(f'srcdoc="{html.escape(page)}"', height)


def in_frame(content: str, height: int) -> str:
    """A frame whose script runs and can reach nothing around it; ``content`` says of what."""
    return (
        f'<iframe {content} title="{TITLE}" sandbox="allow-scripts" loading="lazy" '
        f'style="width:100%;height:{height:d}px;border:0"></iframe>'
    )


def sprite(rows: np.ndarray) -> bytes:
    """Images (R, K, C, H, W), C from 1 to 4, as one PNG of R x K of them."""
    picture = np.moveaxis(tile(rows.reshape(-1, *rows.shape[2:]), rows.shape[1]), 0, -1)
    file = BytesIO()
    Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(
        file, "png", optimize=True
    )
    return file.getvalue()


def quantised(level: Level, outside: float = 0.005, margin: float = 0.05) -> np.ndarray:
    """The cloud and then the K own codes, uint16 (N + K, 2), from 0 to ``FULL`` in what is shown.

    That is what ``code_scatter`` shows, widened so that all K are in it. A code outside of it is
    ``OUTSIDE`` in both coordinates.
    """
    low, high = np.quantile(level.codes, [outside, 1 - outside], axis=0)
    pad = margin * (high - low) + 1e-6
    low = np.minimum(low - pad, level.own.min(axis=0))
    high = np.maximum(high + pad, level.own.max(axis=0))
    share = (np.concatenate([level.codes, level.own]) - low) / (high - low)
    inside = ((share >= 0) & (share <= 1)).all(axis=1, keepdims=True)
    share = np.where(inside, share, 0.0)
    return np.where(inside, np.round(share * FULL), OUTSIDE).astype("<u2")


def _of_the_same(levels: Sequence[Level]) -> None:
    if not levels:
        raise ParameterError("a dial needs a level, and there is none")
    if len({level.sigma for level in levels}) < len(levels):
        raise ParameterError("two levels have the same sigma")
    if any(not np.array_equal(level.clean, levels[0].clean) for level in levels):
        raise ParameterError("the levels are not of the same images: clean differs")
    if len({level.neighbours.shape for level in levels}) > 1:
        raise ParameterError("the levels have different numbers of neighbours")
    if not 1 <= levels[0].clean.shape[1] <= 4:
        raise ParameterError(f"images of {levels[0].clean.shape[1]} channels; allowed: 1 to 4")


def _names(levels: Sequence[Level], names: Sequence[str] | None) -> list[str]:
    """A name for every label that occurs, and none where there are no labels."""
    arrays = (
        a for v in levels for a in (v.labels, v.picture_labels, v.neighbour_labels) if a is not None
    )
    found = [int(label) for a in arrays for label in (a.min(initial=0), a.max(initial=0))]
    n = max(found, default=-1) + 1
    if min(found, default=0) < 0 or (names is not None and len(names) < n):
        raise ParameterError(f"labels run to {n - 1}, but there are {len(names or ())} names")
    return [str(name) for name in names or range(n)][:n]


def _shown(levels: Sequence[Level], names: list[str]) -> dict[str, Any]:
    first = levels[0]
    log = np.log([level.sigma for level in levels])
    places = (log - log[0]) / (log[-1] - log[0] or 1.0) if len(levels) > 1 else np.array([0.5])
    named = first.picture_labels is not None
    return {
        "size": list(first.clean.shape[-2:]),
        "clean": _base64(sprite(first.clean[None])),
        "pictures": [names[k] if named else "" for k in _labels(first)],
        "names": names,
        "colours": _class_colours(len(names)),
        "full": FULL,
        "labels": list(words.labels(first).items()),
        "levels": [
            {"place": round(float(place), 5), **_one(levels, i, names)}
            for i, place in enumerate(places)
        ],
    }


def _one(levels: Sequence[Level], i: int, names: list[str]) -> dict[str, Any]:
    """All that is shown at level ``i``; rows of its sprite: noisy, the nearest, the samples."""
    level = levels[i]
    rows = [level.noisy[:, None], level.neighbours]
    if level.samples is not None:
        rows.append(level.samples)
    source = words.nearest_with_samples(levels, i)
    told = level.told
    return {
        "sigma": words.sigma_text(level.sigma),
        "colour": to_hex(sigma_colour(level.sigma)),
        "sprite": _base64(sprite(np.concatenate(rows, axis=1).swapaxes(0, 1))),
        "near": level.neighbours.shape[1],
        "samples": 0 if level.samples is None else level.samples.shape[1],
        "source": source,
        "codes": _base64(quantised(level).tobytes()),
        "classes": None if level.labels is None else level.labels.tolist(),
        "numbers": {name: round(told[name], 4) for name in words.labels(level) if name in told},
        "onNumbers": words.on_numbers(level),
        "onSamples": words.on_samples(levels, i, source),
        "onNearest": [words.on_nearest(level, k, names) for k in range(len(level.clean))],
    }


def _labels(level: Level) -> list[int]:
    labels = level.picture_labels
    return [0] * len(level.clean) if labels is None else labels.tolist()


def _class_colours(n: int) -> list[str]:
    """Those of the project's figures; for more than ten classes a colour each all the same."""
    colours = (
        plt.get_cmap(CLASS_MAP)(np.arange(n)) if n <= 10 else plt.get_cmap("turbo", n)(range(n))
    )
    return [to_hex(colour) for colour in colours]


def _in_script(data: Mapping[str, Any]) -> str:
    """JSON that cannot end the element it stands in, whatever its texts say."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _base64(content: bytes) -> str:
    return b64encode(content).decode()


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
