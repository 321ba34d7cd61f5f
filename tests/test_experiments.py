"""What a notebook may be asked: bounds, what reads each parameter, what it says of itself."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from drlcore.data import paths
from drlcore.errors import ParameterError
from drlcore.noise_range import NoiseRange
from drlcore.paper.experiments import (
    EXPERIMENTS,
    Downstream,
    Experiment,
    ForwardSDE,
    LatentSpace,
    NoiseDial,
    SemiSupervised,
)
from drlcore.paper.presets import PRESETS

SMALL = {"preset": "smoke", "dataset": "digits", "n_seeds": 1, "n_levels": 2, "steps": 2}
FIELDS = [
    (notebook, field)
    for notebook, cls in EXPERIMENTS.items()
    for field in cls.model_fields
    if field != "preset"
]
# Their sigma_max ends where VP does, at 152.
DRAW_EVERY_SDE = ("01_forward_sde", "08_sde_ablation", "15_cifar10_trajectory")
# Values at the bounds, and beyond them.
ALLOWED: dict[str, list[dict[str, Any]]] = {
    "dataset": [{"dataset": "digits"}, {"dataset": "mnist"}],
    "sde": [{"sde": name} for name in ("ve", "vp", "subvp")],
    "sigma_min": [{"sigma_min": 1e-6}, {"sigma_min": 49.5}],
    "sigma_max": [{"sigma_max": 0.0101}, {"sigma_max": 152.0}, {"sigma_max": 1e5}],
    "clock": [{"clock": "range"}, {"clock": "released"}],
    "weighting": [{"weighting": "std2"}, {"weighting": "edm"}],
    "latent_dim": [{"latent_dim": 2}, {"latent_dim": 1024}],
    "n_seeds": [{"n_seeds": 1}, {"n_seeds": 100}],
    "n_levels": [{"n_levels": 2}, {"n_levels": 200}],
    "steps": [{"steps": 1}, {"steps": 10**7}],
    "sampler_steps": [{"sampler_steps": 1}, {"sampler_steps": 10**7}],
    "fine_tuning_steps": [{"fine_tuning_steps": 26}, {"fine_tuning_steps": 10**7}],
    "n_images": [{"n_images": 400}, {"n_images": 600}],
    "n_labels": [{"n_labels": 10}, {"n_labels": "10, 100"}],
    "lambda_z": [{"lambda_z": 0.0}, {"lambda_z": 1e6}],
    "lambda_l1": [{"lambda_l1": 0.0}, {"lambda_l1": 1e6}],
    "lambda_kl": [{"lambda_kl": 0.0}, {"lambda_kl": 1e6}],
    "seed": [{"seed": 0}, {"seed": 2**32 - 100, "n_seeds": 100}],
}
HUGE = 10**30
REFUSED: dict[str, list[Any]] = {
    "dataset": ["", "cifar11"],
    "sde": ["VE"],
    "sigma_min": [0.0, 1e-40, 9e-7, 49.9, 1e300],
    "sigma_max": [0.0, 0.01005, 1.1e5, 1e300],
    "clock": ["own"],
    "weighting": ["snr"],
    "latent_dim": [0, 1, 1025, 10**9, HUGE],
    "n_seeds": [0, 101, 10**6, HUGE],
    "n_levels": [1, 201, 10**6, HUGE],
    "steps": [0, 10**7 + 1, HUGE],
    "sampler_steps": [0, HUGE],
    "fine_tuning_steps": [0, 1, HUGE],
    "n_images": [0, 5, 10**6, HUGE],
    "n_labels": [0, 7, HUGE, ",".join(str(10 * k) for k in range(1, 30))],
    "lambda_z": [-1e-9, 1e300],
    "lambda_l1": [-1e-9, 1e300],
    "lambda_kl": [-1e-9, 1e300],
    "seed": [-1, 2**32 - 99, HUGE],
}


def small(notebook: str, **values: Any) -> Experiment:
    cls = EXPERIMENTS[notebook]
    return cls(**{n: v for n, v in {**SMALL, **values}.items() if n in cls.model_fields})


def allowed(notebook: str, field: str) -> list[dict[str, Any]]:
    beyond = {"sigma_max": 1e5} if notebook in DRAW_EVERY_SDE else None
    return [values for values in ALLOWED[field] if values != beyond]


def planned(experiment: Experiment) -> list[str]:
    return [r.key for r in experiment.runs()] + [p.name for p in experiment.products()]


@pytest.mark.parametrize(("notebook", "field"), FIELDS)
def test_every_bound_of_every_parameter_can_be_planned(notebook: str, field: str) -> None:
    for values in allowed(notebook, field):
        experiment = small(notebook, **values)
        names = planned(experiment)
        assert len(set(names)) == len(names) or notebook in ("03_train_drl", "06_downstream")
        assert str(experiment).startswith("preset smoke")


@pytest.mark.parametrize(("notebook", "field"), FIELDS)
def test_beyond_its_bounds_it_is_refused_at_once_by_its_own_name(notebook: str, field: str) -> None:
    for value in REFUSED[field]:
        with pytest.raises(ParameterError) as caught:
            small(notebook, **{field: value})
        assert field in str(caught.value) and len(str(caught.value)) < 600


@pytest.mark.parametrize(("notebook", "field"), FIELDS)
def test_every_parameter_is_read(notebook: str, field: str) -> None:
    """Another value changes what is trained or computed, or the notebook's own cells read it."""
    default = planned(small(notebook))
    others = [small(notebook, **values) for values in allowed(notebook, field)]
    if any(planned(other) != default for other in others):
        return
    through = {"sigma_min": "noise", "sigma_max": "noise", "n_seeds": "seeds"}
    reads = f"experiment.{field}", f"experiment.{through.get(field, field)}"
    assert any(text in cells(notebook) for text in reads), f"nothing reads {field}"


