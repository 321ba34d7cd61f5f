"""Figures that know their origin, and the manifest that lists them."""

from __future__ import annotations

import ast
import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from PIL import Image

from drlcore.data import paths
from drlcore.data.datasets import available, load_dataset
from drlcore.errors import ArtefactError, DataError
from drlcore.paper.experiments.base import Experiment
from drlcore.paper.products import Product
from drlcore.training.checkpoint import file_sha256, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Every figure: notebook -> name -> what it stands for.
FIGURES: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)
METADATA_KEY = "drlcore"
MANIFEST = "manifest.csv"


def save_figure(
    figure: Figure,
    name: str,
    experiment: Experiment,
    inputs: Sequence[Product[Any]] = (),
    result: str | None = None,
) -> None:
    """Write ``figures/<place>/<name>.png`` and ``.pdf`` with their origin in the metadata.

    The origin is what the picture is made of, and no commit: drawn again it is the same file.

    Args:
        name: one of ``FIGURES`` of the experiment's notebook.
        experiment: the resolved parameters.
        inputs: the products it draws from.
        result: the name of the result table it draws from, if it does.

    Raises:
        KeyError: a name that the registry does not have.
    """
    shows = FIGURES[experiment.notebook][name]
    source = source_fingerprint(experiment.notebook)
    made_of = origin(name, shows, experiment, source, inputs, result)
    write_figure(figure, experiment, made_of)


def write_figure(
    figure: Figure,
    experiment: Experiment,
    made_of: Mapping[str, Any],
    ends: Sequence[str] = ("png", "pdf"),
) -> list[Path]:
    """Write the ``figure`` in these formats, each with its origin ``made_of``; where they are."""
    name, text = made_of["figure"], json.dumps(made_of, sort_keys=True)
    formats: dict[str, dict[str, Any]] = {
        "png": {"Title": name, METADATA_KEY: text},
        "pdf": {"Title": name, "Keywords": text, "CreationDate": None},
    }
    written = [paths.figures(experiment.place) / f"{name}.{end}" for end in ends]
    for end, path in zip(ends, written, strict=True):
        write_atomically(path, partial(figure.savefig, format=end, metadata=formats[end]))
    return written


def origin(
    name: str,
    shows: str,
    experiment: Experiment,
    source: str,
    inputs: Sequence[Product[Any]] = (),
    result: str | None = None,
) -> dict[str, Any]:
    """What a picture is made of: the arguments of ``save_figure``, resolved, and ``source``.

    Args:
        shows: what it stands for.
        source: the fingerprint of what draws it.

    Raises:
        ArtefactError: an input that has not been computed.
    """
    read = {product.name: product.sha256 for product in inputs}
    if result is not None:
        table = paths.results(experiment.place) / f"{result}.csv"
        read[f"results/{experiment.place}/{result}.csv"] = file_sha256(table)
    dataset = experiment.dataset_names[0]
    return {
        "figure": name,
        "shows": shows,
        "notebook": experiment.notebook,
        "source": source,
        "parameters": json.loads(experiment.model_dump_json()),
        "seeds": list(experiment.seeds),
        "dataset": dataset,
        "data_checksum": _checksum(dataset, inputs),
        "version": version("drlcore"),
        "inputs": read,
    }


def _checksum(dataset: str, inputs: Sequence[Product[Any]]) -> str:
    """Of the images; where they are not here, of those that the inputs were computed from."""
    stored = inputs[0].stored if inputs and not available(dataset) else None
    return load_dataset(dataset).checksum if stored is None else stored.card.data.checksum


def origin_of(path: Path) -> dict[str, Any]:
    """The origin stored in a PNG. Raises ArtefactError if ``save_figure`` did not write it."""
    with Image.open(path) as image:
        if METADATA_KEY not in image.info:
            raise ArtefactError(f"{path} does not say where it is from; take it away")
        return dict(json.loads(image.info[METADATA_KEY]))


def source_fingerprint(notebook: str) -> str:
    """12 hex digits of the SHA-256 of what draws a figure: the notebook's code and the style.

    The parameters cell is left out; its values are in the metadata as resolved.
    """
    code = _code(notebook) + [path.read_text(encoding="utf-8") for path in style_files(notebook)]
    return hashlib.sha256("\n".join(code).encode()).hexdigest()[:12]


def style_files(notebook: str) -> list[Path]:
    """The files that say how a notebook's figures look, sorted.

    These are ``plots/drl.mplstyle``, ``plots/style.py`` and every other of ``plots`` that the
    notebook's code imports, itself or through another of them.
    """
    here = Path(__file__).with_name("plots")
    found: set[Path] = set()
    left = {"style", *_imported_plots("\n".join(_code(notebook)))}
    while left:
        path = here / f"{left.pop()}.py"
        if path not in found:
            found.add(path)
            left |= _imported_plots(path.read_text(encoding="utf-8"))
    return sorted(found | {here / "drl.mplstyle"})


def _code(notebook: str) -> list[str]:
    """The code cells of a notebook but the parameters; none where only the package is."""
    try:
        path = paths.root() / "notebooks" / f"{notebook}.ipynb"
    except DataError:
        return []
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]  # nbformat takes 2 s to import
    return [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code" and "parameters" not in cell["metadata"].get("tags", [])
    ]


def _imported_plots(code: str) -> set[str]:
    """Which of the modules of ``drlcore.paper.plots`` Python ``code`` imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            package = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names |= {package + alias.name for alias in node.names}
    return {name.split(".")[3] for name in names if name.startswith("drlcore.paper.plots.")}


def write_manifest(place: str) -> pd.DataFrame:
    """List the figures of ``figures/<place>`` with their origin in ``manifest.csv`` beside them.

    Raises:
        ArtefactError: there are none.
        ParameterError: a place outside ``figures``.
    """
    folder = paths.figures(place)
    names = {f"{name}.png" for shown in FIGURES.values() for name in shown}
    columns = ["shows", "notebook", "source", "dataset", "data_checksum", "version"]
    rows = []
    for path in sorted(path for path in folder.glob("*.png") if path.name in names):
        origin = origin_of(path)
        rows.append(
            {
                "file": path.name,
                "sha256": file_sha256(path),
                **{column: origin[column] for column in columns},
                "seeds": " ".join(map(str, origin["seeds"])),
                "parameters": json.dumps(origin["parameters"], sort_keys=True),
                "inputs": len(origin["inputs"]),
            }
        )
    if not rows:
        raise ArtefactError(f"no figures in {folder}")
    manifest = pd.DataFrame(rows)
    write_atomically(folder / MANIFEST, lambda temporary: manifest.to_csv(temporary, index=False))
    return manifest
