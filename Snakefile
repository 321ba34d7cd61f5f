# The batch run: train -> evaluate -> notebook -> figures.
#   snakemake --cores 2 --config preset=laptop
# Any parameter of a notebook can be set beside it: --config preset=smoke n_levels=4 steps=50
# Runs are keyed by the hash of their parameters, so a changed parameter trains only what is new:
# a job's outputs are marked 'update', which keeps those that are there when others are added.

import os

from drlcore import paths
from drlcore.experiments import papermill_arguments, plan
from drlcore.figures import FIGURES, style_files

ASKED = plan(config)
PRESET = config.get("preset", "laptop")
ROOT = paths.root()
RUNS, FIGURE_FOLDER = paths.runs(), paths.figures(PRESET)
os.environ["DRLCORE_ARTEFACTS"] = str(RUNS)  # compute everything; committed results do not count
RESULTS, EXECUTED = paths.results(PRESET), paths.runs() / "notebooks" / PRESET


def weights(run):
    return RUNS / run.key / "weights.safetensors"


def figures(notebook):
    return [FIGURE_FOLDER / f"{f}.{end}" for f in FIGURES[notebook] for end in ("png", "pdf")]


rule all:
    input:
        FIGURE_FOLDER / "manifest.csv",
        [EXECUTED / f"{notebook}.ipynb" for notebook in ASKED],


trained, evaluated = set(), set()  # what a rule makes already: notebooks share runs

for notebook, experiment in ASKED.items():
    runs = [run for run in experiment.runs() if run.key not in trained]
    trained |= {run.key for run in runs}
    for number, batch in enumerate(experiment.batches(runs)):
        firsts = {run.first_stage.key: run.first_stage for run in batch if run.first_stage}

        rule:
            name:
                f"train_{notebook}_{number}"
            input:
                [weights(f) for key, f in firsts.items() if key not in {run.key for run in batch}],
            output:
                update([weights(run) for run in batch]),
            params:
                parameters=experiment.model_dump_json(),
                names=" ".join(run.key for run in batch),
                notebook=notebook,
            message:
                f"train {batch[0].title}" + (f" and {len(batch) - 1} more" if batch[1:] else "")
            shell:
                "TQDM_MININTERVAL=30 python -m drlcore train {params.notebook} {params.parameters:q} {params.names}"

    products = [p for p in experiment.products() if p.name not in evaluated]
    evaluated |= {p.name for p in products}
    size = experiment.products_per_job
    for number in range(0, len(products), size):
        batch = products[number : number + size]

        rule:
            name:
                f"evaluate_{notebook}_{number}"
            input:
                list({weights(p.run) for p in batch}),
            output:
                update([RUNS / p.name for p in batch]),
            params:
                parameters=experiment.model_dump_json(),
                names=" ".join(p.name for p in batch),
                notebook=notebook,
            message:
                f"evaluate {len(batch)} products of {notebook}"
            shell:
                "TQDM_MININTERVAL=30 python -m drlcore evaluate {params.notebook} {params.parameters:q} {params.names}"

    rule:
        name:
            f"notebook_{notebook}"
        input:
            notebook=ROOT / "notebooks" / f"{notebook}.ipynb",
            style=style_files(notebook),
            judges=sorted((ROOT / "drlcore" / "claims").glob("*.py")),
            weights=[weights(run) for run in experiment.runs()],
            products=[RUNS / p.name for p in experiment.products()],
            tables=[RESULTS / f"{name}.csv" for name in experiment.reads],
        output:
            EXECUTED / f"{notebook}.ipynb",
            [RESULTS / f"{name}.csv" for name in experiment.writes],
            figures(notebook),
        params:
            folder=ROOT / "notebooks",
            arguments=papermill_arguments(experiment),
        message:
            f"notebook {notebook}"
        shell:
            "papermill --cwd {params.folder} --no-progress-bar --log-level WARNING "
            "{input.notebook} {output[0]} {params.arguments}"


rule manifest:
    input:
        [f for notebook in ASKED for f in figures(notebook)],
    output:
        FIGURE_FOLDER / "manifest.csv",
    params:
        preset=PRESET,
    message:
        "list the figures"
    shell:
        "python -m drlcore manifest {params.preset}"
