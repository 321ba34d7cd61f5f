# The batch run: train -> evaluate -> notebook -> figures.
#   python -m drlcore.paper.batch --cores 2 --config preset=laptop
# Any parameter of a notebook can be set beside it: --config preset=smoke n_levels=4 steps=50.
# Then the notebooks that know one of them run, and write to folders of their own.
# Runs are keyed by the hash of their parameters, so a changed parameter trains only what is new:
# a job's outputs are marked 'update', which keeps those that are there when others are added.
# Commands are 'exec'uted: a signal to a job reaches the training, and the job lasts as long as it.
# Paths may hold anything: they are quoted (:q), relative, because Snakemake takes braces for
# wildcards, and parameters are given by functions, whose values it takes as they are.

import os
import sys

from drlcore.data import paths
from drlcore.paper.dial_page import saved as page
from drlcore.paper.experiments import NoiseDial, papermill_arguments, plan
from drlcore.paper.figures import FIGURES, style_files
from drlcore.paper.publish import executed
from drlcore.training.resume import RESUME

os.environ |= {
    "DRLCORE_OUTPUT": str(paths.output()),
    "DRLCORE_ARTEFACTS": str(paths.runs()),  # holds no bundles: nothing committed counts
    "DRLCORE_REFERENCE": "1",  # see Experiment.place
}
ASKED = plan(config)
ASKED = {n: e for n, e in ASKED.items() if e.place != e.preset} or ASKED
for notebook, experiment in list(ASKED.items()):
    if not experiment.possible:
        remedies = ", ".join(f"'make data DATASET={name}'" for name in experiment.absent)
        print(f"notebook {notebook} is left out: it needs {remedies}", file=sys.stderr)
        del ASKED[notebook]
PLACES = list(dict.fromkeys(experiment.place for experiment in ASKED.values()))
ROOT = paths.root()
CLAIMS = ROOT / "drlcore" / "paper" / "claims"
JUDGES = sorted([*CLAIMS.glob("*.py"), *CLAIMS.glob("*.toml")])


def here(path):
    return os.path.relpath(path)


def stored(file):
    """A run's file, named as <key>/<file>."""
    return here(paths.runs() / file)


def weights(run):
    return stored(f"{run.key}/weights.safetensors")


def tables(experiment, names):
    return [here(paths.results(experiment.place) / f"{name}.csv") for name in names]


def figures(place, notebooks):
    folder = paths.figures(place)
    names = [name for notebook in notebooks for name in FIGURES[notebook]]
    drawn = [f"{name}.{end}" for name in names for end in ("png", "pdf")]
    drawn += [f"{page.NAME}.html"] if NoiseDial.notebook in notebooks else []
    return [here(folder / name) for name in drawn]


def as_it_is(value):
    return lambda wildcards: value


def said(text):
    return text.replace("{", "{{").replace("}", "}}")




def asked_for(jobs, minutes, gpus=None):
    """What a job asks a cluster for; with each attempt more time, since it goes on where it was."""
    gpus = jobs.gpus if gpus is None else gpus
    return {
        "mem_mb": jobs.memory_mb,
        "runtime": lambda wildcards, attempt: minutes * attempt,
        **({"gpu": gpus} if gpus else {}),
    }


manifests = [here(paths.figures(place) / "manifest.csv") for place in PLACES]


rule all:
    localrule: True
    input:
        manifests,
        [here(executed(e.place, notebook)) for notebook, e in ASKED.items()],


trained, evaluated = set(), set()  # what a rule makes already: notebooks share runs

for notebook, experiment in ASKED.items():
    every_run, every_product = experiment.runs(), experiment.products()
    jobs = experiment.numbers.jobs
    runs = [run for run in every_run if run.key not in trained]
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
                parameters=as_it_is(experiment.model_dump_json()),
                names=[run.key for run in batch],
                notebook=notebook,
            threads: jobs.cpus
            resources:
                **asked_for(jobs, jobs.training_minutes(sum(run.steps_taken for run in batch))),
            message:
                said(f"train {batch[0].title}" + (f" and {len(batch) - 1} more" if batch[1:] else ""))
            shell:
                "TQDM_MININTERVAL=30 exec python -m drlcore train {params.notebook} {params.parameters:q} {params.names}"

    products = [p for p in every_product if p.name not in evaluated]
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
                update([stored(p.name) for p in batch]),
            params:
                parameters=as_it_is(experiment.model_dump_json()),
                names=[p.name for p in batch],
                notebook=notebook,
            threads: jobs.cpus
            resources:
                **asked_for(jobs, 10 + jobs.evaluate_minutes * len(batch)),
            message:
                f"evaluate {len(batch)} products of {notebook}"
            shell:
                "TQDM_MININTERVAL=30 exec python -m drlcore evaluate {params.notebook} {params.parameters:q} {params.names}"

    rule:
        name:
            f"notebook_{notebook}"
        input:
            notebook=here(ROOT / "notebooks" / f"{notebook}.ipynb"),
            style=[here(path) for path in style_files(notebook)],
            judges=[here(path) for path in JUDGES],
            page=[here(path) for path in page.files()] if notebook == NoiseDial.notebook else [],
            weights=[weights(run) for run in every_run],
            products=[stored(p.name) for p in every_product],
            tables=tables(experiment, [name for name in experiment.reads if name in ASKED]),
        output:
            here(executed(experiment.place, notebook)),
            tables(experiment, experiment.writes),
            figures(experiment.place, [notebook]),
        params:
            folder=as_it_is(here(ROOT / "notebooks")),
            arguments=as_it_is(papermill_arguments(experiment)),
        resources:
            **asked_for(jobs, 60, gpus=0),
        message:
            f"notebook {notebook}"
        shell:
            "exec python -m papermill --cwd {params.folder:q} --no-progress-bar --log-level WARNING "
            "{input.notebook:q} {output[0]:q} {params.arguments}"


for number, place in enumerate(PLACES):
    notebooks = [notebook for notebook, e in ASKED.items() if e.place == place]

    rule:
        name:
            f"manifest_{number}"
        localrule: True
        input:
            figures(place, notebooks),
        output:
            manifests[number],
        params:
            place=place,
        message:
            f"list the figures of {place}"
        shell:
            "python -m drlcore manifest {params.place}"


onerror:
    missing = [key for key in trained if not os.path.exists(stored(f"{key}/weights.safetensors"))]
    begun = sum(os.path.exists(stored(f"{key}/{RESUME}")) for key in missing)
    products = sum(not os.path.exists(stored(name)) for name in evaluated)
    print(
        f"left of the whole: {len(missing)} of {len(trained)} trainings, {begun} of them begun, "
        f"and {products} of {len(evaluated)} products",
        file=sys.stderr,
    )
