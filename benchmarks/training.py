"""How fast does training go on this machine, how much of it is used, and how long is a preset?

    python benchmarks/training.py                    # every pair of networks, on what is here
    python benchmarks/training.py --only conv+unet   # one of them
    python benchmarks/training.py --steps 20 --settings float32 bf16 compiled

For each pair of encoder and score network that a preset trains DRL with: images a second of
``training.loop.train`` at the preset's batch size, on noise of the shape named; memory; the
arithmetic of a step (torch's own count) a second, as a share of what one large matrix product
reaches here in the same precision; and the hours that the preset's trainings with that pair take
at that speed, one after another. On a GPU that has room for larger batches say ``--batch-size``.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pandas as pd
import torch
from paper_size import generated
from torch.utils.flop_counter import FlopCounterMode

from drlcore.baselines import METHODS
from drlcore.data.datasets import DATASETS, Dataset
from drlcore.loss import Batch
from drlcore.paper.experiments import EXPERIMENTS
from drlcore.paper.presets import PRESETS
from drlcore.training.device import pick_device
from drlcore.training.loop import train
from drlcore.training.run import RunParameters, build_model

SETTINGS: dict[str, dict[str, Any]] = {
    "float32": {}, "bf16": {"precision": "bf16"}, "compiled": {"compiled": True},
    "bf16, compiled": {"precision": "bf16", "compiled": True},
}  # fmt: skip
SHAPES = {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}


def pairs() -> Iterator[tuple[str, str, RunParameters]]:
    """Preset, name and run of each pair; what a preset shares with another one once."""
    seen = set()
    for preset in ("laptop", "paper"):
        numbers = PRESETS[preset]
        for part, dataset in ((numbers, "mnist"), (numbers.drawn, "mnist"),
                              (numbers.comparison, "cifar10")):  # fmt: skip
            run = RunParameters(dataset=dataset, method="drl", **part.training)
            name = f"{run.encoder}+{run.score_network}"
            if (name, dataset) not in seen:
                seen.add((name, dataset))
                yield preset, name, run


def seconds_of_steps(run: RunParameters, data: Dataset, device: torch.device) -> list[float]:
    """Of each step after the first few, which warm up; a GPU is waited for at every one."""
    ends: list[float] = []

    def after(_: int) -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()
        ends.append(perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        model = build_model(run, data).to(device)
        train(run, model, data, Path(folder), progress=False, on_step=after)
    taken = [after - before for before, after in zip(ends, ends[1:], strict=False)]
    return taken[len(taken) // 4 :]


def flops_of_a_step(run: RunParameters, data: Dataset) -> int:
    """Multiplications and additions of matrix products and convolutions, there and back."""
    model, generator = build_model(run, data), torch.Generator().manual_seed(0)
    x0, y = data.train.x[: run.batch_size], data.train.y[: run.batch_size]
    t = model.sde.draw_t(len(x0), generator)
    with FlopCounterMode(display=False) as counter:
        METHODS[run.method].loss(model, Batch(x0, y, t, generator)).total.backward()
    return int(counter.get_total_flops() * run.batch_size / len(x0))


def peak_flops(device: torch.device, precision: str) -> float:
    """A second, of one large matrix product."""
    n = 8192 if device.type == "cuda" else 2048
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(n, n, device=device, dtype=kind) for _ in range(2))
    times = []
    for _ in range(6):
        began = perf_counter()
        product = a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(perf_counter() - began)
    assert product.shape == (n, n)
    return 2 * n**3 / min(times[1:])


def memory_mb(device: torch.device) -> float:
    """Most that was held: of the GPU, or of the process so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def steps_of_preset(preset: str, like: RunParameters) -> int:
    """Steps of all its trainings with these networks on data of this kind of image."""
    runs: dict[str, RunParameters] = {}
    for experiment in (cls(preset=preset) for cls in EXPERIMENTS.values()):
        runs |= {str(run): run for run in experiment.runs()}
    grey = {"mnist", "digits", "fashion-mnist"}
    return sum(
        run.steps_taken
        for run in runs.values()
        if (run.encoder, run.score_network) == (like.encoder, like.score_network)
        and METHODS[run.method].denoises
        and run.dataset in DATASETS
        and (run.dataset in grey) == (like.dataset in grey)
    )


def main() -> None:
    """Measure, a row at a time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", help="names of pairs hold this")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--batch-size", type=int, help="in place of the preset's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=["float32"])
    asked = parser.parse_args()
    device, rows = pick_device(), []
    for preset, name, run in pairs():
        if asked.only and asked.only not in name:
            continue
        data = generated(run.dataset, SHAPES[run.dataset], 10)
        batch = asked.batch_size or run.batch_size
        run = run.updated(steps=asked.steps, batch_size=batch, threads=asked.threads)
        flops, left = flops_of_a_step(run, data), steps_of_preset(preset, run)
        for setting in asked.settings:
            changes = SETTINGS[setting]
            step = median(seconds_of_steps(run.updated(**changes), data, device))
            peak = peak_flops(device, changes.get("precision", "float32"))
            rows.append(
                {
                    "networks": name, "images": "x".join(map(str, SHAPES[run.dataset])),
                    "batch": batch, "setting": setting, "images_per_s": round(batch / step),
                    "gflop_per_step": round(flops / 1e9, 1),
                    "share_of_peak": round(flops / step / peak, 2),
                    "memory_mb": round(memory_mb(device)), "preset": preset,
                    "hours_of_preset": round(left * step / 3600, 1),
                }
            )  # fmt: skip
            print(pd.DataFrame(rows[-1:]).to_string(index=False, header=len(rows) == 1), flush=True)


if __name__ == "__main__":
    main()
