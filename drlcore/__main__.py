"""Steps of the workflow: ``python -m drlcore train|evaluate|manifest|publish|data|images|dial``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np

from drlcore.data import canonical, forms, paths, picture_folder, published
from drlcore.data.datasets import DATASETS, available
from drlcore.data.download import download
from drlcore.errors import ArtefactError, DataError, ParameterError, TrainingError
from drlcore.paper.experiments import EXPERIMENTS
from drlcore.paper.experiments.base import Experiment
from drlcore.paper.experiments.own_dial import OwnDial
from drlcore.paper.figures import write_manifest
from drlcore.training.checkpoint import write_atomically
from drlcore.training.device import own_gpu
from drlcore.training.store import load_or_train


def main(arguments: list[str] | None = None) -> int:
    """Run one step; 1 and one line on stderr if it cannot be done."""
    parser = argparse.ArgumentParser(prog="drlcore", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    for name, asked_for in (("train", "keys of runs"), ("evaluate", "products, as key/file")):
        step = steps.add_parser(name, help=f"{name} what a notebook's experiment needs")
        step.add_argument("notebook", choices=sorted(EXPERIMENTS))
        step.add_argument("parameters", help="resolved parameters of the experiment, as JSON")
        step.add_argument("names", nargs="+", help=asked_for)
    manifest = steps.add_parser("manifest", help="list the figures of a folder")
    manifest.add_argument("place", help="a preset, or a folder of mine/")
    steps.add_parser("publish", help="commit-ready copies of the last laptop run")
    data = steps.add_parser("data", help="fetch a data set; without a name, list them")
    data.add_argument("dataset", nargs="?", choices=DATASETS)
    data.add_argument(
        "--from",
        dest="have",
        type=Path,
        help="take it from this folder or archive; nothing is downloaded",
    )
    images = steps.add_parser("images", help="convert a folder of pictures to an .npz, once")
    images.add_argument(
        "folder", type=Path, help="pictures, in sub-folders by class if there are any"
    )
    images.add_argument("file", type=Path, help="the .npz to write")
    images.add_argument("--image-size", type=int, help="side of the square they are resized to")
    images.add_argument("--skip-unreadable", action="store_true", help="leave such pictures out")
    dial = steps.add_parser("dial", help="the noise dial of any images: a page, a figure, a table")
    dial.add_argument("dataset", help="a folder of pictures, an .npz, an .npy, or a known name")
    dial.add_argument("--preset", default="laptop", help="how long is trained: smoke, laptop, ...")
    for name, of in {
        "levels": "noise levels, evenly spaced in log sigma; 9 at laptop",
        "seeds": "trainings of each level; 1",
        "latent-dim": "size of the code; 2",
        "steps": "of a training; the preset's",
    }.items():
        dial.add_argument(f"--{name}", type=int, help=of)
    asked = parser.parse_args(arguments)
    try:
        if asked.step == "manifest":
            print(f"{len(write_manifest(asked.place))} figures listed")
        elif asked.step == "publish":
            from drlcore.paper.publish import publish  # its nbformat takes 2 s to import

            publish()
        elif asked.step == "data":
            _data(asked.dataset, asked.have)
        elif asked.step == "images":
            _images(asked.folder, asked.file, asked.image_size, asked.skip_unreadable)
        elif asked.step == "dial":
            _dial(asked)
        else:
            experiment = EXPERIMENTS[asked.notebook].from_json(asked.parameters)
            _do(asked.step, experiment, asked.names)
    except (ArtefactError, DataError, ParameterError, TrainingError, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def _data(name: str | None, have: Path | None) -> None:
    if have is not None:
        if name is None:
            raise ParameterError("--from says where a data set is taken from; say which one")
        _import(name, have)
    elif name is not None:
        download(name)
    for each in DATASETS if name is None else (name,):
        print(f"{each:15}{'here' if available(each) else 'absent'}")


def _import(name: str, path: Path) -> None:
    """Keep a data set of which the user has the files or, in any form, the images."""
    path = path.expanduser()  # which the shell does not do within FROM="..."
    if name in published.IMAGES:
        arrays = canonical.ordered(forms.read(name, path))
        canonical.verified(name, arrays, path)
        named = dict(zip(canonical.KEYS, arrays, strict=True))
        write_atomically(published.stored(name), partial(_save, arrays=named, how=np.savez))
    elif name in published.PUBLISHED:
        for file in published.verified(name, path if path.is_dir() else path.parent):
            write_atomically(paths.published(name) / file.name, partial(copyfile, file))
    else:
        known = ", ".join(published.PUBLISHED)
        raise ParameterError(f"{name!r} is not taken from elsewhere; allowed: {known}")


def _dial(asked: argparse.Namespace) -> None:
    from drlcore.paper.own_dial import turn  # it draws, which no other step does

    given = {
        "n_levels": asked.levels,
        "n_seeds": asked.seeds,
        "latent_dim": asked.latent_dim,
        "steps": asked.steps,
    }
    given = {name: value for name, value in given.items() if value is not None}
    for path in turn(OwnDial(dataset=asked.dataset, preset=asked.preset, **given)):
        print(path)


def _images(folder: Path, file: Path, size: int | None, skip: bool) -> None:
    if file.suffix.lower() != ".npz":
        raise ParameterError(f"{str(file)!r} does not end in .npz; allowed: the file to write")
    arrays, notes = picture_folder.read_arrays(folder, size, skip, kept=False)
    write_atomically(file.absolute(), partial(_save, arrays=arrays))
    print(*notes, sep="\n")
    shapes = [f"{key} {array.shape}" for key, array in arrays.items()]
    print(f"{file}: {', '.join(shapes)}")


def _save(
    path: Path, arrays: dict[str, Any], how: Callable[..., None] = np.savez_compressed
) -> None:
    with path.open("wb") as file:  # as a name, numpy would add an ending
        how(file, **arrays)


def _do(step: str, experiment: Experiment, names: list[str]) -> None:
    """Train the runs or compute the products of those names, in the experiment's order."""
    steps: dict[str, Callable[[], object]]
    if step == "train":
        steps = {run.key: partial(load_or_train, run) for run in experiment.runs()}
    else:
        steps = {product.name: product.load for product in experiment.products()}
    if unknown := [name for name in names if name not in steps]:
        raise ParameterError(
            f"{experiment.notebook} with these parameters has no {unknown[0]!r} to {step}"
        )
    with own_gpu(paths.runs() / ".locks", experiment.numbers.jobs.per_gpu):
        for name, do in steps.items():
            if name in names:
                do()


if __name__ == "__main__":
    sys.exit(main())
