"""The state of a training that was stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from drlcore.model import EncoderModel
from drlcore.training.adversary import Adversary
from drlcore.training.checkpoint import (
    load_optimiser,
    load_state,
    optimiser_tensors,
    save_state,
    with_prefix,
)

RESUME = "resume.safetensors"
HISTORY = ("step", "loss", "score_loss", "penalty", "encoder_gradient", "score_gradient")
WITH_ADVERSARY = (*HISTORY, "alpha")


@dataclass
class ResumeState:
    """Everything the next step depends on, in one safetensors file: one write, one state."""

    path: Path
    of: str
    model: EncoderModel
    average: dict[str, Tensor]
    optimiser: torch.optim.Optimizer
    generator: torch.Generator
    adversary: Adversary | None
    last_good: int | None = None

    @property
    def columns(self) -> list[str]:
        """Of the history."""
        return list(HISTORY if self.adversary is None else WITH_ADVERSARY)

    @property
    def good(self) -> bool:
        """Whether every weight, and its average, is finite."""
        values = (*self.model.parameters(), *self.average.values())
        return all(bool(torch.isfinite(value).all()) for value in values)

    def save(self, step: int, rows: list[list[float]], sums: Tensor) -> None:
        """Write the state after ``step``; one with a broken weight is not good, so not kept."""
        if not self.good:
            return
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        tensors |= {f"adam.{k}": v for k, v in optimiser_tensors(self.optimiser).items()}
        if self.adversary is not None:
            tensors |= {f"adversary.{k}": v for k, v in self.adversary.state().items()}
        tensors["generator"] = self.generator.get_state()
        tensors["global_generator"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["cuda_generator"] = torch.cuda.get_rng_state()
        tensors["sums"] = sums
        tensors["rows"] = torch.tensor(rows, dtype=torch.float64).reshape(-1, len(self.columns))
        tensors["step"] = torch.tensor(step)
        save_state(self.path, tensors, self.of)
        self.last_good = step

    def load(self) -> tuple[int, list[list[float]], Tensor]:
        tensors = load_state(self.path, self.of)
        if tensors is None:
            return 0, [], torch.zeros(3)
        self.model.load_state_dict(with_prefix("model.", tensors))
        for name, value in with_prefix("average.", tensors).items():
            self.average[name].copy_(value)
        load_optimiser(self.optimiser, with_prefix("adam.", tensors))
        if self.adversary is not None:
            self.adversary.load(with_prefix("adversary.", tensors))
        self.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["global_generator"])
        if "cuda_generator" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["cuda_generator"])
        self.last_good = int(tensors["step"])
        return self.last_good, tensors["rows"].tolist(), tensors["sums"]
