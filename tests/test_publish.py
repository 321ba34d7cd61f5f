"""What is published is what was computed; where nothing was, what is committed stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from drlcore.data import paths
from drlcore.errors import ArtefactError
from drlcore.paper import publish
from drlcore.paper.claims.judge import ABSENT, OPPOSITE, REPRODUCED
from drlcore.paper.experiments import EXPERIMENTS, StartHere
from drlcore.training import artefacts
from drlcore.training.checkpoint import csv_bytes, file_sha256

ROOT = paths.root()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the repository's committed results."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist").symlink_to(ROOT / "data" / "mnist")
    for folder in ("data/artefacts", "data/results/laptop", "data/paper", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "README.md", tmp_path)
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path))
    monkeypatch.delenv("DRLCORE_OUTPUT", raising=False)
    monkeypatch.delenv("DRLCORE_ARTEFACTS", raising=False)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    files = [*(folder / "data" / "artefacts").rglob("*"), *(folder / "notebooks").glob("*.ipynb")]
    files.append(folder / "README.md")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.is_file()}


def test_where_nothing_was_computed_nothing_changes(checkout: Path) -> None:
    before = content(checkout)
    assert len([name for name in before if name.startswith("data/artefacts")]) > 10
    publish.publish()
    assert content(checkout) == before


def test_what_was_computed_takes_the_place_of_what_is_committed(checkout: Path) -> None:
    before = content(checkout)
    cards = artefacts.read_cards(paths.artefacts())
    products = EXPERIMENTS["09_semi_supervised"](preset="laptop").products()
    product = next(product for product in products if product.kind == "laplacenet")
    key, file = product.run.key, product.file
    stale = cards[key].model_copy(update={"key": "0123456789ab"})  # of a run no notebook reads
    with (paths.artefacts() / artefacts.CARDS).open("a") as lines:
        lines.write(stale.model_dump_json() + "\n")
    computed = checkout / "data" / "runs" / key / file
    computed.parent.mkdir(parents=True)
    table = csv_bytes(product.load().assign(loss=0.5))
    computed.write_bytes(table)
    card = cards[key].listing({file: file_sha256(computed)})
    card.save(computed.parent)
    executed = publish.executed("laptop", StartHere.notebook)
    executed.parent.mkdir(parents=True)
    notebook = nbformat.read(ROOT / "notebooks" / f"{StartHere.notebook}.ipynb", as_version=4)
    notebook.metadata["papermill"] = {"input_path": "/somewhere"}
    notebook.cells[0].source += "\n\nNew."
    nbformat.write(notebook, executed)
    publish.publish()
    after = content(checkout)
    written = f"notebooks/{StartHere.notebook}.ipynb"
    bundle = artefacts.bundle(paths.artefacts(), file)
    changed = {f"data/artefacts/{name}" for name in (artefacts.CARDS, bundle.name)}
    assert {k for k in after if after[k] != before.get(k)} == {*changed, written}
    assert after.keys() == before.keys()
    assert artefacts.read(bundle, key, file) == table
    files = {**cards[key].files, **card.files}
    assert artefacts.read_cards(paths.artefacts()) == {**cards, key: card.listing(files)}
    assert b"New." in after[written] and b"/somewhere" not in after[written]


def test_readme_counts_verdicts_and_says_the_opposite_in_bold() -> None:
    readme = f"before\n{publish.CLAIMS_BEGIN}\nold\n{publish.CLAIMS_END}\nafter\n"
    found = [OPPOSITE, REPRODUCED, OPPOSITE, ABSENT]
    table = pd.DataFrame({"claim": list("abcd"), "figure": "Fig. 1", "verdict": found})
    new = publish.with_claims(readme, table)
    assert "\nOf 4 claims: 1 reproduced, 2 **opposite**, 1 not run.\n\n| claim |" in new
    assert "| a | Fig. 1 | **opposite** |\n| b | Fig. 1 | reproduced |\n" in new
    assert new.startswith("before\n") and new.endswith("after\n") and "old" not in new
    assert publish.with_claims(new, table) == new


def test_a_missing_product_is_named_and_nothing_is_lost(checkout: Path) -> None:
    product = EXPERIMENTS["09_semi_supervised"](preset="laptop").products()[0]
    cards = paths.artefacts() / artefacts.CARDS
    cards.write_text(cards.read_text().replace(product.file, "other"))
    before = content(checkout)
    with pytest.raises(ArtefactError, match=f"{product.file} of run {product.run.key} is missing"):
        publish.publish()
    assert content(checkout) == before


def test_a_run_of_another_output_folder_is_published_whole(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path_factory.mktemp("output")
    monkeypatch.setenv("DRLCORE_OUTPUT", str(output))
    for place, text in (("laptop", "theirs"), ("mine/laptop", "mine")):
        for folder in (paths.results(place), paths.figures(place)):
            folder.mkdir(parents=True)
            (folder / "made.csv").write_text(text)
    publish.publish()
    for folder in ("data/results", "figures"):
        assert (checkout / folder / "laptop" / "made.csv").read_text() == "theirs"
        assert not (checkout / folder / "mine").exists()
    assert (checkout / "data" / "results" / "laptop" / "claims.csv").is_file()


def test_a_changed_run_is_not_what_is_published(checkout: Path) -> None:
    changed = EXPERIMENTS["02_score_matching_floor"](preset="laptop", seed=1)  # type: ignore[call-arg]
    path = publish.executed(changed.place, changed.notebook)
    path.parent.mkdir(parents=True)
    path.write_text("not a notebook")
    before = content(checkout)
    publish.publish()
    assert content(checkout) == before
