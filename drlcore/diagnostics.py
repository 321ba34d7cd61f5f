"""Is the code used? What z is worth to the score network at each noise level."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from drlcore.datasets import load_dataset
from drlcore.loss import code_of, score_error
from drlcore.model import EncoderModel, with_score_network
from drlcore.run import RunParameters

USAGE_LEVELS = 12
USAGE_IMAGES = 1000


@torch.no_grad()
def code_usage(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
    """Loss with z, with another image's z, and with one constant z, at noise levels of the range.

    Columns ``sigma``, ``z`` (``own``, ``shuffled``, ``constant``) and ``loss``, the mean over
    validation images of ||D - x0||^2 / (d sigma^2), which is the unpenalised objective. All three
    see the same xt. A code that is not used gives three equal losses. The constant is the mean
    code. For where the gradient enters the encoder see the columns of the training history.

    Raises:
        ParameterError: the method has no score network.
    """
    diffusion = with_score_network(model)
    dataset = load_dataset(run.dataset)
    x0, y = dataset.validation.x[:USAGE_IMAGES], dataset.validation.y[:USAGE_IMAGES]
    device = next(model.parameters()).device
    x0, y = x0.to(device), y.to(device)
    generator = torch.Generator().manual_seed(run.seed)
    low, high = run.noise.window
    if run.noise.t_sampler == "single":
        low, high = run.noise.sigma_min, run.noise.sigma_max
    rows = []
    for sigma in np.geomspace(low, high, USAGE_LEVELS):
        t = model.sde.t(torch.full((len(x0),), float(sigma))).to(device)
        noise = torch.randn(x0.shape, generator=generator).to(device)
        xt = model.sde.perturb(x0, t, noise)
        z = code_of(diffusion, x0, y, t, run.method).mean
        other = z[torch.randperm(len(z), generator=generator).to(device)]
        for name, code in (("own", z), ("shuffled", other), ("constant", z.mean(0).expand_as(z))):
            loss = score_error(diffusion, x0, xt, t, code).mean()
            rows.append((float(f"{sigma:.4g}"), name, float(loss)))
    return pd.DataFrame(rows, columns=["sigma", "z", "loss"])
