"""How do time and memory grow with the work? On one core, a process for each row.

    python benchmarks/work.py                      # every axis, some minutes
    python benchmarks/work.py --only image_size

One number at a time is changed: images there are, their size, images a step, numbers of a code, of
preset laptop's U-Net with its encoder on noise of 3 x 32 x 32. Then how long it takes to plan the
dial, all its runs and results with their keys, for so many levels and seeds.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from time import perf_counter
from typing import Any

import pandas as pd
import torch
from paper_size import generated
from training import memory_mb, seconds_of_steps

from drlcore.paper.experiments import NoiseDial
from drlcore.paper.presets import PRESETS
from drlcore.training.run import RunParameters

CPU = torch.device("cpu")
USUAL = {"images": 10_000, "image_size": 32, "batch_size": 32, "latent_dim": 16}
AXES = {
    "images": (1000, 10_000, 100_000),
    "image_size": (16, 32, 64, 128),
    "batch_size": (8, 32, 128),
    "latent_dim": (2, 16, 128, 512),
}
PLANS = ((9, 3), (9, 100), (200, 3), (200, 20))  # levels, seeds


def trained(axis: str, value: int, steps: int) -> dict[str, Any]:
    """Time of a step, and the most memory this process has held, after training a little."""
    of = {**USUAL, axis: value}
    size = of.pop("image_size")
    data = generated("noise", (3, size, size), 10, of.pop("images"))
    shared = PRESETS["laptop"].drawn.training
    run = RunParameters(**{**shared, "dataset": "cifar10", **of, "steps": steps, "threads": 1})
    step = median(seconds_of_steps(run, data, CPU))
    return {
        "changed": axis, "to": value, "ms_per_step": round(1000 * step, 1),
        "images_per_s": round(run.batch_size / step), "memory_mb": round(memory_mb(CPU)),
    }  # fmt: skip


def planned(levels: int, seeds: int) -> dict[str, Any]:
    """How many runs and results the dial has, and how long their keys take."""
    began = perf_counter()
    experiment = NoiseDial(n_levels=levels, n_seeds=seeds)
    names = {run.key for run in experiment.runs()}, {p.name for p in experiment.products()}
    seconds = perf_counter() - began
    return {
        "levels": levels, "seeds": seeds, "runs": len(names[0]), "results": len(names[1]),
        "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> None:
    """Measure, a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=AXES, help="one axis, and no plans")
    parser.add_argument("--steps", type=int, default=12)
    asked = parser.parse_args()
    axes = [(axis, value) for axis, values in AXES.items() for value in values]
    rows = [pair for pair in axes if asked.only in (None, pair[0])]
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        for number, (axis, value) in enumerate(rows):
            row = fresh.submit(trained, axis, value, asked.steps).result()
            print(pd.DataFrame([row]).to_string(index=False, header=number == 0), flush=True)
    if asked.only is None:
        print(pd.DataFrame([planned(*plan) for plan in PLANS]).to_string(index=False))


if __name__ == "__main__":
    main()
