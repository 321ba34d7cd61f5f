"""What is computed from a trained run: each product one stored file, loaded or computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load, save

from drlcore.baselines import views
from drlcore.data import scene
from drlcore.data.datasets import DATASETS, load_dataset
from drlcore.errors import ArtefactError
from drlcore.laplacenet import label_graph as graphs
from drlcore.laplacenet.classifier import FineTuning
from drlcore.laplacenet.fine_tuning import fine_tune
from drlcore.model import EncoderModel
from drlcore.paper import label_graph_sheet, sheets
from drlcore.paper import protocol as protocols
from drlcore.paper.protocol import Protocol
from drlcore.paper.sheets import Arrays
from drlcore.parameters import fingerprint
from drlcore.probes import bands as band_probe
from drlcore.probes import mutual_information, neural, over_time, static
from drlcore.probes import usage as use
from drlcore.training import store
from drlcore.training.checkpoint import csv_bytes
from drlcore.training.resume import RESUME
from drlcore.training.run import RunParameters
from drlcore.training.store import Stored, load_or_train

Content = TypeVar("Content", pd.DataFrame, Arrays)


@dataclass(frozen=True)
class Product(Generic[Content]):
    """A file computed from a run: a table (``.csv``) or arrays (``.safetensors``).

    Attributes:
        run: the run it is computed from.
        kind: what it is, the beginning of its file name.
        suffix: the end of it.
        compute: what makes it from the trained model.
        settings: every number beside the run that its content depends on, constants included.
        version: raised when what ``compute`` does changes and no setting shows it.
    """

    run: RunParameters
    kind: str
    suffix: str
    compute: Callable[[RunParameters, EncoderModel], Content]
    settings: Mapping[str, Any]
    version: int = 1

    @property
    def file(self) -> str:
        """Its name in the run's folder, with a fingerprint of ``settings`` and ``version``."""
        digits = fingerprint({"settings": dict(self.settings), "version": self.version})[:8]
        return f"{self.kind}-{digits}{self.suffix}"

    def load(self, *, progress: bool = True) -> Content:
        """The content: read if stored, else computed, training the run first if need be.

        Raises:
            ArtefactError: the stored file is corrupt, was computed from other data, or cannot be
                written.
            TrainingError: see ``train``.
        """
        stored = self.stored
        if stored is None:
            model = load_or_train(self.run, progress=progress)
            with store.holding(self.run):
                pass  # a folder that cannot be written is noticed before time is spent
            stored = store.put(self.run, self.file, _encoded(self.compute(self.run, model)))
        content = stored.read()
        if self.suffix == ".safetensors":
            return {name: value.numpy() for name, value in load(content).items()}
        return pd.read_csv(BytesIO(content))

    @property
    def name(self) -> str:
        """What tells it apart from every other product: its run's key and its file."""
        return f"{self.run.key}/{self.file}"

    @property
    def stored(self) -> Stored | None:
        """Where it is stored; None if it has not been computed."""
        return store.find(self.run, self.file)

    @property
    def sha256(self) -> str:
        """Of the stored file, as its card says. Raises ArtefactError if there is none."""
        stored = self.stored
        if stored is None:
            raise ArtefactError(f"{self.file} of run {self.run.key} has not been computed")
        return stored.card.files[self.file]


def _encoded(content: pd.DataFrame | Arrays) -> bytes:
    if isinstance(content, pd.DataFrame):
        return csv_bytes(content)
    return save({k: torch.from_numpy(np.asarray(v, order="C")) for k, v in content.items()})


def metrics(run: RunParameters) -> Product[pd.DataFrame]:
    """Probes of the codes on validation and test, see ``protocol.probe_run``."""
    settings = {"neighbours": static.NEIGHBOURS, "silhouette_samples": static.SILHOUETTE_SAMPLES}
    return Product(run, "metrics", ".csv", protocols.probe_run, settings)


def bands(run: RunParameters) -> Product[pd.DataFrame]:
    """What the codes tell at each spatial scale, without labels, see ``protocol.bands_of_code``."""
    settings = {
        "edges": band_probe.EDGES,
        "neighbours": static.NEIGHBOURS,
        "fitted": band_probe.FITTED,
        "asked": band_probe.ASKED,
    }
    return Product(run, "bands", ".csv", protocols.bands_of_code, settings)


def usage(run: RunParameters) -> Product[pd.DataFrame]:
    """Loss with the own code and with others in its place, see ``probes.usage.code_usage``."""
    settings = {"levels": use.USAGE_LEVELS, "denoised": use.USAGE_DENOISED}
    return Product(run, "usage", ".csv", protocols.use_of_code, settings, version=2)


def codes(run: RunParameters) -> Product[Arrays]:
    """Codes of the test images."""
    return Product(run, "codes", ".safetensors", sheets.codes_of_test, {})


def code_cloud(run: RunParameters) -> Product[Arrays]:
    """Codes of some test images with class and colour, see ``sheets.code_cloud``."""
    settings = {"images": sheets.CLOUD_IMAGES, "border": scene.BORDER}
    return Product(run, "code_cloud", ".safetensors", sheets.code_cloud, settings)


def latent_grid(run: RunParameters, steps: int) -> Product[Arrays]:
    """Samples over a grid of codes, see ``sheets.latent_grid``."""
    return _sheet(run, "latent_grid", sheets.latent_grid, steps, grid=sheets.GRID)


