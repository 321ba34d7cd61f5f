"""One training loop for every method and scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import NoReturn

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from drlcore.baselines import METHODS
from drlcore.data.datasets import Dataset
from drlcore.data.label_splits import label_split
from drlcore.errors import TrainingError
from drlcore.loss import Batch
from drlcore.model import EncoderModel
from drlcore.sde import SDE
from drlcore.training.adversary import RATE, Adversary
from drlcore.training.resume import RESUME, ResumeState
from drlcore.training.run import RunParameters


def train(
    run: RunParameters,
    model: EncoderModel,
    dataset: Dataset,
    folder: Path,
    *,
    progress: bool = True,
    checkpoint_seconds: float = 20.0,
    on_step: Callable[[int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """Train ``model`` in place and leave the moving average (EMA) of its weights in it.

    Adam, linear warm-up and cooldown, gradient clipping, EMA with decay
    min(ema_decay, (1+n)/(10+n)): while the second is the smaller, up to n = 9 / (1 - ema_decay),
    it averages over the last ninth or so of the steps, however many they are.

    The running statistics of batch norm are averaged like the weights they belong to, as torch's
    ``AveragedModel(use_buffers=True)`` does; the authors' EMA leaves the live ones beside averaged
    weights, and their downstream probes take the encoder without EMA. Measured against statistics
    taken anew over the training images, averaged ones are several times nearer than live ones once
    ``conv-norm`` has trained for some hundred steps; in the first steps, and in short runs of
    ``wrn-28-2``, whose last norm has a momentum of 0.9, they may be further off.

    The random stream is one CPU generator seeded by ``run.seed``; with the same parameters, data
    and machine the final weights are the same bits, also when a killed run is continued: the state
    is saved to ``folder`` every ``checkpoint_seconds``, and a later call resumes from it.
    Method ``random`` takes no steps; of a run with a ``first_stage`` the encoder stays as it is.

    Args:
        folder: holds the resume files while training lasts.
        progress: show a progress bar.
        on_step: called after each step with its number; may raise to stop.
        stop: asked after each step whether to leave; the state is saved then.

    Returns:
        History, one row every 50 steps and at the end: means of the loss and its parts since the
        row before (``score_loss`` is the main term, whatever the method), and the gradient norms
        into the encoder and into the rest, score network or head, at that step. Against an
        adversary also ``alpha``, by which the times of that step were drawn.

    Raises:
        TrainingError: the loss, or a weight after the last step, is not finite; names step, sigma
            and last good checkpoint.
        ArtefactError: a checkpoint cannot be written, is corrupt, or is of another run or data.
        ParameterError, DataError: ``run.label_split`` does not fit the classes or the images.
        SystemExit: ``stop`` said so; names the step that a later call goes on from.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from drlcore import RunParameters, load_dataset, train
        >>> from drlcore.training.run import build_model
        >>> run, digits = RunParameters(dataset="digits", steps=60), load_dataset("digits")
        >>> model = build_model(run, digits)
        >>> with TemporaryDirectory() as folder:
        ...     history = train(run, model, digits, Path(folder), progress=False)
        >>> history.step.tolist()
        [50, 60]
    """
    torch.set_num_threads(run.threads)
    device = next(model.parameters()).device
    beside = _runs_beside(device)
    images = dataset.train.x[: run.train_images]
    labels = dataset.train.y[: run.train_images]
    if run.label_split is not None:
        known = torch.from_numpy(label_split(labels, run.label_split, dataset.n_classes))
        images, labels = images[known], labels[known]
    if beside:
        images, labels = images.to(device), labels.to(device)
    model.train()
    if run.first_stage is not None and model.encoder is not None:
        model.encoder.requires_grad_(False).eval()
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    averaged = trained | _norm_statistics(model)
    average = {name: value.detach().clone() for name, value in averaged.items()}
    optimiser = torch.optim.Adam(
        trained.values(), lr=run.learning_rate, eps=run.adam_epsilon, fused=True
    )
    compiled = list(model.children()) if run.compiled else []
    for part in compiled:
        part.compile()
    adversary = None if run.adversary is None else Adversary(run.adversary, device)
    generator = torch.Generator(device if beside else "cpu").manual_seed(run.seed)
    torch.manual_seed(run.seed)  # dropout draws from the global generator
    of = f"run {run.key} on data {dataset.checksum}"
    state = ResumeState(folder / RESUME, of, model, average, optimiser, generator, adversary)
    first, rows, sums = state.load()
    sums = sums.to(generator.device)
    method = METHODS[run.method]
    steps = run.steps_taken
    saved = monotonic()
    left = range(first, steps)
    bar = tqdm(left, run.title, steps, initial=first, disable=not progress, leave=False)
    for step in bar:
        rate = _learning_rate(run, step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        chosen = torch.randint(
            len(images), (run.batch_size,), generator=generator, device=generator.device
        )
        drawn = adversary.draw_t if adversary else SDE.draw_t
        t = drawn(model.sde, run.batch_size, generator).to(device)
        x0, y = images[chosen].to(device), labels[chosen].to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=run.precision == "bf16"):
            loss = method.loss(model, Batch(x0, y, t, generator, run.lambda_z, run.weighting))
        parts = torch.stack([loss.total, loss.score.mean(), loss.penalty]).detach()
        sums += parts.to(sums)
        due = (step + 1) % 50 == 0 or step + 1 == steps
        if (due or not beside) and not torch.isfinite(sums[0]):
            _stop_on_nonfinite(step, run, model.sde.sigma(t), loss.score.detach(), state)
        optimiser.zero_grad(set_to_none=True)
        loss.total.backward()
        if due:
            since = step - (int(rows[-1][0]) if rows else 0) + 1
            norms = [_gradient_norm(trained, of_encoder) for of_encoder in (True, False)]
            learned = [] if adversary is None else [adversary.alpha]
            rows.append([step + 1, *(sums / since).tolist(), *norms, *learned])
            sums = torch.zeros_like(sums)
            bar.set_postfix(loss=f"{rows[-1][1]:.4g}", refresh=False)
        torch.nn.utils.clip_grad_norm_(trained.values(), run.clip_norm)
        optimiser.step()
        decay = min(run.ema_decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.values()), list(averaged.values()), 1 - decay)
        if adversary is not None:
            uniform = model.sde.draw_t(run.batch_size, generator).to(device)
            shown = Batch(x0, y, uniform, generator, run.lambda_z, run.weighting)
            with torch.no_grad():
                errors = method.loss(model, shown).score
            adversary.climb(model.sde, uniform, errors, RATE * rate / run.learning_rate)
        if on_step is not None:
            on_step(step + 1)
        stopped = stop()
        if stopped or (monotonic() - saved > checkpoint_seconds and step + 1 < steps):
            state.save(step + 1, rows, sums)
            saved = monotonic()
        if stopped:
            raise SystemExit(f"{run.title}: stopped; step {state.last_good} of {steps} is kept")
    for part in compiled:
        part._compiled_call_impl = None  # what is drawn or encoded is so as it was always
    if not state.good:
        _stop(f"a weight is not finite after the last step, {steps}", run, state)
    with torch.no_grad():
        for name, value in averaged.items():
            value.copy_(average[name])
    model.eval().requires_grad_(False)
    return pd.DataFrame(rows, columns=state.columns).astype({"step": int})


def _runs_beside(device: torch.device) -> bool:
    """Whether Python should not wait for ``device`` at every step.

    Then it holds the data, draws all numbers, and is asked for the loss only where a row of the
    history is due. MPS draws on the CPU.
    """
    return device.type == "cuda"


def _learning_rate(run: RunParameters, step: int) -> float:
    """Of the step after ``step`` ones: up over ``warmup_steps``, down over ``cooldown``."""
    up = (step + 1) / max(1, run.warmup_steps)
    down = (run.steps - step) / (run.cooldown * run.steps) if run.cooldown else 1.0
    return run.learning_rate * min(1.0, up, down)


def _norm_statistics(model: EncoderModel) -> dict[str, Tensor]:
    """Running means and variances of batch norm, by name."""
    ends = ("running_mean", "running_var")
    return {name: value for name, value in model.named_buffers() if name.endswith(ends)}


def _gradient_norm(trained: dict[str, torch.nn.Parameter], of_encoder: bool) -> float:
    """Norm of the gradient into the encoder, or into everything else that is trained."""
    gradients = [
        p.grad
        for name, p in trained.items()
        if p.grad is not None and name.startswith("encoder.") == of_encoder
    ]
    return float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0


def _stop_on_nonfinite(
    step: int, run: RunParameters, sigma: Tensor, main: Tensor, state: ResumeState
) -> None:
    sigma = sigma[~torch.isfinite(main)]
    where = f"method {run.method}"
    if len(sigma) == 0:
        where = "the penalty on z, not the main term"
    elif run.sees_noise:
        where = f"sigma from {float(sigma.min()):.4g} to {float(sigma.max()):.4g}"
    _stop(f"the loss is not finite at step {step + 1} ({where})", run, state)


def _stop(what: str, run: RunParameters, state: ResumeState) -> NoReturn:
    kept = "no checkpoint had been written yet"
    if state.last_good:
        kept = f"the last good checkpoint is step {state.last_good} in {state.path}"
    raise TrainingError(
        f"{what}; {kept}. Lower learning_rate, "
        f"{'raise sigma_min, ' if run.sees_noise else ''}or lower clip_norm"
    )
