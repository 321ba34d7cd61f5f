"""Files that are written whole or not at all: safetensors for tensors, JSON for what they mean."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from drlcore.errors import ArtefactError

PARTIAL = ".partial-"
"""How the names of files begin that are being written, or were when their writer was killed."""


def write_atomically(
    path: Path, write: Callable[[Path], object], announce: Callable[[str], object] | None = None
) -> None:
    """Call ``write`` on a temporary file beside ``path``, then move it into place.

    A reader sees the old file or the new one, never half of one, also after a power cut.

    Args:
        announce: called with the new file's SHA-256 when it is complete but not yet in place.

    Raises:
        ArtefactError: the disk is full or the folder not writable; ``path`` is as it was.
    """
    temporary = path.with_name(f"{PARTIAL}{uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.chmod(0o644)
        _sync(temporary, os.O_RDWR)
        if announce is not None:
            announce(file_sha256(temporary))
        temporary.replace(path)
        with suppress(OSError):  # not every system can do this with a folder
            _sync(path.parent, os.O_RDONLY)
    except (OSError, SafetensorError) as error:
        raise ArtefactError(
            f"cannot write {path}: {error}. Free some space or check permissions and start again; "
            "everything finished before is kept"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sync(path: Path, flags: int) -> None:
    """Wait until ``path`` is on the disk."""
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], announce: Callable[[str], object] | None = None
) -> None:
    """Write tensors as safetensors, atomically; ``announce`` as in ``write_atomically``."""
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, lambda temporary: save_file(held, temporary), announce)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors to the CPU.

    Raises:
        ArtefactError: absent or corrupt.
    """
    if not path.is_file():
        raise ArtefactError(f"{path} is missing")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ArtefactError(f"{path} is corrupt ({error}); delete it and run again") from error


def save_state(path: Path, tensors: Mapping[str, Tensor], of: str) -> None:
    """Keep ``tensors``, the state of the computation ``of``, atomically.

    ``of`` names everything that the state belongs to: the run, and the checksum of its data.
    """
    held = {**tensors, "of": torch.tensor(list(of.encode()), dtype=torch.uint8)}
    save_tensors(path, {**held, "sha256": _digest(held)})


def load_state(path: Path, of: str) -> dict[str, Tensor] | None:
    """What ``save_state`` kept; None if it kept nothing.

    Raises:
        ArtefactError: it is corrupt, or of another computation.
    """
    if not path.is_file():
        return None
    tensors = load_tensors(path)
    digest, begun = tensors.pop("sha256", None), tensors.get("of")
    if digest is None or begun is None or not torch.equal(digest, _digest(tensors)):
        raise ArtefactError(f"{path} is corrupt (checksum); delete it to start again")
    if (found := bytes(begun.tolist()).decode()) != of:
        raise ArtefactError(f"{path} is of {found}, not of {of}; delete it to start again")
    return tensors


def _digest(tensors: Mapping[str, Tensor]) -> Tensor:
    """SHA-256 of names, types, shapes and values: uint8 (32,)."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        value = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
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


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV, every number to its last digit, the same on every system."""
    return table.to_csv(index=False, lineterminator="\n").encode()


def bytes_sha256(content: bytes) -> str:
    """SHA-256 of ``content``, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


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
    folder = Path(__file__).parents[1]
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
