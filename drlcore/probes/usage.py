"""Is the code used, and for what? What z is worth to the score network at each noise level.

That a detail can be read from z does not say that the score network uses it: an encoder passes on
much that nobody asked it for. A detail counts as held where it is readable (by a probe, above an
untrained encoder) and paid for: where the loss rises when z is replaced by the code of another
image, and rises less when that image is alike in this detail.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from drlcore.data.splits import Split
from drlcore.loss import Method, score_error
from drlcore.model import RepresentationModel

USAGE_LEVELS = 12
# Denoised images behind one code's losses, all levels together. At a single level the share that a
# detail keeps (see ``paid_for``) is then known to 0.02 wherever z is worth a few per cent.
USAGE_DENOISED = 24_000
WORTH = 0.01  # what z is worth at least for its parts to be told from chance
_BATCH, _NUMBERS = 1000, 2**23  # images denoised together; of several draws, numbers of them


@torch.no_grad()
def code_usage(
    model: RepresentationModel, part: Split, method: Method, seed: int, images: int | None = None
) -> pd.DataFrame:
    """Loss with z and with what is put in its place, by noise level (DRL Sec. 3).

    Columns ``sigma``, ``z`` and ``loss``, the mean over images of
    ||D - x0||^2 / (d sigma^2), which is the unpenalised objective. ``z`` is

    ``own``: the image's code, the mean if it is probabilistic;
    ``shuffled``: the code of another image;
    ``constant``: the mean code;
    ``interpolated``: halfway between own and shuffled;
    ``same_class``: the code of another image of its class, where there are labels;
    ``same_<factor>``: of the image nearest to it in this factor (``same_ink``: total ink), which
    for a factor of whole numbers is another one of equal value.

    All of them see the same xt. A code that is not used gives equal losses. A model of a single
    level is looked at there, the others at ``USAGE_LEVELS``, evenly spaced in log sigma, on as many
    images of each level as make ``USAGE_DENOISED`` in all (``images`` if that is less); where
    there are fewer they come again, with new noise and new other images. For
    where the gradient enters the encoder see the columns of the training history.

    Args:
        part: the images, with their labels and factors: validation, since settings are chosen by
            it.
        method: what the model was trained by; it says what stands in for z.
        seed: of the noise and of the other images.
        images: use at most so many of each level; None for ``USAGE_DENOISED`` in all.
    """
    device = next(model.parameters()).device
    low, high = model.sde.noise.window
    levels = np.geomspace(low, high, USAGE_LEVELS) if low < high else np.array([low])
    wanted = max(2, min(USAGE_DENOISED, images or USAGE_DENOISED) // len(levels))
    n = min(wanted, len(part.x))
    x0, y = part.x[:n].to(device), part.y[:n].to(device)
    alike = {"shuffled": np.zeros(n)}
    alike |= {"same_class": part.y[:n].numpy()} if part.labelled else {}
    alike |= {f"same_{name}": np.asarray(v)[:n] for name, v in part.factors.items()}
    # Several draws of few and small images go together; large ones would not fit into memory.
    at_once = max(1, min(_BATCH, _NUMBERS // x0[0].numel()) // n)
    noises = torch.Generator().manual_seed(seed)
    rng = np.random.default_rng(seed)
    rows = []
    for sigma in levels:
        t = model.sde.t(torch.full((n,), float(sigma))).to(device)
        z = method.code(model, x0, y, t).mean
        draws = []
        for first in range(0, wanted // n, at_once):
            xts, codes = [], []
            for _ in range(first, min(first + at_once, wanted // n)):
                noise = torch.randn(x0.shape, generator=noises).to(device)
                xts.append(model.sde.perturb(x0, t, noise))
                of_draw = {"own": z, "constant": z.mean(0).expand_as(z)}
                of_draw |= {name: z[another(of, rng).to(device)] for name, of in alike.items()}
                codes.append(of_draw | {"interpolated": (z + of_draw["shuffled"]) / 2})
            of_name = {name: [each[name] for each in codes] for name in codes[0]}
            losses = {name: _losses(model, x0, xts, t, of) for name, of in of_name.items()}
            draws.append(pd.DataFrame(losses))
        of_codes = pd.concat(draws).mean()
        rows += [(float(f"{sigma:.4g}"), name, loss) for name, loss in of_codes.items()]
    return pd.DataFrame(rows, columns=["sigma", "z", "loss"])


def paid_for(used: pd.DataFrame) -> pd.DataFrame:
    """What the loss pays z for: from a table of ``code_usage``, one row for each level.

    ``worth``: 1 - own / shuffled, the share of the loss that the right code saves against another
    image's; 0 where it is not used.
    ``kept_<detail>``, for each ``same_<detail>``: (shuffled - same) / (shuffled - own), the share
    of this saving that is left when only this detail of the code is right: 0 for a detail that z
    is not used for, 1 for the only one it is used for. Details that go together (ink and class)
    have their shares together, and a code that is wrong in all else costs the image something
    too, so shares need not sum to 1 and may be negative. nan where z is worth less than 0.01:
    there is nothing to share.
    """
    loss = used.pivot(index="sigma", columns="z", values="loss")
    saved = loss["shuffled"] - loss["own"]
    worth = saved / loss["shuffled"]
    paid = {"worth": worth}
    for name in loss.columns[loss.columns.str.startswith("same_")]:
        kept = (loss["shuffled"] - loss[name]) / saved
        paid["kept_" + name.removeprefix("same_")] = kept.where(worth >= WORTH)
    return pd.DataFrame(paid)


def _losses(
    model: RepresentationModel, x0: Tensor, xts: list[Tensor], t: Tensor, codes: list[Tensor]
) -> list[float]:
    """Of each draw of noise and codes, all of them at once."""
    again = ([x0] * len(xts), xts, [t] * len(xts), codes)
    batches = zip(*(torch.cat(each).split(_BATCH) for each in again), strict=True)
    errors = torch.cat([score_error(model, *batch) for batch in batches])
    return [float(of_draw.mean()) for of_draw in errors.split(len(x0))]


def another(values: np.ndarray, rng: np.random.Generator) -> Tensor:
    """For each of ``values``, (N,), the index of another one: an equal one by chance, or nearest.

    A value that is alone (N = 1) has itself.
    """
    order = np.lexsort((rng.random(len(values)), values))
    gaps = np.diff(values[order].astype(float), prepend=-np.inf, append=np.inf)
    step = np.where(gaps[1:] <= gaps[:-1], 1, -1)  # to the next or the one before
    chosen = np.empty(len(values), dtype=np.int64)
    chosen[order] = order[(np.arange(len(values)) + step) % len(values)]
    return torch.from_numpy(chosen)
