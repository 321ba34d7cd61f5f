"""A product's file name tells everything its content depends on beyond the run."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest

from drlcore.laplacenet.classifier import FineTuning
from drlcore.paper import generation, initial_time, products, samples
from drlcore.paper.products import Product
from drlcore.paper.protocol import Protocol
from drlcore.training.run import RunParameters

RUN = RunParameters(dataset="digits", steps=3, batch_size=8)
PROTOCOL = Protocol(n_times=3, epochs=1, n_labels=(10,), draws=1, ablated=2)
MODULES = {  # what products are computed with, by the wing that it is in
    "baselines": ["views"],
    "data": ["label_splits", "scene"],
    "laplacenet": ["classifier", "fine_tuning", "label_graph", "nearest"],
    "paper": ["generation", "initial_time", "label_graph_sheet", "protocol", "samples",
              "sheets"],
    "probes": [
        "bands", "inception", "initial_time", "mutual_information", "networks", "neural",
        "over_time", "sample_quality", "static", "trajectory", "usage", "whole_trajectory",
    ],
}  # fmt: skip
ELSEWHERE = {
    # At a time, of no consequence.
    "laplacenet.fine_tuning._CHUNK", "probes.usage._BATCH", "probes.usage._NUMBERS",
    "probes.bands._CHUNK", "probes.inception.BATCH",
    "probes.usage.WORTH",  # read from the table, by what is made of it
    "baselines.views.GAUSS_SIGMA", "baselines.views.CROP_SCALE",  # of the training of a run
}  # fmt: skip


def every_product() -> dict[str, Product[Any]]:
    made: dict[str, Product[Any]] = {
        "fine_tuned": products.fine_tuned(RUN, FineTuning(n_labels=20, supervised_epochs=1)),
    }
    reader = RUN.updated(method="supervised")
    made["samplers"] = samples.samplers(RUN, reader, (2, 3), (4,))
    made["quality"] = samples.quality(RUN, 5, reader, further=("inception",))
    made["quality_by_start"] = initial_time.quality_by_start(RUN, reader, 5, 10)
    made["sheet_by_start"] = initial_time.sheet_by_start(RUN, 5)
    made["quality_by_prior"] = generation.quality_by_prior(RUN, reader, 5, 10)
    made["exchanged"] = generation.exchanged(RUN, reader, 5, 10)
    made["alpha_by_step"] = generation.alpha_by_step(RUN)
    made["paths"] = generation.paths(RUN, 5)
    for name in ("metrics", "bands", "usage", "codes", "code_cloud", "label_graph"):
        made[name] = getattr(products, name)(RUN)
    for name in ("latent_grid", "swapped_codes", "same_code", "reconstructions"):
        made[name] = getattr(products, name)(RUN, 5)
    for name in ("single_times", "many_labels", "whole_trajectory", "shared_information", "curves"):
        made[name] = getattr(products, name)(RUN, PROTOCOL)
    return made


def constants() -> list[str]:
    """Names of the numbers, and tuples of numbers, that ``MODULES`` set at their top."""
    found = []
    for module in [f"{wing}.{name}" for wing, names in MODULES.items() for name in names]:
        loaded = importlib.import_module(f"drlcore.{module}")
        for node in ast.parse(inspect.getsource(loaded)).body:
            if isinstance(node, ast.Assign):
                names = [n.id for target in node.targets for n in ast.walk(target)
                         if isinstance(n, ast.Name)]  # fmt: skip
                found += [f"{module}.{n}" for n in names if _numeric(getattr(loaded, n))]
    return found


def _numeric(value: object) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(map(_numeric, value))
    return isinstance(value, int | float)


def test_every_product_is_in_this_file() -> None:
    returning = {
        name for module in (products, samples, initial_time, generation)
        for name, value in vars(module).items()
        if callable(value) and not name.startswith("_")
        and str(getattr(value, "__annotations__", {}).get("return", "")).startswith("Product")
    }  # fmt: skip
    assert every_product().keys() == returning - {"judged"}  # that makes others


def test_names_differ_and_are_the_same_again() -> None:
    files = [product.file for product in every_product().values()]
    assert len(set(files)) == len(files)
    assert files == [product.file for product in every_product().values()]


def test_there_are_constants_to_change() -> None:
    assert {"probes.static.NEIGHBOURS", "probes.usage.USAGE_LEVELS", "paper.sheets.SWAP_SIGMAS"} < {
        *constants()
    }
    assert {*constants()} > ELSEWHERE


@pytest.mark.parametrize("name", sorted({*constants()} - ELSEWHERE))
def test_a_changed_constant_makes_another_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, _, constant = name.rpartition(".")
    loaded = importlib.import_module(f"drlcore.{module}")
    before = {kind: product.file for kind, product in every_product().items()}
    value = getattr(loaded, constant)
    monkeypatch.setattr(loaded, constant, (*value, 1.5) if isinstance(value, tuple) else value + 1)
    after = {kind: product.file for kind, product in every_product().items()}
    assert before.keys() == after.keys() and before != after


def test_every_setting_makes_another_file() -> None:
    for name in ("latent_grid", "swapped_codes", "same_code", "reconstructions"):
        make = getattr(products, name)
        assert make(RUN, 5).file != make(RUN, 6).file
    readers = [RUN.updated(method="supervised", seed=seed) for seed in (0, 1)]
    asked = [(5, readers[0]), (6, readers[0]), (5, readers[1])]
    assert len({samples.quality(RUN, *each).file for each in asked}) == 3
    tuning = FineTuning(n_labels=20)
    changed = {"n_labels": 30, "label_split": 1, "seed": 1, "mixup": "on", "copies": 2}
    files = {products.fine_tuned(RUN, tuning.updated(**{k: v})).file for k, v in changed.items()}
    assert len(files | {products.fine_tuned(RUN, tuning).file}) == len(changed) + 1
    protocols = [PROTOCOL.updated(**{k: v}) for k, v in
                 {"n_times": 4, "images": 50, "epochs": 2, "n_labels": (20,), "draws": 2,
                  "ablated": 3}.items()]  # fmt: skip
    for probed in (products.single_times, products.whole_trajectory):
        assert len({probed(RUN, p).file for p in (PROTOCOL, *protocols)}) == len(protocols) + 1


def test_a_product_of_another_version_is_another_file_and_not_read(output: Path) -> None:
    import pandas as pd

    def make(value: int, version: int) -> Product[pd.DataFrame]:
        return Product(
            RUN, "made", ".csv", lambda *_: pd.DataFrame({"x": [value]}), {}, version=version
        )

    assert make(1, 1).load(progress=False).x.tolist() == [1]
    assert make(2, 1).load().x.tolist() == [1]
    assert make(2, 2).load().x.tolist() == [2]
