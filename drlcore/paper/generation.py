"""An adversary's course; images of codes that no image gave: products of notebooks 18 and 19."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from drlcore.data.datasets import load_dataset
from drlcore.model import EncoderModel, encode, with_score_network
from drlcore.paper.products import Product
from drlcore.paper.samples import judged, reading, reference
from drlcore.paper.sheets import Arrays, draw, from_uint8, to_uint8
from drlcore.probes.sample_quality import sample_quality
from drlcore.sampling import in_chunks, invert
from drlcore.training.run import RunParameters
from drlcore.training.store import history, load_or_train

FITTED_CODES = 10_000
COMPONENTS = (1, 3, 10, 30, 100)  # of the mixture fitted to codes, chosen on validation
PATHS, PATH = 2, 7  # pairs that are shown, images from one to the other
TURNS, TURNED = (9, 18, 36, 72), 100  # noise levels of a walk up and back, of so many images
APART = 1_000_003  # added to the seed, so that codes and fresh noise are not the walk's


def quality_by_prior(
    run: RunParameters, by: RunParameters, steps: int, images: int
) -> Product[pd.DataFrame]:
    """Samples of codes that no image gave, as the classifier ``by`` reads them.

    Codes from ``normal``, N(0, I), the prior of VDRL's KL; ``mixture``, Gaussians fitted to codes
    of training images, as many as tell validation codes best; ``independent``, each number of a
    training code taken from another image. Columns ``prior``, ``metric``, ``value``; with
    ``components``, how many Gaussians.
    """

    def compute(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
        classifier, shown, real = reference(run, by, images)
        rows = []
        for name, z, components in _codes_of_no_image(run, model, len(shown.codes)):
            samples = from_uint8(draw(run, model, z, steps)[0])
            found = sample_quality(reading(classifier, samples, by), shown, real)
            found |= {"agreement": np.nan, "components": components}
            rows += [(name, metric, value) for metric, value in found.items()]
        return pd.DataFrame(rows, columns=["prior", "metric", "value"]).dropna()

    settings: dict[str, Any] = {"images": images, "steps": steps, "apart": APART}
    settings |= {"fitted": FITTED_CODES, "components": COMPONENTS}
    return judged(run, "quality_by_prior", compute, by, **settings)


def _codes_of_no_image(
    run: RunParameters, model: EncoderModel, n: int
) -> Iterator[tuple[str, Tensor, int]]:
    """Prior, ``n`` codes and number of Gaussians, of each in turn."""
    from sklearn.mixture import GaussianMixture  # see drlcore.probes

    dataset = load_dataset(run.dataset)
    generator = torch.Generator().manual_seed(run.seed + APART)
    train = encode(model, dataset.train.x[:FITTED_CODES], run.read_at, generator)
    held_out = encode(model, dataset.validation.x, run.read_at, generator)
    yield "normal", torch.randn(n, run.latent_dim, generator=generator), 1
    fits = [
        GaussianMixture(k, random_state=run.seed, reg_covar=1e-5).fit(train.astype(np.float64))
        for k in COMPONENTS
        if k * 10 <= len(train)
    ]
    best = max(fits, key=lambda fit: fit.score(held_out))
    yield "mixture", torch.from_numpy(best.sample(n)[0]).float(), best.n_components
    columns = [torch.randint(len(train), (n,), generator=generator) for _ in range(run.latent_dim)]
    apart = np.stack([train[rows.numpy(), k] for k, rows in enumerate(columns)], axis=1)
    yield "independent", torch.from_numpy(apart), 0


def alpha_by_step(run: RunParameters) -> Product[pd.DataFrame]:
    """An adversary's alpha in the course of training (DRL Fig. 14): columns step, alpha."""

    def compute(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
        return history(run)[["step", "alpha"]]

    return Product(run, "alpha", ".csv", compute, {})


def exchanged(
    run: RunParameters, by: RunParameters, steps: int, pairs: int
) -> Product[pd.DataFrame]:
    """Code of one test image, noise of another: what each brings along, read by ``by``.

    The noise is what the probability-flow ODE makes of an image with its own code. Columns
    ``metric``, ``value`` and ``steps``: ``class_of_code`` and ``class_of_noise``, the share taken
    for the class of the image that gave the one or the other, of pairs of different classes;
    ``distance_to_code`` and ``distance_to_noise``, root mean square in data units;
    ``distance_of_pair``, between the two images. By number of noise levels ``returned``, the
    distance of an image to what its own code and noise lead back to, and ``fresh_noise``, to what
    its code and other noise do.
    """

    def compute(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
        x = load_dataset(run.dataset).test.x
        n = min(pairs, len(x) // 2)
        first, second = x[:n], x[n : 2 * n]
        classifier = load_or_train(by, progress=False)
        z = _code_and_noise(run, model, first, steps)[0]
        mixed = _from(run, model, z, _code_and_noise(run, model, second, steps)[1], steps)
        found = {
            "distance_to_code": _distance(mixed, first),
            "distance_to_noise": _distance(mixed, second),
            "distance_of_pair": _distance(first, second),
        }
        of_code, of_noise, taken = (
            reading(classifier, x, by).classes for x in (first, second, mixed)
        )
        if taken is not None:
            other = of_code != of_noise
            found["class_of_code"] = float(np.mean((taken == of_code)[other]))
            found["class_of_noise"] = float(np.mean((taken == of_noise)[other]))
        rows = [(metric, steps, value) for metric, value in found.items()]
        first = first[:TURNED]
        fresh = model.sde.prior(tuple(first.shape), torch.Generator().manual_seed(run.seed + APART))
        for turns in TURNS:
            z, own = _code_and_noise(run, model, first, turns)
            for metric, noise in {"returned": own, "fresh_noise": fresh}.items():
                back = _from(run, model, z, noise, turns)
                rows.append((metric, turns, _distance(back, first)))
        return pd.DataFrame(rows, columns=["metric", "steps", "value"])

    settings: dict[str, Any] = {"pairs": pairs, "steps": steps, "apart": APART}
    settings |= {"turns": TURNS, "turned": TURNED}
    return judged(run, "exchanged", compute, by, **settings)


def paths(run: RunParameters, steps: int) -> Product[Arrays]:
    """From one test image to another: by code, by noise, and by both.

    The noise moves on a great circle, the code on a line; what does not move stays the first
    image's.

    Returns:
        ends uint8 (pairs, 2, C, H, W); code, noise, both uint8 (pairs, 7, C, H, W).
    """

    def compute(run: RunParameters, model: EncoderModel) -> Arrays:
        x = load_dataset(run.dataset).test.x[: 2 * PATHS]
        z, noise = _code_and_noise(run, model, x, steps)
        way = torch.linspace(0, 1, PATH)
        lines: dict[str, list[np.ndarray]] = {name: [] for name in ("code", "noise", "both")}
        for a, b in ((2 * i, 2 * i + 1) for i in range(PATHS)):
            codes = torch.lerp(z[a], z[b], way[:, None])
            noises = torch.stack([great_circle(noise[a], noise[b], float(w)) for w in way])
            still = z[a].expand_as(codes), noise[a].expand_as(noises)
            for name, parts in {
                "code": (codes, still[1]),
                "noise": (still[0], noises),
                "both": (codes, noises),
            }.items():
                lines[name].append(to_uint8(_from(run, model, *parts, steps)))
        ends = to_uint8(x).reshape(PATHS, 2, *x.shape[1:])
        return {"ends": ends, **{name: np.stack(sheet) for name, sheet in lines.items()}}

    settings = {"pairs": PATHS, "images": PATH, "steps": steps}
    return Product(run, "paths", ".safetensors", compute, settings)


def great_circle(a: Tensor, b: Tensor, share: float) -> Tensor:
    """The point a ``share`` of the way from ``a`` to ``b``, its length between theirs.

    Noise lies near a sphere; a straight line would lead through its inside, where no noise is.
    """
    cosine = float((a * b).sum() / (a.norm() * b.norm()))
    angle = torch.arccos(torch.tensor(cosine).clamp(-1, 1))
    if angle < 1e-3:
        return torch.lerp(a, b, share)
    return (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)


def _code_and_noise(
    run: RunParameters, model: EncoderModel, x0: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    z = torch.from_numpy(encode(model, x0, run.read_at))
    device = next(model.parameters()).device
    denoiser = in_chunks(with_score_network(model).denoise)
    return z, invert(model.sde, denoiser, z.to(device), x0.to(device), steps).x


def _from(run: RunParameters, model: EncoderModel, z: Tensor, noise: Tensor, steps: int) -> Tensor:
    return from_uint8(draw(run, model, z, steps, (noise, model.sde.t_max))[0])


def _distance(a: Tensor, b: Tensor) -> float:
    """Root mean square over pixels, mean over images, data units."""
    return float((a - b).flatten(1).square().mean(1).sqrt().mean())
