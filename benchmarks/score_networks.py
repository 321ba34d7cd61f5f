"""What does a score network cost, and what does it buy in equal time?

    python benchmarks/score_networks.py                  # images a second, 1 and 2 threads
    python benchmarks/score_networks.py --seconds 60     # and the loss after 60 seconds of one core

Steps of method DRL with its encoder, taken by ``training.loop.train``: on noise of the shape named
for the speed, whose networks take turns so that a busy machine is alike for all; on MNIST for the
loss, ||D - x0||^2 / (d sigma^2) of 2,000 validation images, mean over 9 levels of the noise range
times min(1, sigma)^2, so that all levels count. Every network has as many steps as fit in the
seconds by its speed, the batch size and learning rate of its preset, and a cooldown.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from paper_size import generated
from training import seconds_of_steps

from drlcore.data.datasets import Dataset, load_dataset
from drlcore.loss import score_error
from drlcore.model import with_score_network
from drlcore.paper.presets import PRESETS
from drlcore.training.loop import train
from drlcore.training.run import RunParameters, build_model

CPU = torch.device("cpu")
SHAPES = ((1, 28, 28), (3, 32, 32), (3, 64, 64))
LEVELS = 9
# Batches and learning rates as in the presets: laptop's before and now, and the paper's.
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp-context 256": {"score_network": "mlp-context", "width": 256, "learning_rate": 1.5e-3},
    "unet 64": PRESETS["laptop"].drawn.training,
    "unet 128": {**PRESETS["laptop"].drawn.training, "width": 128},
    "mnist-paper": {"score_network": "mnist-paper", "learning_rate": 1e-3},
    "ncsnpp-small": {"score_network": "ncsnpp-small", "learning_rate": 1e-3},
}


def run_of(network: str, **changes: Any) -> RunParameters:
    """A run of method DRL with ``network``, a name of ``NETWORKS``."""
    same = {"method": "drl", "weighting": "edm", "cooldown": 0.5, "ema_decay": 0.9999}
    return RunParameters(**{**NETWORKS[network], **same, "dataset": "mnist", **changes})


def speeds(shape: tuple[int, ...], threads: int, rounds: int = 3, steps: int = 5) -> pd.DataFrame:
    """Images a second of every network, at batch 128 and at its own batch size."""
    data = generated("mnist", shape, 10)
    seconds: dict[tuple[str, int], list[float]] = {}
    for _ in range(rounds):
        for name in NETWORKS:
            for batch in {128, run_of(name).batch_size}:
                run = run_of(name, steps=steps, threads=threads, batch_size=batch)
                seconds.setdefault((name, batch), []).extend(seconds_of_steps(run, data, CPU))
    rows = [
        {
            "network": name, "shape": "x".join(map(str, shape)), "threads": threads,
            "batch": batch, "images_per_s": round(batch / median(taken)),
            "ms_per_step": round(1000 * median(taken), 1),
        }
        for (name, batch), taken in seconds.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def loss_after(network: str, seconds: float, data: Dataset) -> dict[str, Any]:
    """Validation loss after as many steps as fit in ``seconds`` of one core."""
    step = median(seconds_of_steps(run_of(network, steps=8), data, CPU))
    steps = max(1, round(seconds / step))
    run = run_of(network, steps=steps, warmup_steps=min(100, steps // 10))  # few steps, short
    model, begun = build_model(run, data), perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(run, model, data, Path(folder), progress=False)
    taken = perf_counter() - begun
    x0 = data.validation.x[:2000]
    losses = {}
    for sigma in run.noise.grid(LEVELS):
        t = model.sde.t(torch.full((len(x0),), sigma))
        noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(0))
        xt, z = model.sde.perturb(x0, t, noise), model.encode(x0, t).mean
        error = score_error(with_score_network(model), x0, xt, t, z)
        losses[f"{sigma:g}"] = round(float(error.mean()) * min(1.0, sigma) ** 2, 4)
    return {
        "network": network, "steps": run.steps, "images": run.steps * run.batch_size,
        "seconds": round(taken), "loss": round(float(np.mean([*losses.values()])), 4), **losses,
    }  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, help="train on MNIST for so long")
    asked = parser.parse_args()
    tables = [speeds(shape, threads) for shape in SHAPES for threads in asked.threads]
    print(pd.concat(tables).to_string(index=False))
    if asked.seconds:
        data = load_dataset("mnist")
        rows = [loss_after(network, asked.seconds, data) for network in NETWORKS]
        print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