def cells(notebook: str) -> str:
    stored = json.loads((paths.root() / "notebooks" / f"{notebook}.ipynb").read_text())
    return "\n".join("".join(c["source"]) for c in stored["cells"] if c["cell_type"] == "code")


def test_a_refused_number_of_any_length_leaves_one_readable_line() -> None:
    for value in (10**5000, "x" * 5000, 10**400):
        with pytest.raises(ParameterError) as caught:
            NoiseDial(n_seeds=value)
        assert "'n_seeds'" in str(caught.value) and len(str(caught.value)) < 400


def test_fewer_steps_are_fewer_everywhere() -> None:
    """The steps of what samples are drawn from follow, in the preset's proportion."""
    for preset in PRESETS:
        numbers = NoiseDial(preset=preset).numbers
        for steps in (None, 1, 50, 700):
            dial = NoiseDial(preset=preset, steps=steps)
            asked = steps or numbers.steps
            assert {run.steps for run in dial.dial()} == {asked}
            share = numbers.drawn.steps / numbers.steps
            for run in dial.shown():
                assert run.steps == pytest.approx(asked * share, abs=0.51)
    assert {run.steps for run in NoiseDial(steps=50, sampler_steps=9).shown()} == {9}
    space = LatentSpace(steps=50)
    assert {run.steps for run in space.runs() if run != space.reader} == {50}
    assert space.reader == LatentSpace().reader  # what samples are judged by stays the same


def test_ranges_that_an_sde_of_the_notebook_cannot_reach_are_refused() -> None:
    assert NoiseDial(sigma_max=1000.0).noise.sigma_max == 1000
    for refused in (
        lambda: ForwardSDE(sigma_max=1000.0),
        lambda: NoiseDial(sde="vp", sigma_max=1000.0),
    ):
        with pytest.raises(ParameterError, match="sigma_max = 1000: the vp SDE reaches"):
            refused()


