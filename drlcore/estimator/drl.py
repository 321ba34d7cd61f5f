"""DRL as a scikit-learn transformer: images to codes, codes to images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from drlcore.baselines import METHODS
from drlcore.data.datasets import DATASETS
from drlcore.errors import ParameterError
from drlcore.estimator import pretrained
from drlcore.estimator.images import Form, images_of, unlabelled
from drlcore.model import EncoderModel, encode, with_score_network
from drlcore.noise_range import NoiseRange
from drlcore.paper.presets import PRESETS, PresetName
from drlcore.sampling import in_chunks, probability_flow_ode
from drlcore.training.run import RunParameters
from drlcore.training.store import load_or_train

_ENCODED, _NUMBERS = 2000, 2**21  # images encoded at a time, and numbers of them


class DRL(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Diffusion-based representation learning (DRL Sec. 3) with ``fit`` and ``transform``.

    The code z = E(x0) that a denoiser learns to ask for. The noise it is trained on decides what z
    holds: low noise detail, high noise what an image is of. Models are kept in ``data/runs``, so
    that the same fit on the same images is loaded, and an interrupted one goes on.

    Args:
        latent_dim: size of z.
        noise: which noise is trained on; None for all of ``NoiseRange()``, uniform in t.
        method: ``drl``, a point code, or ``vdrl``, a Gaussian one.
        time_conditioned: E(x0, t), a code for each noise level, instead of E(x0).
        lambda_z: weight of L1 (DRL) or KL (VDRL); None for 0 and the preset's.
        preset: ``smoke``, ``laptop``, ``overnight`` or ``paper``: networks, steps and optimiser of
            models whose samples are looked at.
        steps: training steps; None for the preset's.
        sampler: whether ``fit`` also trains what ``inverse_transform`` needs where ``noise`` leaves
            out levels that sampling passes: a second score network for the same codes, in as many
            steps.
        image_size: side that pictures of a folder are resized and cropped to; None keeps them if
            they are small and of one size, see ``data.picture_folder``.
        device: ``auto``, or one of torch's.
        random_state: seed of weights, batches, times and noise.
        progress: show a bar.

    Attributes:
        run_, key_: the run whose model is used, and its key in ``data/runs``; its ``first_stage``,
            if any, is the run that trained the encoder.
        model_: that model.
        form_: what the images of ``fit`` looked like, which new ones must too.
        notes_: what was converted, in words.
        n_features_in_: values of an image.

    Example:
        >>> from drlcore import DRL, load_dataset
        >>> images = load_dataset("digits").train.x.numpy()
        >>> drl = DRL(latent_dim=3, preset="smoke", steps=5, progress=False).fit(images)
        >>> z = drl.transform(images[:4])
        >>> z.shape, drl.inverse_transform(z, nfe=5).shape
        ((4, 3), (4, 1, 8, 8))
    """

    def __init__(
        self,
        latent_dim: int = 16,
        noise: NoiseRange | None = None,
        *,
        method: Literal["drl", "vdrl"] = "drl",
        time_conditioned: bool = False,
        lambda_z: float | None = None,
        preset: PresetName = "laptop",
        steps: int | None = None,
        sampler: bool = True,
        image_size: int | None = None,
        device: str = "auto",
        random_state: Any = 0,
        progress: bool = True,
    ) -> None:
        self.latent_dim = latent_dim
        self.noise = noise
        self.method = method
        self.time_conditioned = time_conditioned
        self.lambda_z = lambda_z
        self.preset = preset
        self.steps = steps
        self.sampler = sampler
        self.image_size = image_size
        self.device = device
        self.random_state = random_state
        self.progress = progress

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Train on images, or load what has been trained on them.

        Args:
            X: a folder of pictures, an ``.npz``, an array, a torch or Hugging Face data set, a
                table of paths: see ``data.in_memory``. All of them are trained on, but for a folder
                or file with parts, of which it is the training part.
            y: ignored, as any labels of X: a code is learnt without.

        Raises:
            DataError: images that cannot be used; it says why and what to do.
            ParameterError: an impossible parameter.
            TrainingError: see ``train``.
        """
        x, form, notes = images_of(X, self.image_size)
        data = unlabelled(x)
        DATASETS[data.name] = data
        try:
            run = self._run(data.name)
            key, model = run.key, load_or_train(run, progress=self.progress, device=self.device)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                "what is trained so far is kept, up to 20 seconds ago: the same fit goes on there"
            ) from None
        finally:
            del DATASETS[data.name]
        return self.keep(run, key, model, form, notes)

    def keep(
        self, run: RunParameters, key: str, model: EncoderModel, form: Form, notes: tuple[str, ...]
    ) -> Self:
        """Become the fit of these; see Attributes."""
        self.run_, self.key_, self.model_ = run, key, model
        self.form_, self.notes_ = form, notes
        self._n_features_out = self.latent_dim
        self.n_features_in_ = int(np.prod(form.shape))
        return self

    def transform(self, X: Any, sigma: float | None = None) -> NDArray[np.float32]:  # noqa: N803
        """Codes of images, shape (N, latent_dim): the mean of a Gaussian one.

        Args:
            X: images of the form of those in ``fit``, in any container that it takes.
            sigma: the noise level at which E(x0, t) is read; None for the largest it was trained
                on. A code E(x0) has none.

        Raises:
            DataError: images of another form.
            ParameterError: a noise level of a code that has none, or outside the range.
        """
        check_is_fitted(self)
        x, _, _ = images_of(X, self.image_size, like=self.form_)
        if sigma is not None and not self.time_conditioned:
            raise ParameterError(f"sigma = {sigma:g}: only a code E(x0, t) is read at one")
        level = self.run_.read_at if sigma is None else sigma
        low, high = self.run_.noise.sigma_min, self.run_.noise.sigma_max
        if level is not None and not low <= level <= high:
            raise ParameterError(f"sigma = {level:g}; allowed: {low:g} to {high:g}")
        some = max(1, min(_ENCODED, _NUMBERS // self.n_features_in_))
        return encode(self.model_, x, level, batch_size=some)

    def inverse_transform(
        self, X: ArrayLike, *, nfe: int = 35, random_state: Any = 0  # noqa: N803
    ) -> NDArray[Any]:  # fmt: skip
        """Images drawn given codes, one for each, by the probability-flow ODE (DRL Sec. 2.1).

        What a code leaves open is drawn: another ``random_state`` gives other images of it.

        Args:
            X: codes, shape (N, latent_dim).
            nfe: function evaluations of an image, rounded up to an odd number.
            random_state: seed of the noise that the images begin as.

        Returns:
            Images in the layout and scale of those in ``fit``.

        Raises:
            ParameterError: codes of another size, or a model that saw no small noise.
        """
        check_is_fitted(self)
        z = torch.from_numpy(np.array(X, dtype=np.float32, ndmin=2))
        if z.shape[1:] != (self.latent_dim,) or not bool(torch.isfinite(z).all()):
            raise ParameterError(
                f"codes of shape {tuple(z.shape)}; allowed: finite, (N, {self.latent_dim})"
            )
        if self.run_.noise.window[0] > self.run_.noise.sigma_min:
            raise ParameterError(
                f"this model saw no noise below sigma = {self.run_.noise.window[0]:g}, in which "
                "sampling ends: fit it with sampler=True"
            )
        model = with_score_network(self.model_)
        device = next(model.parameters()).device
        seed = check_random_state(random_state).randint(2**31 - 1)
        generator = torch.Generator().manual_seed(int(seed))
        shape, steps = (len(z), *self.form_.shape), max(1, (nfe + 2) // 2)
        if not len(z):
            return self.form_.restored(torch.empty(shape))
        denoise = in_chunks(model.denoise)
        drawn = probability_flow_ode(model.sde, denoise, z.to(device), shape, steps, generator)
        return self.form_.restored(drawn.x.cpu())

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write weights, parameters and a model card: see ``pretrained``."""
        check_is_fitted(self)
        return pretrained.save(self, Path(folder))

    def push_to_hub(self, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
        """Upload the same to the Hugging Face hub, and return the address."""
        check_is_fitted(self)
        return pretrained.push(self, repo_id, private, token)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, device: str = "auto", revision: str | None = None
    ) -> DRL:
        """The model of a folder that ``save_pretrained`` wrote, or of a repository of the hub.

        Raises:
            ArtefactError: no such model, or damaged files.
        """
        return pretrained.load(cls, name, device, revision)

    def _run(self, dataset: str) -> RunParameters:
        """What is trained: one stage, or a second one for what draws."""
        if self.preset not in PRESETS:
            raise ParameterError(f"preset = {self.preset!r}; known are: {', '.join(PRESETS)}")
        if self.method not in ("drl", "vdrl"):
            raise ParameterError(f"method = {self.method!r}; known are: drl, vdrl")
        numbers = PRESETS[self.preset].drawn
        noise = NoiseRange() if self.noise is None else self.noise
        price = self.lambda_z
        if price is None:
            price = numbers.lambda_kl if METHODS[self.method].gaussian else 0.0
        values = {
            **numbers.training,
            "dataset": dataset,
            "method": self.method,
            "noise": noise,
            "latent_dim": self.latent_dim,
            "time_conditioned": self.time_conditioned,
            "lambda_z": price,
            "seed": _seed(self.random_state),
            "steps": numbers.steps if self.steps is None else self.steps,
        }
        run = RunParameters(**values)
        # A time-conditioned encoder tells the time by its own range.
        whole = noise.whole() if self.time_conditioned else NoiseRange()
        return run.second_stage(whole) if self.sampler and noise != whole else run

    def __sklearn_tags__(self) -> Any:  # noqa: D105
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _seed(random_state: Any) -> int:
    """A whole number as it is; of a generator, or None, one drawn from it."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise ParameterError(f"random_state: {error}") from None
