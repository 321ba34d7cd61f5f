"""What is computed from a trained run: each product one stored file, loaded or computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
import torch

from drlcore import downstream, sheets
from drlcore.checkpoint import file_sha256, load_tensors, save_tensors, write_atomically
from drlcore.datasets import load_dataset
from drlcore.diagnostics import code_usage
from drlcore.downstream import Protocol
from drlcore.errors import ArtefactError
from drlcore.label_graph_sheet import label_graph_sheet
from drlcore.laplacenet import FineTuning
from drlcore.laplacenet_training import fine_tune
from drlcore.model import EncoderModel
from drlcore.probe import probe_run
from drlcore.run import RunParameters
from drlcore.sheets import Arrays
from drlcore.store import card_beside, find, folder, load_or_train

Content = TypeVar("Content", pd.DataFrame, Arrays)


@dataclass(frozen=True)
class Product(Generic[Content]):
    """A file computed from a run: a table (``.csv``) or arrays (``.safetensors``).

    Attributes:
        run: the run it is computed from.
        file: its name in the run's folder.
        compute: what makes it from the trained model.
    """

    run: RunParameters
    file: str
    compute: Callable[[RunParameters, EncoderModel], Content]

    def load(self, *, progress: bool = True) -> Content:
        """The content: read if stored, else computed, training the run first if need be.

        Raises:
            ArtefactError: the stored file is corrupt, or was computed from other data.
            TrainingError: see ``train``.
        """
        path = self.path
        if path is None:
            content = self.compute(self.run, load_or_train(self.run, progress=progress))
            path = folder(self.run) / self.file
            _write(path, content)
            _resume(path).unlink(missing_ok=True)
        else:
            card_beside(path, self.run)
        if path.suffix == ".safetensors":
            return {name: value.numpy() for name, value in load_tensors(path).items()}
        try:
            return pd.read_csv(path)
        except ValueError as error:
            raise ArtefactError(f"{path} is corrupt ({error}); delete it, run again") from error

    @property
    def name(self) -> str:
        """What tells it apart from every other product: its run's key and its file."""
        return f"{self.run.key}/{self.file}"

    @property
    def path(self) -> Path | None:
        """Where it is stored; None if it has not been computed."""
        return find(self.run, self.file)

    @property
    def sha256(self) -> str:
        """Of the stored file. Raises ArtefactError if there is none."""
        if self.path is None:
            raise ArtefactError(f"{self.file} of run {self.run.key} has not been computed")
        return file_sha256(self.path)


def _write(path: Path, content: pd.DataFrame | Arrays) -> None:
    if isinstance(content, pd.DataFrame):
        write_atomically(path, lambda temporary: content.to_csv(temporary, index=False))
    else:
        arrays = {k: torch.from_numpy(np.asarray(v, order="C")) for k, v in content.items()}
        save_tensors(path, arrays)


def _resume(path: Path) -> Path:
    """Where a long computation of ``path`` keeps its state, to go on from when killed."""
    return path.with_name(f"{path.stem}.resume.safetensors")


def metrics(run: RunParameters) -> Product[pd.DataFrame]:
    """Probes of the codes on validation and test, see ``probe.probe_run``."""
    return Product(run, "metrics.csv", probe_run)


def usage(run: RunParameters) -> Product[pd.DataFrame]:
    """Loss with the own code and with others in its place, see ``diagnostics.code_usage``."""
    return Product(run, "usage.csv", code_usage)


def codes(run: RunParameters) -> Product[Arrays]:
    """Codes of the test images."""
    return Product(run, "codes.safetensors", sheets.codes_of_test)


def latent_grid(run: RunParameters, steps: int) -> Product[Arrays]:
    """Samples over a grid of codes, see ``sheets.latent_grid``."""
    return _sheet(run, "latent_grid", sheets.latent_grid, steps)


def swapped_codes(run: RunParameters, steps: int) -> Product[Arrays]:
    """Denoising with another image's code, see ``sheets.swapped_codes``."""
    return _sheet(run, "swapped_codes", sheets.swapped_codes, steps)


def same_code(run: RunParameters, steps: int) -> Product[Arrays]:
    """Many samples of one code, see ``sheets.same_code``."""
    return _sheet(run, "same_code", sheets.same_code, steps)


def reconstructions(run: RunParameters, steps: int) -> Product[Arrays]:
    """Samples from the codes of test images, see ``sheets.reconstructions``."""
    return _sheet(run, "reconstructions", sheets.reconstructions, steps)


def single_times(run: RunParameters, protocol: Protocol) -> Product[pd.DataFrame]:
    """Probes at each encoder time, see ``downstream.probe_single_times``."""
    return _probed(run, "single_times", downstream.probe_single_times, protocol)


def whole_trajectory(run: RunParameters, protocol: Protocol) -> Product[pd.DataFrame]:
    """Probes of all times together, see ``downstream.probe_whole_trajectory``."""
    return _probed(run, "whole_trajectory", downstream.probe_whole_trajectory, protocol)


def shared_information(run: RunParameters, protocol: Protocol) -> Product[pd.DataFrame]:
    """Mutual information between times, see ``downstream.share_of_information``."""
    return _probed(run, "shared_information", downstream.share_of_information, protocol)


def curves(run: RunParameters, protocol: Protocol) -> Product[Arrays]:
    """Codes over time, see ``downstream.curves``."""
    return Product(
        run,
        f"curves-{protocol.key}.safetensors",
        lambda r, model: downstream.curves(r, model, protocol),
    )


def label_graph(run: RunParameters) -> Product[Arrays]:
    """Labels spread over a small graph of features, see ``label_graph_sheet``."""
    return Product(run, "label_graph.safetensors", label_graph_sheet)


def fine_tuned(run: RunParameters, settings: FineTuning) -> Product[pd.DataFrame]:
    """LaplaceNet on the run's encoder, epoch by epoch, see ``fine_tune``."""
    file = f"laplacenet-{settings.key}.csv"

    def compute(run: RunParameters, model: EncoderModel) -> pd.DataFrame:
        resume = _resume(folder(run) / file)
        return fine_tune(run, model, settings, load_dataset(run.dataset), resume)

    return Product(run, file, compute)


def _probed(
    run: RunParameters,
    name: str,
    probe: Callable[[RunParameters, EncoderModel, Protocol], pd.DataFrame],
    protocol: Protocol,
) -> Product[pd.DataFrame]:
    return Product(run, f"{name}-{protocol.key}.csv", lambda r, model: probe(r, model, protocol))


def _sheet(
    run: RunParameters,
    name: str,
    draw: Callable[[RunParameters, EncoderModel, int], Arrays],
    steps: int,
) -> Product[Arrays]:
    return Product(run, f"{name}-{steps}.safetensors", lambda r, model: draw(r, model, steps))
