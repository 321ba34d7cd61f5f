"""A fitted DRL as files: weights, parameters and a model card, in a folder or on the hub.

``model.safetensors`` holds the weights, ``config.json`` all else that ``transform`` and
``inverse_transform`` need: no images, no path, nothing that is run.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from drlcore.errors import ArtefactError, ParameterError
from drlcore.estimator.images import Form, without_images
from drlcore.training.checkpoint import (
    environment,
    file_sha256,
    load_tensors,
    save_tensors,
    write_atomically,
)
from drlcore.training.device import pick_device
from drlcore.training.run import RunParameters, build_model

if TYPE_CHECKING:
    from drlcore.estimator.drl import DRL

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
_HERE = ("noise", "device", "progress", "random_state")  # arguments that files do not hold


class Config(BaseModel):
    """``config.json``.

    Attributes:
        arguments: of the estimator, but for those of this machine.
        noise: of the stage that trained the encoder.
        run, key: parameters of the run whose weights these are, and its key.
        form: of the images, see ``Form``.
        notes: what was converted.
        environment: where it was trained.
        sha256: of the weights.
    """

    model_config = ConfigDict(frozen=True, extra="allow")  # a later version may add

    arguments: dict[str, Any]
    run: dict[str, Any]
    key: str
    form: Form
    notes: tuple[str, ...]
    environment: dict[str, str]
    sha256: str


def save(drl: DRL, folder: Path) -> Path:
    """Write the three files; the folder is made if need be, and returned.

    Raises:
        ArtefactError: they cannot be written.
    """
    save_tensors(folder / WEIGHTS, drl.model_.state_dict())
    config = Config(
        arguments={k: v for k, v in drl.get_params().items() if k not in _HERE},
        run=drl.run_.model_dump(mode="json"),
        key=drl.key_,
        form=drl.form_,
        notes=drl.notes_,
        environment=environment(next(drl.model_.parameters()).device),
        sha256=file_sha256(folder / WEIGHTS),
    )
    text = json.dumps(config.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    for name, content in {CONFIG: text, CARD: model_card(drl, config)}.items():
        write_atomically(folder / name, partial(Path.write_text, data=content, encoding="utf-8"))
    return folder


def push(drl: DRL, repo_id: str, private: bool, token: str | None) -> str:
    """Upload the files of ``save`` to a repository of the hub; returns its address.

    Raises:
        ParameterError: huggingface_hub is not installed.
    """
    from tempfile import TemporaryDirectory

    hub = _hub()
    api = hub.HfApi(token=token)
    url = api.create_repo(repo_id, private=private, exist_ok=True)
    with TemporaryDirectory() as folder:
        api.upload_folder(
            repo_id=repo_id, folder_path=save(drl, Path(folder)), commit_message="DRL model"
        )
    return str(url)


def load(of: type[DRL], name: str | Path, device: str, revision: str | None) -> DRL:
    """The estimator of a folder; of the hub if there is no folder of that name.

    Raises:
        ArtefactError: neither is there, or the files are damaged.
        ParameterError: huggingface_hub is needed and not installed.
    """
    folder = Path(name)
    if not folder.is_dir():
        if folder.is_absolute() or str(name).count("/") != 1 or str(name).startswith("."):
            raise ArtefactError(f"{name}: no such folder; on the hub a model is owner/name")
        found = _hub().snapshot_download(
            str(name), revision=revision, allow_patterns=[WEIGHTS, CONFIG]
        )
        folder = Path(found)
    config = _config(folder / CONFIG)
    try:
        run = RunParameters.from_json(json.dumps(config.run))
        encoder = run.first_stage or run
        drl = of(**config.arguments, noise=encoder.noise, random_state=run.seed, device=device)
        model = build_model(run, without_images(run.dataset, config.form.shape))
    except (ParameterError, TypeError) as error:
        raise ArtefactError(f"{folder / CONFIG}: {error}") from None
    if (found := file_sha256(folder / WEIGHTS)) != config.sha256:
        raise ArtefactError(
            f"{folder / WEIGHTS} is corrupt: expected sha256 {config.sha256}, found {found}"
        )
    model.load_state_dict(load_tensors(folder / WEIGHTS))
    drl.keep(run, config.key, model.to(pick_device(device)), config.form, config.notes)
    return drl


def _config(path: Path) -> Config:
    try:
        return Config.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ArtefactError(
            f"{path}: {error.strerror}; is it a folder of save_pretrained?"
        ) from None
    except ValidationError as error:
        what = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, what["loc"]))
        raise ArtefactError(
            f"{path} is no configuration of a DRL ({where}: {what['msg']})"
        ) from None


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError:
        raise ParameterError(
            "models on the hub need huggingface_hub: pip install 'drlcore[hub]'"
        ) from None
    return huggingface_hub


def model_card(drl: DRL, config: Config) -> str:
    """The model card, written from the run: front matter of the hub, and what a user must know."""
    run, noise = drl.run_, (drl.run_.first_stage or drl.run_).noise
    conditioned = "E(x0, t)" if run.time_conditioned else "E(x0)"
    shape = " x ".join(map(str, config.form.shape))
    rows = {
        "method": f"{run.method}, {conditioned}",
        "code": f"{run.latent_dim} numbers",
        "noise trained on": noise.label,
        "images": f"{shape} (channels, height, width), {config.form.scale}",
        "data": run.dataset,
        "networks": f"encoder {run.encoder}, score network {run.score_network}",
        "training": f"{run.steps:,} steps of {run.batch_size} images, seed {run.seed}",
        "run": config.key,
        "code version": config.environment["version"],
    }
    if run.first_stage is not None:
        rows["drawing"] = f"a second score network for the same codes, {run.noise.label}"
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    notes = "".join(f"- {note}\n" for note in config.notes)
    return f"""---
library_name: drlcore
tags: [diffusion, representation-learning, image-feature-extraction]
---
# A code learnt by denoising

The encoder of *Diffusion-Based Representation Learning* (arXiv 2105.14257): it was trained by
nothing but the error of a denoiser that is given its code. The noise it was trained on decides what
the code is about: low noise detail, high noise what an image is of.

| | |
|---|---|
{table}

```python
from drlcore import DRL

drl = DRL.from_pretrained("this folder, or owner/name")
z = drl.transform(images)  # (N, {run.latent_dim})
images = drl.inverse_transform(z)
```
{notes and chr(10) + "How the images were read:" + chr(10) + chr(10) + notes}"""
