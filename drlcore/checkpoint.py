"""Files that are written whole or not at all: safetensors for tensors, JSON for what they mean."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from drlcore.errors import ArtefactError


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` on a temporary file beside ``path``, then move it into place.

    A reader sees the old file or the new one, never half of one.

    Raises:
        ArtefactError: the disk is full or the folder not writable; ``path`` is as it was.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=".partial-", suffix=path.suffix
        )
        os.close(handle)
        write(Path(temporary))
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ArtefactError(
            f"cannot write {path}: {error}. Free some space or check permissions and start again; "
            "everything finished before is kept"
        ) from error


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, lambda temporary: save_file(held, temporary))


def load_tensors(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read safetensors to the CPU.

    Raises:
        ArtefactError: absent, corrupt, or not of the given checksum.
    """
    if not path.is_file():
        raise ArtefactError(f"{path} is missing")
    if sha256 is not None and (found := file_sha256(path)) != sha256:
        raise ArtefactError(
            f"{path} is corrupt: expected sha256 {sha256}, found {found}; delete it and run again"
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ArtefactError(f"{path} is corrupt ({error}); delete it and run again") from error


def save_state(path: Path, tensors: Mapping[str, Tensor], data: str) -> None:
    """Keep ``tensors``, the state of a computation on the data of checksum ``data``, atomically."""
    save_tensors(path, {**tensors, "data": torch.tensor(list(data.encode()), dtype=torch.uint8)})


def load_state(path: Path, data: str) -> dict[str, Tensor] | None:
    """What ``save_state`` kept; None if it kept nothing.

    Raises:
        ArtefactError: it is corrupt, or of a computation on other data.
    """
    if not path.is_file():
        return None
    tensors = load_tensors(path)
    if bytes(tensors["data"].tolist()).decode() != data:
        raise ArtefactError(
            f"{path} was begun on other data than is here now; delete it to start again"
        )
    return tensors


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of ``tensors`` whose name begins with ``prefix``, named without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers of each parameter, by ``<parameter number>.<name>``."""
    state = optimiser.state_dict()["state"]
    return {
        f"{i}.{k}": v for i, of_one in state.items() for k, v in of_one.items() if v is not None
    }


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give back what ``optimiser_tensors`` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".")
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def save_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON with sorted keys, atomically."""
    text = json.dumps(values, indent=1, sort_keys=True) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text))


def load_json(path: Path) -> dict[str, Any]:
    """Read JSON. Raises ArtefactError if absent or corrupt."""
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        raise ArtefactError(f"{path} is missing") from None
    except ValueError as error:
        raise ArtefactError(f"{path} is corrupt ({error}); delete it and run again") from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """Version of this package and, in a git checkout, its commit; '+' marks uncommitted changes.

    Only ``drlcore`` counts: a new figure or notebook does not make the code another one.
    """
    package = version("drlcore")
    folder = Path(__file__).parent
    git = ["git", "-C", str(folder)]
    try:
        commit = _output([*git, "log", "-1", "--format=%h", "--", "."])
        dirty = _output([*git, "status", "--porcelain", "--", "."])
    except (OSError, subprocess.CalledProcessError):
        return package
    return f"{package}-g{commit}{'+' if dirty else ''}" if commit else package


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def environment(device: torch.device) -> dict[str, str]:
    """What bits depend on beside the parameters: versions and hardware kind."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return {"version": code_version(), "torch": torch.__version__, "device": name}
