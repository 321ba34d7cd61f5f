"""Figures that know their origin, and the manifest that lists them."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from drlcore.data import paths
from drlcore.data.datasets import load_dataset
from drlcore.errors import ArtefactError, DataError
from drlcore.paper.experiments.base import Experiment
from drlcore.paper.products import Product
from drlcore.training.checkpoint import file_sha256, write_atomically

# Every figure: notebook -> name -> what it stands for (ICLR-2022 figure numbers).
FIGURES: dict[str, dict[str, str]] = {
    "00_start_here": {"idea": "Fig. 1, the scheme in pictures"},
    "01_forward_sde": {
        "forward_process": "what each noise level erases",
        "sde_schedules": "VE, VP and sub-VP on one noise range",
        "t_samplers": "which noise levels each t-sampler trains on",
    },
    "02_score_matching_floor": {
        "prop1_terms": "Prop. 1, three terms by noise level",
        "factor_gain": "which factor each noise level rewards",
    },
    "03_train_drl": {
        "latent_drl": "Figs. 2 and 7, DRL at uniform t and at uniform sigma",
        "latent_vdrl": "Figs. 5 and 3, VDRL at uniform t and at uniform sigma",
        "code_usage": "Sec. 3, loss with own, shuffled, constant and no code",
        "swapped_codes": "Fig. 9, denoising with another image's code",
        "same_code": "Fig. 10, samples of one code by latent dimension",
    },
    "04_noise_dial": {
        "noise_dial": "Fig. 11 and the headline: class and detail by noise level",
        "dial_factors": "every factor by noise level",
        "dial_codes": "test codes across the dial",
        "dial_samples": "samples from the codes across the dial",
        "toy_dial": "the dial where the answer is known",
    },
    "05_code_as_a_curve": {
        "code_curves": "trajectories t -> E(x0, t) in the plane, and the codes at four times",
        "curve_over_time": "class and detail along the curve",
        "prop2_steps": "Prop. 2, the end of the curve against an autoencoder by training length",
    },
    "06_downstream": {
        "downstream_over_time": "ICML downstream figure: accuracy by encoder time, all methods",
        "downstream_methods": "every method at its best time",
        "few_shot": "Fig. 12, few labels by encoder time",
    },
    "07_trajectory": {
        "shared_information": "mutual information between points of the trajectory",
        "trajectory_attention": "attention over the trajectory, and its ablation",
    },
    "08_sde_ablation": {"sde_ablation": "DRL and VDRL under VE, VP and sub-VP"},
    "09_semi_supervised": {
        "label_graph": "the idea: pseudo-labels before and after",
        "semi_supervised": "Table 1: accuracy by number of labels",
        "semi_supervised_gain": "Tables 1, 4, 5: gain over no pretraining",
        "pretraining_questions": "pretraining set, encoder time, mixup",
    },
    "99_claims": {},
}
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
    runs = [product.run for product in inputs]
    read = {product.name: product.sha256 for product in inputs}
    if result is not None:
        table = paths.results(experiment.place) / f"{result}.csv"
        read[f"results/{experiment.place}/{result}.csv"] = file_sha256(table)
    dataset = getattr(experiment, "dataset_names", [getattr(experiment, "dataset", "toy")])[0]
    seeds = sorted({run.seed for run in runs} | {getattr(experiment, "seed", 0)})
    origin = {
        "figure": name,
        "shows": shows,
        "notebook": experiment.notebook,
        "source": source_fingerprint(experiment.notebook),
        "parameters": json.loads(experiment.model_dump_json()),
        "seeds": list(getattr(experiment, "seeds", seeds)),
        "dataset": dataset,
        "data_checksum": load_dataset(dataset).checksum,
        "version": version("drlcore"),
        "inputs": read,
    }
    text = json.dumps(origin, sort_keys=True)
    path = paths.figures(experiment.place) / f"{name}.png"
    with mpl.rc_context({"svg.hashsalt": name}):
        write_atomically(
            path,
            lambda temporary: figure.savefig(
                temporary, format="png", metadata={"Title": name, METADATA_KEY: text}
            ),
        )
        write_atomically(
            path.with_suffix(".pdf"),
            lambda temporary: figure.savefig(
                temporary,
                format="pdf",
                metadata={"Title": name, "Keywords": text, "CreationDate": None},
            ),
        )


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
    cells = nbformat.read(path, as_version=4).cells
    return [
        cell.source
        for cell in cells
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", [])
    ]


def _imported_plots(code: str) -> set[str]:
    """Which of the modules of ``drlcore.paper.plots`` Python ``code`` imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    plots = (re.match(r"drlcore\.paper\.plots\.([a-z]\w*)", name) for name in names)
    found = {match[1] for match in plots if match}
    return {
        name for name in found if Path(__file__).with_name("plots").joinpath(f"{name}.py").is_file()
    }


def write_manifest(place: str) -> pd.DataFrame:
    """List the figures of ``figures/<place>`` with their origin in ``manifest.csv`` beside them.

    Raises:
        ArtefactError: there are none.
        ParameterError: a place outside ``figures``.
    """
    folder = paths.figures(place)
    names = {f"{name}.png" for shown in FIGURES.values() for name in shown}
    rows = []
    for path in sorted(path for path in folder.glob("*.png") if path.name in names):
        origin = origin_of(path)
        rows.append(
            {
                "file": path.name,
                "sha256": file_sha256(path),
                **{k: origin[k] for k in ("shows", "notebook", "source", "dataset")},
                "data_checksum": origin["data_checksum"],
                "version": origin["version"],
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
