"""What a notebook reads, made before it reads it: how much there is to do, and how far it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from tqdm.auto import tqdm

from drlcore.data.datasets import load_dataset
from drlcore.paper.products import Product
from drlcore.training.device import pick_device
from drlcore.training.loop import train
from drlcore.training.run import RunParameters, build_model
from drlcore.training.store import find, find_card, load_or_train


def compute(runs: Iterable[RunParameters], products: Iterable[Product[Any]]) -> None:
    """Train the ``runs`` and compute the ``products`` that are not stored.

    Says first how many models there are to train, and about how long that takes here, by a few
    steps of each kind; then shows one bar over models and products. Says nothing if all is there.
    An interrupt keeps what is finished and the last checkpoint of what is not: call it again to go
    on.

    Raises:
        TrainingError, ArtefactError: see ``load_or_train``.
    """
    runs = list({run.key: run for run in runs}.values())
    products = list({product.name: product for product in products}.values())
    missing = [product for product in products if product.stored is None]
    untrained = to_train(runs, missing)
    if not missing and not untrained:
        return
    work = f"{len(missing)} of {len(products)} results to compute"
    if untrained:
        time = f"{_duration(_training_seconds(untrained))} on this machine"
        work = f"{len(untrained)} of {len(runs)} models to train, {time}; then {work}"
    print(work, flush=True)
    with tqdm(total=len(untrained) + len(missing), leave=False) as bar:
        try:
            for run in untrained:
                bar.set_description(run.title)
                load_or_train(run)
                bar.update()
                _load([product for product in missing if product.run.key == run.key], bar)
            trained = {run.key for run in untrained}
            _load([product for product in missing if product.run.key not in trained], bar)
        except KeyboardInterrupt:
            print(
                f"stopped: {bar.n} of {bar.total} models and results are finished and kept, and "
                "the one in work up to its last checkpoint; run this cell again to go on"
            )
            raise


def to_train(runs: Iterable[RunParameters], missing: Iterable[Product[Any]]) -> list[RunParameters]:
    """Runs without weights that something needs, first stages before second ones.

    A run that was trained, here or for what is committed, needs its weights for a product that is
    ``missing`` alone.
    """
    needed = [run for run in runs if find_card(run) is None]
    needed += [product.run for product in missing]
    untrained: dict[str, RunParameters] = {}
    for run in needed:
        for stage in (run.first_stage, run):
            if stage is not None and find(stage, "weights.safetensors") is None:
                untrained[stage.key] = stage
    return list(untrained.values())


def _load(products: list[Product[Any]], bar: tqdm[Any]) -> None:
    for product in products:
        bar.set_description(f"{product.file.split('.')[0]} of {product.run.title}")
        product.load()
        bar.update()


def _training_seconds(runs: list[RunParameters]) -> float:
    """Seconds that all the steps of ``runs`` take here."""
    of_kind: dict[object, float] = {}
    seconds = 0.0
    for run in runs:
        kind = (
            run.dataset, run.method, run.encoder, run.score_network, run.width, run.latent_dim,
            run.batch_size, run.time_conditioned, run.first_stage is None,
        )  # fmt: skip
        if kind not in of_kind:
            of_kind[kind] = _step_seconds(run)
        seconds += run.steps * of_kind[kind]
    return seconds


def _step_seconds(run: RunParameters, most: int = 13) -> float:
    """Seconds a step of ``run``, over a few steps that are thrown away; the first do not count."""
    short = run.updated(steps=min(most, max(2, run.steps // 20)))
    dataset = load_dataset(run.dataset)
    model = build_model(short, dataset).to(pick_device())
    times: list[float] = []

    def finished(_: int) -> None:
        times.append(monotonic())

    with TemporaryDirectory() as folder:
        train(short, model, dataset, Path(folder), progress=False, on_step=finished)
    times = times[len(times) // 4 :]
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0


def _duration(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.0f} h"
