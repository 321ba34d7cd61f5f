"""Sheets of images drawn from codes: the arrays behind the paper's sample figures."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from drlcore.baselines import METHODS
from drlcore.data.datasets import Dataset, load_dataset
from drlcore.data.scene import frame
from drlcore.model import EncoderModel, encode, with_score_network
from drlcore.sampling import (
    Samples,
    Start,
    euler_maruyama,
    in_chunks,
    predictor_corrector,
    probability_flow_ode,
)
from drlcore.training.run import RunParameters

Arrays = dict[str, np.ndarray]
GRID = 10
SWAP_DIGITS = 4
SWAP_SIGMAS = (0.5, 2.0, 10.0)
SAME_CODE_SAMPLES = 100
DIVERSITY_IMAGES, DIVERSITY_SAMPLES = 50, 20
CLOUD_IMAGES = 3000
SAMPLERS: dict[str, Callable[..., Samples]] = {
    "heun": probability_flow_ode,
    "euler-maruyama": euler_maruyama,
    "predictor-corrector": predictor_corrector,
}


def latent_grid(run: RunParameters, model: EncoderModel, steps: int) -> Arrays:
    """10 x 10 samples over the first two coordinates of z.

    DRL and VDRL, each at uniform t and at high noise: (DRL Fig. 2), (DRL Fig. 3), on MNIST also
    (DRL Fig. 5), (DRL Fig. 7), on CIFAR-10 (DRL Fig. 6), (DRL Fig. 8).

    The row is the second coordinate, descending; the column the first, ascending; each cell has
    its own prior draw. A VDRL grid spans [-2, 2], the bulk of its prior N(0, 1). An L1 code has no
    scale of its own (the paper's [-1, 1] belongs to its weights), so a DRL grid spans the central
    95 % of the validation codes. Further coordinates stay at the codes' median.

    Returns:
        images uint8 (100, C, H, W); z1, z2 float32 (10,); nfe.
    """
    codes = encode(model, load_dataset(run.dataset).validation.x, run.read_at)
    low, high = np.quantile(codes, [0.025, 0.975], axis=0)
    if METHODS[run.method].gaussian:
        low, high = np.full_like(low, -2.0), np.full_like(high, 2.0)
    z1, z2 = (np.linspace(low[i], high[i], GRID, dtype=np.float32) for i in (0, 1))
    z = np.tile(np.median(codes, axis=0), (GRID * GRID, 1)).astype(np.float32)
    z[:, 0], z[:, 1] = np.tile(z1, GRID), np.repeat(z2[::-1], GRID)
    images, nfe = draw(run, model, torch.from_numpy(z), steps)
    return {"images": images, "z1": z1, "z2": z2, "nfe": nfe}


def swapped_codes(run: RunParameters, model: EncoderModel, steps: int) -> Arrays:
    """Noisy images of one digit denoised with the code of another (DRL Fig. 9).

    For the first test images of the first four classes and each noise level in ``SWAP_SIGMAS``
    inside the range, or its middle if none is: the probability-flow ODE from xt of digit i under
    the code of digit j.

    Returns:
        clean (4, C, H, W), noisy (L, 4, C, H, W), images (L, 4, 4, C, H, W; i then j), all uint8;
        sigmas float32 (L,); nfe. Fewer than 4 where the test images have fewer classes.
    """
    dataset = load_dataset(run.dataset)
    x0 = dataset.test.x[one_of_each(dataset, SWAP_DIGITS)]
    codes = torch.from_numpy(encode(model, x0, run.read_at))
    generator = torch.Generator().manual_seed(run.seed)
    noise = torch.randn(x0.shape, generator=generator)
    low, high = run.noise.sigma_min, run.noise.sigma_max
    sigmas = [s for s in SWAP_SIGMAS if low <= s <= high] or [math.sqrt(low * high)]
    n = len(x0)
    noisy, images, nfe = [], [], np.array(0)
    for sigma in sigmas:
        t = model.sde.t(torch.tensor(sigma))
        xt = model.sde.perturb(x0, t.expand(len(x0)), noise)
        start = (xt.repeat_interleave(n, 0), float(t))
        sheet, nfe = draw(run, model, codes.repeat(n, 1), steps, start)
        noisy.append(to_uint8(xt / model.sde.mean_coefficient(t)))
        images.append(sheet.reshape(n, n, *dataset.shape))
    return {
        "clean": to_uint8(x0),
        "noisy": np.stack(noisy),
        "images": np.stack(images),
        "sigmas": np.array(sigmas, dtype=np.float32),
        "nfe": nfe,
    }


def same_code(run: RunParameters, model: EncoderModel, steps: int) -> Arrays:
    """Many samples of one code, and how much samples of a code differ (DRL Fig. 10).

    Returns:
        images uint8 (100, C, H, W), samples of the code of the first test image;
        source uint8 (C, H, W);
        diversity float32 (50,): for each of the first 50 test images, the standard deviation of a
        pixel over 20 samples of its code, root mean square over pixels, in data units;
        error float32 (50,): root mean square distance of those samples to the image; nfe.
    """
    x0 = load_dataset(run.dataset).test.x[:DIVERSITY_IMAGES]
    codes = torch.from_numpy(encode(model, x0, run.read_at))
    images, nfe = draw(run, model, codes[:1].expand(SAME_CODE_SAMPLES, -1), steps)
    draws, _ = draw(run, model, codes.repeat_interleave(DIVERSITY_SAMPLES, 0), steps)
    values = draws.reshape(len(x0), DIVERSITY_SAMPLES, -1).astype(np.float32) / 127.5 - 1
    difference = values - x0.flatten(1).numpy()[:, None]
    return {
        "images": images,
        "source": to_uint8(x0[:1])[0],
        "diversity": np.sqrt(values.var(axis=1).mean(axis=1)),
        "error": np.sqrt(np.square(difference).mean(axis=(1, 2))),
        "nfe": nfe,
    }


def reconstructions(run: RunParameters, model: EncoderModel, steps: int) -> Arrays:
    """Three samples from the code of one test image of each class; without labels of the first 10.

    Returns:
        clean uint8 (K, C, H, W) and images uint8 (K, 3, C, H, W); nfe.
    """
    dataset = load_dataset(run.dataset)
    x0 = dataset.test.x[one_of_each(dataset, dataset.n_classes or GRID)]
    codes = torch.from_numpy(encode(model, x0, run.read_at))
    images, nfe = draw(run, model, codes.repeat_interleave(3, 0), steps)
    return {
        "clean": to_uint8(x0),
        "images": images.reshape(len(x0), 3, *dataset.shape),
        "nfe": nfe,
    }


def samples_of_codes(
    run: RunParameters,
    model: EncoderModel,
    steps: int,
    images: int,
    sampler: str = "heun",
    start: Start | None = None,
) -> tuple[Tensor, Tensor, int]:
    """One sample from the code of each of the first validation images, those images, and the NFE.

    Both (N, C, H, W) in [-1, 1], samples in steps of 1/127.5 as images are; N is ``images`` or all.
    A Gaussian code is drawn, z ~ E(z | x0); a model without a code samples without one.

    Args:
        sampler: a name of ``SAMPLERS``.
        start: where the walk begins, N points and their time; the prior if none is given.
    """
    part = load_dataset(run.dataset).validation.first(images)
    device = next(model.parameters()).device
    level = run.read_at or run.noise.sigma_max
    t = model.sde.t(torch.full((len(part.x),), level)).to(device)
    with torch.no_grad():
        code = METHODS[run.method].code(model, part.x.to(device), part.y.to(device), t)
    z = code.sample(torch.Generator().manual_seed(run.seed))
    drawn, nfe = draw(run, model, z, steps, start, sampler)
    return from_uint8(drawn), part.x, int(nfe)


def codes_of_test(run: RunParameters, model: EncoderModel) -> Arrays:
    """Codes of all test images: float32 (N, latent_dim)."""
    return {"codes": encode(model, load_dataset(run.dataset).test.x, run.read_at)}


def code_cloud(run: RunParameters, model: EncoderModel) -> Arrays:
    """Codes of the first 3,000 test images, and what a plot of them is coloured by.

    Returns:
        codes float32 (N, latent_dim); labels uint8 (N,); border uint8 (N, 3), the mean colour of
        the frame around each image (see ``scene.frame``); grey where the image is.
    """
    test = load_dataset(run.dataset).test.first(CLOUD_IMAGES)
    border = test.x[:, :, frame(*test.x.shape[2:])].mean(2, keepdim=True)
    return {
        "codes": encode(model, test.x, run.read_at),
        "labels": test.y.numpy().astype(np.uint8),
        "border": to_uint8(border.expand(-1, 3, -1))[:, :, 0],
    }


def draw(
    run: RunParameters,
    model: EncoderModel,
    z: Tensor,
    steps: int,
    start: Start | None = None,
    sampler: str = "heun",
) -> tuple[np.ndarray, np.ndarray]:
    """Samples of the codes ``z``, uint8, and the NFE."""
    diffusion = with_score_network(model)
    device = next(model.parameters()).device
    shape = (len(z), *load_dataset(run.dataset).shape)
    generator = torch.Generator().manual_seed(run.seed)
    if start is not None:
        start = (start[0].to(device), start[1])
    walk = SAMPLERS[sampler]
    function = in_chunks(diffusion.denoise if sampler == "heun" else diffusion.score)
    samples = walk(model.sde, function, z.to(device), shape, steps, generator, start)
    return to_uint8(samples.x), np.array(samples.nfe)


def to_uint8(x: Tensor) -> np.ndarray:
    """Images in [-1, 1], clipped to it, as bytes."""
    return ((x.cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).numpy()


def from_uint8(images: np.ndarray) -> Tensor:
    """The images that ``to_uint8`` made bytes of, in [-1, 1]."""
    return torch.from_numpy(images).float() / 127.5 - 1


def one_of_each(dataset: Dataset, n: int) -> np.ndarray:
    """Index of the first test image of each of the first ``n`` classes that the test images have.

    Without labels the first ``n`` test images.
    """
    if not dataset.labelled:
        return np.arange(min(n, len(dataset.test.x)))
    return np.unique(dataset.test.y.numpy(), return_index=True)[1][:n]
