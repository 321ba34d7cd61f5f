"""Notebooks 09 and 16: LaplaceNet, its encoder pretrained or not."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import Field, model_validator

from drlcore.data.datasets import load_dataset, n_classes, title
from drlcore.data.label_splits import LabelSplit, label_split
from drlcore.data.splits import VALIDATION
from drlcore.errors import DataError, ParameterError
from drlcore.laplacenet.classifier import EncoderTime, FineTuning, Mixup
from drlcore.paper.experiments.base import Steps
from drlcore.paper.experiments.comparison import Compared, Comparison, DatasetNames
from drlcore.paper.presets import SemiSupervisedPreset
from drlcore.paper.products import Product, fine_tuned, label_graph
from drlcore.paper.published import published_table_1
from drlcore.training.run import RunParameters

# By the name in the result tables. Without pretraining the encoder stays as it was drawn, which is
# how those of the other methods begin.
PRETRAINED = ("drl", "vdrl", "ae", "simclr", "drl-mixup")
ARMS = {"none": Compared("random", True)} | {name: Compared(name, True) for name in PRETRAINED}
# The released code pretrains on one label split of this share, and fine-tunes on another.
PRETRAINED_SHARE = 0.08
PRETRAINED_SPLIT = 1000  # the first of those pretrained on; replicates are fewer
MOST_BUDGETS = 20
MOST_LABELLED = 0.5  # share of the images that Table 1's own numbers of labels may be


class Variant(NamedTuple):
    """What is compared: a pretraining, and what follows it."""

    method: str
    steps: int
    mixup: Mixup = "off"
    pretrained_on: str = "all"
    encoder_time: EncoderTime = "learned"


class Cell(NamedTuple):
    """One fine-tuning: its variant, the run it starts from, and its settings."""

    variant: Variant
    run: RunParameters
    settings: FineTuning

    @property
    def product(self) -> Product[Any]:
        return fine_tuned(self.run, self.settings)


class SemiSupervised(Comparison):
    """Notebook 09: LaplaceNet with few labels, its encoder pretrained by different methods.

    The label split, the pretraining, the class head and the batches of a replicate share one seed.
    Every encoder is E(x0, t), as in the released code.

    Attributes:
        n_seeds: replicates.
        steps: of pretraining.
        n_images: the data set is the first so many training images.
        n_labels: numbers of labels, separated by commas; None takes Table 1's. Where they would be
            more than half of the images, it is as many percent of the images as in the table, and
            for a data set the table does not have, as many percent as for CIFAR-10.
        fine_tuning_steps: of LaplaceNet.
    """

    notebook = "09_semi_supervised"
    writes: ClassVar[tuple[str, ...]] = (notebook, "09_label_splits")
    shows_one = False
    n_images: Annotated[int, Field(ge=1, le=10**9)] | None = None
    n_labels: str | int | None = None
    fine_tuning_steps: Steps | None = None

    @model_validator(mode="after")
    def _enough_of_each_class(self) -> Self:
        for dataset in self.datasets:
            if dataset in _published_images():
                continue  # classes of equal size; listing what is to do reads none of their 5 GB
            y = load_dataset(dataset).train.y[: self.images_of(dataset)]
            pretrained = self.pretrained("drl", dataset, self.seeds[0], "labelled").label_split
            splits = [LabelSplit(n_labels=n) for n in self.budgets(dataset)]
            for split in filter(None, [*splits, pretrained]):
                try:
                    label_split(y, split, n_classes(dataset))
                except DataError as error:
                    raise DataError(f"{title(dataset)}: {error} of {len(y)} images") from None
        return self

    @property
    def numbers_compared(self) -> SemiSupervisedPreset:
        return self.numbers.semi_supervised

    @property
    def products_per_job(self) -> int:
        return self.numbers_compared.products_per_job

    @property
    def resolved(self) -> dict[str, Any]:
        labels = {name: ", ".join(map(str, self.budgets(name))) for name in self.datasets}
        of_each = [f"{n} ({self.images_of(n)} images, labels {labels[n]})" for n in labels]
        steps = self.fine_tuning_steps or self.numbers_compared.fine_tuning.steps
        return {**super().resolved, "data": ", ".join(of_each), "fine-tuning steps": steps}

    def images_of(self, dataset: str) -> int:
        """How many images the data set has here."""
        published = _published_images().get(dataset)
        if published is None:
            there = len(load_dataset(dataset).train.y)
        else:
            there = round((1 - VALIDATION) * published)
        if self.n_images is not None and self.n_images > there:
            raise ParameterError(
                f"n_images = {self.n_images}; allowed: up to the {there} training images of "
                f"{dataset}"
            )
        return min(self.n_images or self.numbers_compared.train_images or there, there)

    def budgets(self, dataset: str) -> list[int]:
        """Numbers of labels, fewest first, each once."""
        classes = n_classes(dataset)
        if self.n_labels is not None:
            asked = {_positive(text) for text in str(self.n_labels).split(",")}
            if len(asked) > MOST_BUDGETS:
                raise ParameterError(
                    f"n_labels = {len(asked)} numbers; allowed: up to {MOST_BUDGETS}"
                )
            if odd := [n for n in asked if n % classes]:
                raise ParameterError(
                    f"n_labels = {min(odd)}; allowed: multiples of the {classes} classes of "
                    f"{dataset}"
                )
            return sorted(asked)
        table = published_table_1()
        of = dataset if dataset in _published_images() else "cifar10"
        counts = sorted(set(table[table.dataset == of].n_labels))
        images = self.images_of(dataset)
        if of != dataset or counts[-1] > MOST_LABELLED * images:
            share = images / _published_images()[of] / classes
            counts = [classes * max(1, round(n * share)) for n in counts]
        wanted = self.numbers_compared.budgets
        if wanted is not None:
            counts = [counts[i] for i in wanted if i < len(counts)] or counts[-1:]
        return sorted(set(counts))

    def pretrained(self, method: str, dataset: str, seed: int, on: str = "all") -> RunParameters:
        """The run whose encoder an arm starts from.

        Args:
            on: ``labelled``: only the images of a label split, another than the fine-tuning's.
        """
        images = self.images_of(dataset)
        run = self.run(ARMS[method], dataset, seed).updated(train_images=images)
        if on == "all":
            return run
        classes = n_classes(dataset)
        n_labels = classes * max(1, round(PRETRAINED_SHARE * images / classes))
        split = LabelSplit(n_labels=n_labels, index=PRETRAINED_SPLIT + seed)
        return run.updated(label_split=split)

    def variants(self) -> list[Variant]:
        """Tables 1, 6 and 7; then 4 and 5; then the questions the released code leaves open."""
        numbers = self.numbers_compared
        steps = self.fine_tuning_steps or numbers.fine_tuning.steps
        mixups: tuple[Mixup, ...] = ("off", "on")
        return [
            *[Variant(m, steps, mixup) for m in ARMS for mixup in mixups],
            *[
                Variant(m, round(share * steps))
                for share in numbers.less_compute
                for m in ("none", "drl", "vdrl")
            ],
            Variant("drl", steps, pretrained_on="labelled"),
            Variant("drl", steps, encoder_time="fixed"),
            Variant("drl", steps, encoder_time="chosen"),
            Variant("drl", steps, "released"),
        ]

    def cell(self, variant: Variant, dataset: str, n_labels: int, seed: int) -> Cell:
        """One fine-tuning."""
        settings = self.numbers_compared.fine_tuning.updated(
            n_labels=n_labels,
            label_split=seed,
            seed=seed,
            steps=variant.steps,
            mixup=variant.mixup,
            encoder_time=variant.encoder_time,
        )
        images = self.images_of(dataset)
        try:
            settings.epochs(images)  # an impossible one stops here
        except ParameterError as error:
            raise ParameterError(
                f"n_images = {images}, n_labels = {n_labels} and fine_tuning_steps = "
                f"{self.fine_tuning_steps or self.numbers_compared.fine_tuning.steps} do not go "
                f"together on {dataset}: a fine-tuning would have {error}"
            ) from None
        run = self.pretrained(variant.method, dataset, seed, variant.pretrained_on)
        return Cell(variant, run, settings)

    def cells(self) -> list[Cell]:
        """Every fine-tuning the notebook reads."""
        return [
            self.cell(variant, dataset, n_labels, seed)
            for variant in self.variants()
            for dataset in self.datasets
            for n_labels in self.budgets(dataset)
            for seed in self.seeds
        ]

    def runs(self) -> list[RunParameters]:
        return list(dict.fromkeys(cell.run for cell in self.cells()))

    def products(self) -> list[Product[Any]]:
        graphs = [label_graph(self.pretrained("drl", d, self.seeds[0])) for d in self.datasets]
        return [*graphs, *[cell.product for cell in self.cells()]]


@cache
def _published_images() -> dict[str, int]:
    """Images of Table 1's data sets; kept, since every fine-tuning asks for them."""
    images: dict[str, int] = published_table_1().groupby("dataset").n_images.first().to_dict()
    return images


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise ParameterError(f"n_labels = {text.strip()!r}; allowed: numbers, separated by commas")
    return int(text)


class NaturalSemiSupervised(SemiSupervised):
    """Notebook 16: Table 1 on CIFAR-10, without mixup."""

    notebook = "16_cifar10_few_labels"
    writes = (notebook,)
    needs_images = False
    dataset: DatasetNames | None = "cifar10"

    @property
    def numbers_compared(self) -> SemiSupervisedPreset:
        return self.numbers.photographs

    def variants(self) -> list[Variant]:
        """No pretraining, and every pretraining without mixup of its own."""
        steps = self.fine_tuning_steps or self.numbers_compared.fine_tuning.steps
        return [Variant(method, steps) for method in ARMS if method != "drl-mixup"]

    def products(self) -> list[Product[Any]]:
        return [cell.product for cell in self.cells()]