def swapped_codes(run: RunParameters, steps: int) -> Product[Arrays]:
    """Denoising with another image's code, see ``sheets.swapped_codes``."""
    settings = {"digits": sheets.SWAP_DIGITS, "sigmas": sheets.SWAP_SIGMAS}
    return _sheet(run, "swapped_codes", sheets.swapped_codes, steps, **settings)


def same_code(run: RunParameters, steps: int) -> Product[Arrays]:
    """Many samples of one code, see ``sheets.same_code``."""
    settings = {
        "samples": sheets.SAME_CODE_SAMPLES,
        "diversity_images": sheets.DIVERSITY_IMAGES,
        "diversity_samples": sheets.DIVERSITY_SAMPLES,
    }
    return _sheet(run, "same_code", sheets.same_code, steps, **settings)


def reconstructions(run: RunParameters, steps: int) -> Product[Arrays]:
    """Samples from the codes of test images, see ``sheets.reconstructions``."""
    return _sheet(run, "reconstructions", sheets.reconstructions, steps)


def single_times(run: RunParameters, protocol: Protocol) -> Product[pd.DataFrame]:
    """Probes at each encoder time, see ``protocol.probe_single_times``."""
    settings = {
        "neighbours": over_time.NEIGHBOUR_CHOICES,
        "inverse_penalties": over_time.INVERSE_PENALTIES,
    }
    return _probed(run, "single_times", protocols.probe_single_times, protocol, **settings)


def many_labels(run: RunParameters, protocol: Protocol) -> Product[pd.DataFrame]:
    """Few-shot accuracy from more labels, see ``protocol.probe_many_labels``."""
    compute = partial(protocols.probe_many_labels, protocol=protocol)
    settings = {"n_times": protocol.n_times, "n_labels": protocol.beyond}
    return Product(run, "many_labels", ".csv", compute, settings)


def whole_trajectory(run: RunParameters, protocol: Protocol) -> Product[pd.DataFrame]:
    """Probes of all times together, see ``protocol.probe_whole_trajectory``."""
    return _probed(run, "whole_trajectory", protocols.probe_whole_trajectory, protocol)


def shared_information(run: RunParameters, protocol: Protocol) -> Product[pd.DataFrame]:
    """Mutual information between times, see ``protocol.share_of_information``."""
    compute = partial(protocols.share_of_information, protocol=protocol)
    settings = {
        "n_times": protocol.n_times,
        "resolution": mutual_information.RESOLUTION,
        "samples": mutual_information.SAMPLES,
    }
    return Product(run, "shared_information", ".csv", compute, settings, version=2)


def curves(run: RunParameters, protocol: Protocol) -> Product[Arrays]:
    """Codes over time, see ``protocol.curves``."""
    compute = partial(protocols.curves, protocol=protocol)
    settings = {"n_times": protocol.n_times, "images": protocols.CURVE_IMAGES}
    return Product(run, "curves", ".safetensors", compute, settings)


def label_graph(run: RunParameters) -> Product[Arrays]:
    """Labels spread over a small graph of features, see ``label_graph_sheet``."""
    settings = {
        "images": label_graph_sheet.IMAGES,
        "classes": label_graph_sheet.CLASSES,
        "labels_per_class": label_graph_sheet.LABELS_PER_CLASS,
        "neighbours": label_graph_sheet.NEIGHBOURS,
        "t": FineTuning.model_fields["t"].default,
        "alignment_step": graphs.ALIGNMENT_STEP,
    }
    compute = label_graph_sheet.label_graph_sheet
    return Product(run, "label_graph", ".safetensors", compute, settings)


def fine_tuned(run: RunParameters, settings: FineTuning) -> Product[pd.DataFrame]:
    """LaplaceNet on the run's encoder, epoch by epoch, see ``fine_tune``."""

    def compute(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
        # Beside the table, to go on from when killed; removed once that is stored.
        resume = store.folder(run) / f"{product.file.removesuffix(product.suffix)}.{RESUME}"
        return fine_tune(run, model, settings, load_dataset(run.dataset), resume)

    constants = {
        "alignment_step": graphs.ALIGNMENT_STEP,
        "mirrored": run.dataset in DATASETS and DATASETS[run.dataset].mirrored,
        "shift": views.SHIFT,
        "turn": views.TURN,
        "shear": views.SHEAR,
        "scale": views.SCALE,
        "jitter": views.JITTER,
        "erased": (views.ERASED_AREA, views.ERASED_RATIO, views.ERASED_GREY),
    }
    everything = {**settings.model_dump(mode="json"), "constants": constants}
    product = Product(run, "laplacenet", ".csv", compute, everything)
    return product


def _probed(
    run: RunParameters,
    kind: str,
    probe: Callable[..., pd.DataFrame],
    protocol: Protocol,
    **settings: Any,
) -> Product[pd.DataFrame]:
    everything = {
        **settings,
        "protocol": protocol.model_dump(mode="json"),
        "training": neural.DEFAULT.updated(epochs=protocol.epochs).model_dump(mode="json"),
        "whitening_floor": neural.WHITENING_FLOOR,
    }
    return Product(run, kind, ".csv", partial(probe, protocol=protocol), everything)


def _sheet(
    run: RunParameters, kind: str, draw: Callable[..., Arrays], steps: int, **settings: Any
) -> Product[Arrays]:
    settings["steps"] = steps
    return Product(run, kind, ".safetensors", partial(draw, steps=steps), settings)
