"""An opponent that learns the weighting: a linear lambda(t) that makes the loss largest."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from drlcore.noise_range import Linear
from drlcore.sde import SDE
from drlcore.training.checkpoint import load_optimiser, optimiser_tensors, with_prefix

RATE = 0.1  # Adam's learning rate, as in the authors' code


class Adversary:
    """lambda(t) = 2 alpha u + 1 - alpha against the score network (DRL App., adversary).

    u in [0, 1] is t's place between the ends of the noise range, so that lambda has mean 1 there.
    The score network minimises the loss at times drawn from the density lambda, and with
    probability ``p_kl`` from the uniform one; the adversary maximises the mean of max(lambda, p_kl)
    times the loss over uniform t, by Adam on a with alpha = 2 sigmoid(a) - 1. One step each in
    turn. It cannot tell the part of the loss that no score could take away (DRL Prop. 1) from the
    part that training could.

    Args:
        p_kl: in [0, 1]; at 1 the score network is left alone.
        device: of the losses it is shown.

    Example:
        A loss that falls with t, whatever the network does:

        >>> import torch
        >>> from drlcore import VESDE, NoiseRange
        >>> from drlcore.training.adversary import Adversary
        >>> sde, generator = VESDE(NoiseRange()), torch.Generator().manual_seed(0)
        >>> adversary = Adversary(p_kl=0.0)
        >>> for step in range(60):
        ...     t = sde.draw_t(128, generator)
        ...     adversary.climb(sde, t, 1 - t)
        >>> adversary.alpha < -0.9
        True
    """

    def __init__(self, p_kl: float, device: torch.device | str = "cpu") -> None:
        self.p_kl = p_kl
        self.a = torch.zeros((), device=device, requires_grad=True)
        self.optimiser = torch.optim.Adam([self.a], lr=RATE)

    @property
    def alpha(self) -> float:
        """Slope of lambda, in (-1, 1): below 0 small noise weighs more."""
        return float(_alpha(self.a.detach()))

    def draw_t(self, sde: SDE, n: int, generator: torch.Generator) -> Tensor:
        """``n`` times for the score network, shape (n,), on the generator's device."""
        uniform = sde.draw_t(n, generator)
        steered, kept = torch.rand(2, n, generator=generator, device=generator.device)
        drawn = Linear(alpha=self.alpha).draw(sde.noise, sde.t, steered)
        return torch.where(kept < self.p_kl, uniform, drawn)

    def climb(self, sde: SDE, t: Tensor, errors: Tensor, rate: float = RATE) -> None:
        """One step up the mean of max(lambda, p_kl) times ``errors``, no gradient into them.

        Args:
            t: uniform times, shape (B,).
            errors: weighted score errors there, shape (B,).
            rate: Adam's learning rate.
        """
        alpha = _alpha(self.a)
        low, high = sde.t(torch.tensor(sde.noise.window)).to(t)
        weight = 2 * alpha * (t - low) / (high - low) + 1 - alpha
        gain = (weight.clamp(min=self.p_kl) * errors.detach()).mean()
        (slope,) = torch.autograd.grad(-gain, [self.a])
        self.a.grad = slope.clamp(-1, 1)
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()

    def state(self) -> dict[str, Tensor]:
        """Everything its next step depends on."""
        return {
            "a": self.a,
            **{f"adam.{k}": v for k, v in optimiser_tensors(self.optimiser).items()},
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what ``state`` gave."""
        with torch.no_grad():
            self.a.copy_(tensors["a"])
        load_optimiser(self.optimiser, with_prefix("adam.", tensors))


def _alpha(a: Tensor) -> Tensor:
    return 2 * torch.sigmoid(a) - 1