def test_what_does_not_fit_together_is_named_as_it_was_given() -> None:
    for values in ({"n_images": 55}, {"fine_tuning_steps": 2}, {"n_images": 90, "n_labels": 80}):
        with pytest.raises(ParameterError) as caught:
            SemiSupervised(preset="smoke", **values)
        for name, value in values.items():
            assert f"{name} = {value}" in str(caught.value)


# What a notebook prints of itself.


@pytest.mark.parametrize("notebook", EXPERIMENTS)
def test_defaults_are_told_without_none_and_without_a_warning(notebook: str) -> None:
    text = str(EXPERIMENTS[notebook]())
    assert text.startswith("preset laptop, all other parameters at default")
    assert "None" not in text and "What to see" not in text
    assert all(len(line) <= 130 for line in text.splitlines())


def test_changed_parameters_are_told_and_that_the_text_is_for_others() -> None:
    text = str(NoiseDial(sigma_max=10.0, n_levels=2))
    first, numbers, last = text.splitlines()
    assert first == "preset laptop, changed: sigma_max = 10.0, n_levels = 2"
    assert numbers.startswith("levels: 0.01, 10; seeds: 3; steps: 1800, of second stages 6000")
    assert last == (
        "'What to see' below was written for the defaults, not for sigma_max = 10.0, n_levels = 2"
    )
    assert "not for preset = 'smoke'" in str(Downstream(preset="smoke"))
    assert NoiseDial(sigma_max=50.0, sde="ve").changed == {}  # given, but no other value


@pytest.mark.parametrize("notebook", EXPERIMENTS)
def test_text_on_what_is_to_be_seen_says_that_it_is_for_the_defaults(notebook: str) -> None:
    """All but that on the live examples, which read no parameter and stand before what does."""
    stored = json.loads((paths.root() / "notebooks" / f"{notebook}.ipynb").read_text())
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in stored["cells"]]
    reads = [
        kind == "code" and "experiment." in text and "from_notebook" not in text
        for kind, text in cells
    ]
    first = reads.index(True) if True in reads else len(cells)
    about = [text for _, text in cells[first:] if "What to see" in text]
    assert all("**What to see**, at the default parameters" in text for text in about)
    assert bool(about) == EXPERIMENTS[notebook].described


# Names that a notebook was given.


def history(*cells: str) -> dict[str, Any]:
    """The namespace of a kernel that ran ``cells``."""
    namespace: dict[str, Any] = {"In": ["", *cells], "get_ipython": None}
    for cell in cells:
        exec(cell, {"NoiseDial": NoiseDial, "globals": lambda: namespace}, namespace)
    return namespace


PARAMETERS = "preset: str = 'smoke'  # a\nsigma_max: float = 50.0"
LATER = "import math\ntable = [1]\nfor weight in table:\n    pass\nprint(end='')"
READ = "experiment = NoiseDial.from_notebook(globals())"


@pytest.mark.parametrize(
    ("cells", "sigma_max"),
    [
        ((PARAMETERS, READ, LATER, PARAMETERS), 50.0),
        ((PARAMETERS, READ, LATER, PARAMETERS.replace("50.0", "9.0")), 9.0),
        ((PARAMETERS, "# Parameters\nsigma_max = 8.0\n", READ, LATER), 8.0),
        ((PARAMETERS, "# Parameters\npreset = 'smoke'\nsigma_max = 8.0\n", READ, LATER), 8.0),
        ((PARAMETERS.replace("50.0", "7.0"), "# Parameters\npreset = 'smoke'\n"), 7.0),
        ((PARAMETERS, READ, LATER, "sigma_max = 6.0\nprint(end='')"), 6.0),
        ((PARAMETERS, READ, LATER), 50.0),
    ],
)
def test_the_last_parameters_count_and_no_other_globals(
    cells: tuple[str, ...], sigma_max: float
) -> None:
    experiment = NoiseDial.from_notebook(history(*cells))
    assert experiment == NoiseDial(preset="smoke", sigma_max=sigma_max)


