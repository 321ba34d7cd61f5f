"""Does LaplaceNet start at the paper's size? A few real steps of both phases, timed.

    python benchmarks/semi_supervised_size.py                # 3 steps an epoch, on a GPU if there
    python benchmarks/semi_supervised_size.py --steps 2 --only 32 --device cpu
    python benchmarks/semi_supervised_size.py --steps 998    # the graph of 50,000 images

The paper preset's fine-tuning of a fresh Wide-ResNet 28-2 on generated images of CIFAR-10's and
mini-ImageNet's shapes, with 100 labels: one supervised epoch, then two on true and spread labels
together, all of ``--steps`` steps. Nothing else differs from the preset but the number of images,
100 and what the steps need. Then one run is killed and continued, and its table compared with that
of a run that was not.

``supervised_ms`` and ``mixed_ms`` are medians of a step of each phase; ``images_per_s`` counts the
views of a mixed step; ``between_s`` is what comes between two epochs: evaluation, the features of
all images, their graph and its labels. Each row has a process of its own, because a process's peak
memory never falls.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from paper_size import CLASSES, SHAPES, alone, device_name, generated, killed, peak_gigabytes

from drlcore.data.datasets import Dataset
from drlcore.laplacenet.classifier import Classifier, FineTuning
from drlcore.laplacenet.fine_tuning import fine_tune
from drlcore.paper.presets import PRESETS
from drlcore.training.device import pick_device
from drlcore.training.run import RunParameters, build_model

LABELS = 100


def settings_of(steps: int) -> FineTuning:
    """The paper preset's fine-tuning with three epochs of ``steps`` steps, one supervised."""
    return PRESETS["paper"].semi_supervised.fine_tuning.updated(
        n_labels=LABELS, supervised_epochs=1, passes=steps, steps=3 * steps
    )


def run_on(name: str, steps: int) -> RunParameters:
    """The paper preset's encoder, untrained, on as many images as an epoch of ``steps`` takes."""
    numbers = PRESETS["paper"].semi_supervised
    values = {
        **numbers.training,
        "dataset": name,
        "method": "random",
        "time_conditioned": True,
        "latent_dim": numbers.latent_dim,
        "train_images": LABELS + steps * settings_of(steps).unlabelled,
    }
    return RunParameters(**values)


def data_of(run: RunParameters) -> Dataset:
    """Images enough for ``run``; a tenth is for validation."""
    assert run.train_images is not None
    name, images = run.dataset, int(run.train_images / 0.85)
    return generated(name, SHAPES[name], CLASSES[name], images)


def tuned(
    run: RunParameters,
    data: Dataset,
    settings: FineTuning,
    device: str,
    folder: Path,
    on_step: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """The rows of ``fine_tune``, its state kept after every epoch."""
    model = build_model(run, data).to(pick_device(device)).eval().requires_grad_(False)
    resume = folder / "resume.safetensors"
    return fine_tune(
        run, model, settings, data, resume, progress=False, checkpoint_seconds=0, on_step=on_step
    )


def measure(
    run: RunParameters, data: Dataset, settings: FineTuning, device: str = "auto"
) -> dict[str, Any]:
    """Fine-tune and say what a step of each phase and the time between epochs took."""
    on = pick_device(device)
    ends = [perf_counter()]

    def clock(step: int) -> None:
        if on.type == "cuda":
            torch.cuda.synchronize()
        ends.append(perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        rows = tuned(run, data, settings, device, Path(folder), clock)
    seconds, (first, second) = np.diff(ends), rows.steps[:2]
    # The first step of an epoch waits for what comes before the epoch, or for warming up.
    supervised, mixed = (
        median(seconds[start + 1 : end]) for start, end in ((0, first), (second, settings.steps))
    )
    views = settings.batch_size * settings.copies
    classifier = Classifier(build_model(run, data), data.n_classes, settings.t, learn_t=True)
    return {
        "shape": "x".join(map(str, data.shape)),
        "views": views,
        "images": run.train_images,
        "weights": sum(p.numel() for p in classifier.parameters()),
        "supervised_ms": round(1000 * supervised),
        "mixed_ms": round(1000 * mixed),
        "images_per_s": round(views / mixed, 1),
        "between_s": round(seconds[second] - mixed, 2),
        "peak_GB": round(peak_gigabytes(on.type == "cuda"), 2),
        "loss": float(rows.loss.iloc[-1]),
        "device": device_name(on),
    }


def killed_and_continued(
    run: RunParameters, data: Dataset, settings: FineTuning, device: str = "auto"
) -> float:
    """Largest difference between the table of a run killed in its last step and of a whole one.

    0 where sums have a fixed order, as on the CPU.
    """
    with tempfile.TemporaryDirectory() as name:
        whole, cut = Path(name, "whole"), Path(name, "cut")
        for folder in (whole, cut):
            folder.mkdir()
        first = alone(tuned, run, data, settings, device, whole)
        killed(cut / "resume.safetensors", _die_at_the_end, run, data, settings, device, cut)
        second = alone(tuned, run, data, settings, device, cut)
    return float((first - second).abs().max(axis=None))


def _die_at_the_end(
    run: RunParameters, data: Dataset, settings: FineTuning, device: str, folder: Path
) -> None:
    def die(step: int) -> None:
        if step == settings.steps:
            os.kill(os.getpid(), signal.SIGKILL)

    tuned(run, data, settings, device, folder, die)


def main() -> None:
    """Print the table, then the result of the kill."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=3, help="of each epoch, 2 or more")
    parser.add_argument("--device", default="auto", help="cuda, mps or cpu")
    parser.add_argument("--only", default="", help="rows whose shape holds this")
    asked = parser.parse_args()
    if asked.steps < 2:
        parser.error("--steps takes 2 or more: the first of an epoch is not timed")
    settings = settings_of(asked.steps)
    rows = []
    for name in ("cifar10", "mini-imagenet"):
        if asked.only not in str(SHAPES[name]):
            continue
        run = run_on(name, asked.steps)
        rows.append(alone(measure, run, data_of(run), settings, asked.device))
        print(f"measured {rows[-1]['shape']}", flush=True)
    print(f"\n{pd.DataFrame(rows).to_string(index=False)}\n")
    run = run_on("cifar10", asked.steps)
    apart = killed_and_continued(run, data_of(run), settings, asked.device)
    same = "the same bits" if apart == 0 else f"values differ by up to {apart:.2g}"
    print(f"killed and continued (3x32x32): {same}")


if __name__ == "__main__":
    main()
