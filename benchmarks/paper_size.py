"""Does the paper preset start? A few real optimiser steps at full size, timed.

    python benchmarks/paper_size.py            # 5 steps of every row, on the GPU if there is one
    python benchmarks/paper_size.py --steps 3 --batch-size 10 --only 84

Every method of notebook 06 whose cost differs, with the paper preset's parameters, trained by
``training.loop.train`` on generated images of CIFAR-10's and mini-ImageNet's shapes: uniform
noise, so losses mean nothing and times and memory are those of real images. Then one run at full
size is killed and continued, and its weights compared with those of a run that was not.

Each row has a process of its own, because a process's peak memory never falls.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch

from drlcore.data.datasets import Dataset, from_arrays
from drlcore.model import EncoderModel
from drlcore.paper.experiments import Downstream
from drlcore.paper.experiments.comparison import Compared
from drlcore.training.checkpoint import load_tensors, save_tensors
from drlcore.training.device import pick_device
from drlcore.training.loop import train
from drlcore.training.run import RunParameters, build_model

SHAPES = {"cifar10": (3, 32, 32), "mini-imagenet": (3, 84, 84)}
CLASSES = {"cifar10": 10, "mini-imagenet": 100}
ROWS = (
    ("cifar10", Compared("drl", True)),
    ("cifar10", Compared("vdrl", True)),
    ("cifar10", Compared("ae", False)),
    ("cifar10", Compared("vae", False)),
    ("cifar10", Compared("simclr", False)),
    ("cifar10", Compared("simclr-gauss", False)),
    ("cifar10", Compared("supervised", False)),
    ("mini-imagenet", Compared("drl", True)),
)


def generated(name: str, shape: tuple[int, ...], classes: int, images: int = 500) -> Dataset:
    """Uniform noise of the shape of a data set, every class in every part.

    Args:
        images: for training and validation; at least ten of each class are made.
    """
    generator = np.random.default_rng(0)
    images, n_test = max(images, 10 * classes), classes
    x = generator.integers(0, 256, (images + n_test, *shape), dtype=np.uint8)
    y = np.arange(len(x)) % classes
    return from_arrays(name, x[n_test:], y[n_test:], x[:n_test], y[:n_test])


def paper_run(name: str, compared: Compared, **changes: Any) -> RunParameters:
    """What the paper preset trains on the data set ``name``, whether it is here or not."""
    experiment = Downstream(preset="paper", dataset="mnist")  # mnist is always there
    return experiment.run(compared, name, seed=0).updated(**changes)


def measure(run: RunParameters, data: Dataset, device: str = "auto") -> dict[str, Any]:
    """Train ``run`` on ``data``: sizes, median time of the steps after the first, peak memory.

    Memory is the GPU's, or the whole process's on the CPU.
    """
    model = build_model(run, data).to(pick_device(device))
    encoder = sum(p.numel() for n, p in model.named_parameters() if n.startswith("encoder."))
    total = sum(p.numel() for p in model.parameters())
    cuda = next(model.parameters()).is_cuda
    ends = [perf_counter()]

    def clock(step: int) -> None:
        if cuda:
            torch.cuda.synchronize()
        ends.append(perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        history = train(run, model, data, Path(folder), progress=False, on_step=clock)
    seconds = np.diff(ends)
    step = median(seconds[1:] if len(seconds) > 1 else seconds)
    return {
        "method": run.method + (", E(x0, t)" if run.time_conditioned else ""),
        "shape": "x".join(map(str, data.shape)),
        "batch": run.batch_size,
        "encoder": encoder,
        "rest": total - encoder,
        "images_per_s": round(run.batch_size / step, 1),
        "ms_per_step": round(1000 * step),
        "first_ms": round(1000 * seconds[0]),
        "peak_GB": round(peak_gigabytes(cuda), 2),
        "loss": float(history.loss.iloc[-1]),
        "device": device_name(next(model.parameters()).device),
    }


def peak_gigabytes(cuda: bool) -> float:
    """The most memory this process has ever had, on the GPU if ``cuda``."""
    if cuda:
        return torch.cuda.max_memory_allocated() / 1e9
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return memory * (1 if sys.platform == "darwin" else 1024) / 1e9  # kilobytes, but bytes on a Mac


def device_name(device: torch.device) -> str:
    """The GPU's model, or the kind of device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def killed_and_continued(run: RunParameters, data: Dataset, device: str = "auto") -> float:
    """Largest difference between the weights of a run killed at its last step and of a whole one.

    The killed process gets a SIGKILL after it has saved every step but the last; another goes on
    from there. 0 where sums have a fixed order, as on the CPU.
    """
    with tempfile.TemporaryDirectory() as name:
        whole, cut = Path(name, "whole"), Path(name, "cut")
        for folder in (whole, cut):
            folder.mkdir()
        alone(_save_weights, run, data, device, whole)
        killed(cut / "resume.safetensors", _save_weights, run, data, device, cut, True)
        alone(_save_weights, run, data, device, cut)
        first, second = (load_tensors(f / "weights.safetensors") for f in (whole, cut))
    return max(float((first[n].double() - second[n].double()).abs().max()) for n in first)


def _save_weights(
    run: RunParameters, data: Dataset, device: str, folder: Path, kill: bool = False
) -> None:
    def die(step: int) -> None:
        if kill and step == run.steps:
            os.kill(os.getpid(), signal.SIGKILL)

    model: EncoderModel = build_model(run, data).to(pick_device(device))
    train(run, model, data, folder, progress=False, checkpoint_seconds=0.0, on_step=die)
    save_tensors(folder / "weights.safetensors", model.state_dict())


def alone(task: Callable[..., Any], *arguments: Any) -> Any:
    """``task`` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(task, *arguments).result()


def killed(resume: Path, task: Callable[..., Any], *arguments: Any) -> None:
    """``task``, which kills its process and leaves ``resume``.

    Raises:
        RuntimeError: it does not.
    """
    victim = multiprocessing.get_context("spawn").Process(target=task, args=arguments)
    victim.start()
    victim.join()
    if victim.exitcode != -signal.SIGKILL or not resume.is_file():
        raise RuntimeError(f"exit code {victim.exitcode}: it was not killed half-way")


def main() -> None:
    """Print the table, then the result of the kill."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch-size", type=int, help="the preset's if not given")
    parser.add_argument("--device", default="auto", help="cuda, mps or cpu")
    parser.add_argument("--only", default="", help="rows whose shape or method holds this")
    asked = parser.parse_args()
    changes: dict[str, Any] = {"steps": asked.steps}
    if asked.batch_size:
        changes["batch_size"] = asked.batch_size
    rows = []
    for name, compared in ROWS:
        if asked.only not in f"{compared.method} {SHAPES[name]}":
            continue
        run = paper_run(name, compared, **changes)
        data = generated(name, SHAPES[name], CLASSES[name])
        rows.append(alone(measure, run, data, asked.device))
        print(f"measured {rows[-1]['method']} at {rows[-1]['shape']}", flush=True)
    print(f"\n{pd.DataFrame(rows).to_string(index=False)}\n")
    run = paper_run("cifar10", Compared("drl", True), **changes)
    data = generated("cifar10", SHAPES["cifar10"], CLASSES["cifar10"])
    apart = killed_and_continued(run, data, asked.device)
    same = "the same bits" if apart == 0 else f"weights differ by up to {apart:.2g}"
    print(f"killed and continued (drl, 3x32x32, batch {run.batch_size}): {same}")


if __name__ == "__main__":
    main()