@pytest.mark.parametrize(
    "cells",
    [
        (PARAMETERS + "\nsgma_max = 3",),
        (PARAMETERS, "# Parameters\nsgma_max = 3"),
        (PARAMETERS, READ, LATER, PARAMETERS + "\nsgma_max = 3"),
        (PARAMETERS, "# Parameters\nsgma_max = float('nan')"),
    ],
)
def test_a_misspelt_parameter_is_refused_on_every_run(cells: tuple[str, ...]) -> None:
    with pytest.raises(ParameterError, match="unknown parameter 'sgma_max'"):
        NoiseDial.from_notebook(history(*cells))


def test_run_all_works_again_in_the_same_kernel(output: Path) -> None:
    """A real kernel: run twice, changed, and misspelt after both."""
    stored = nbformat.read(paths.root() / "notebooks" / "02_score_matching_floor.ipynb", 4)
    parameters, read = [c.source for c in stored.cells if c.cell_type == "code"][:2]
    rest = "noise = experiment.noise\nlevels = noise.grid(5)\nprint(levels)"
    changed = parameters.replace("50.0", "5.0")
    misspelt = "# Parameters\nsgma_max = 3.0"
    order = [parameters, read, rest, parameters, read, rest, changed, read, rest]
    order += [parameters, misspelt, read]
    cells = [nbformat.v4.new_code_cell(source) for source in order]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=stored.metadata)
    NotebookClient(notebook, allow_errors=True, timeout=120).execute()
    texts = ["".join(o.get("text", "") for o in cell.outputs) for cell in notebook.cells]
    assert texts[1] == texts[4] and texts[2] == texts[5] and "50.0]" in texts[2]
    assert "changed: sigma_max = 5.0" in texts[7] and "5.0]" in texts[8]
    (error,) = [o for cell in notebook.cells for o in cell.outputs if o.output_type == "error"]
    assert error.evalue.startswith("unknown parameter 'sgma_max'")


def test_outside_a_notebook_every_global_counts() -> None:
    assert NoiseDial.from_notebook({"n_seeds": 1, "_x": 2, "len": len}).seeds == range(1)
    with pytest.raises(ParameterError, match="unknown parameter 'In'|unknown parameter 'x'"):
        NoiseDial.from_notebook({"x": 1})


@pytest.mark.parametrize("notebook", EXPERIMENTS)
def test_no_cell_of_a_notebook_could_be_taken_for_its_parameters(notebook: str) -> None:
    """None sets a name that is a parameter, in a loop either, nor consists of assignments alone."""
    stored = json.loads((paths.root() / "notebooks" / f"{notebook}.ipynb").read_text())
    code = ["".join(c["source"]) for c in stored["cells"] if c["cell_type"] == "code"]
    for source in code[1:]:
        tree = ast.parse(source)
        set_here = {
            node.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        comprehended = {
            node.id
            for part in ast.walk(tree)
            if isinstance(part, ast.comprehension)
            for node in ast.walk(part.target)
            if isinstance(node, ast.Name)
        }
        assert not (set_here - comprehended) & set(EXPERIMENTS[notebook].model_fields), source
        assert not all(isinstance(each, ast.Assign | ast.AnnAssign) for each in tree.body), source


def test_a_grid_s_levels_are_as_exact_as_they_must_be_to_differ() -> None:
    for ends in ((1.0, 1.01), (1e-6, 1.01e-6), (99_009.0, 1e5), (0.01, 50.0)):
        noise = NoiseRange(sigma_min=ends[0], sigma_max=ends[1])
        for n in (2, 3, 100):
            levels = noise.grid(n)
            assert levels == sorted(set(levels))
            assert len({f"{level:g}" for level in levels}) == n  # as names and figures show them
            for sigma in levels:
                noise.single(sigma)
