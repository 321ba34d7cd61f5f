"""Committed results: few files, each entry the very bytes that a run's folder had."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from committed import commit
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

from drlcore.data import paths
from drlcore.data.datasets import load_dataset
from drlcore.errors import ArtefactError
from drlcore.paper.products import Product
from drlcore.training import artefacts, store
from drlcore.training.card import WEIGHTS, Card, Data, Weights
from drlcore.training.checkpoint import bytes_sha256, csv_bytes
from drlcore.training.run import RunParameters

COMMITTED = paths.root() / "data" / "artefacts"
RUN = RunParameters(dataset="digits", steps=3, batch_size=8, width=16)
TABLE = pd.DataFrame({"metric": ["a", "b"], "n": [1, 2], "value": [0.1 + 0.2, np.nan]})
ARRAYS = {"z": np.arange(6.0, dtype=np.float32).reshape(2, 3), "n": np.array(7)}


def card_of(key: str) -> Card:
    return Card(
        key=key,
        parameters={},
        weights=Weights(kind="ema", sha256="0" * 64),
        data=Data(name="digits", checksum=load_dataset("digits").checksum),
        environment={},
        wall_s=1.0,
    )


def table(kind: str = "table") -> Product[pd.DataFrame]:
    return Product(RUN, kind, ".csv", lambda *_: TABLE, {})


def arrays() -> Product[dict[str, np.ndarray]]:
    return Product(RUN, "arrays", ".safetensors", lambda *_: ARRAYS, {})


@pytest.fixture
def folder(output: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run, three products and its weights, committed and nowhere else."""
    for product in (table(), table("other"), arrays()):
        product.load(progress=False)
    commit(paths.runs(), output / "committed")
    shutil.rmtree(paths.runs())
    monkeypatch.setenv("DRLCORE_ARTEFACTS", str(output / "committed"))
    return output / "committed"


# What is committed.


def test_there_are_few_files_and_they_are_small() -> None:
    files = list(COMMITTED.iterdir())
    assert len(files) <= 60 and all(path.is_file() for path in files)
    assert sum(path.stat().st_size for path in files) < 16.9e6  # when each was a file of its own


def test_every_committed_file_comes_back_with_the_checksum_of_its_card() -> None:
    cards = artefacts.read_cards(COMMITTED)
    assert len(cards) > 200
    for key, card in cards.items():
        for name, sha256 in card.files.items():
            content = artefacts.read(artefacts.bundle(COMMITTED, name), key, name)
            assert bytes_sha256(content) == sha256 == card.sha256(name), f"{key}/{name}"


def test_the_bundles_hold_what_the_cards_list_and_nothing_else() -> None:
    held = set()
    for path in COMMITTED.glob("*.parquet"):
        frame = pd.read_parquet(path)
        assert list(frame.columns[:2]) == ["run", "file"]
        held |= {(path.name, *row) for row in frame[["run", "file"]].itertuples(index=False)}
    for path in COMMITTED.glob("*.safetensors"):
        with safe_open(path, framework="np") as opened:
            held |= {(path.name, *name.split("/")[:2]) for name in opened.keys()}  # noqa: SIM118
    listed = {
        (artefacts.bundle(COMMITTED, name).name, key, name)
        for key, card in artefacts.read_cards(COMMITTED).items()
        for name in card.files
    }
    assert held == listed
    bundles = {name for name, *_ in listed}
    assert {path.name for path in COMMITTED.iterdir()} == {artefacts.CARDS, *bundles}


# Written and read.


def test_contents_come_back_and_their_order_is_of_no_consequence(tmp_path: Path) -> None:
    contents = {
        (key, f"{kind}-{key}.csv"): csv_bytes(frame)
        for key in ("b", "a")
        for kind, frame in {
            "metrics": TABLE,
            "usage": TABLE.assign(n=int(key == "a"), value=1e-300),
            "empty": TABLE[: int(key == "a")],
            "missing": TABLE.assign(value=np.nan),
        }.items()
    }
    contents["a", "codes-1.safetensors"] = save({"z": torch.randn(3), "n": torch.tensor(7)})
    contents["a", WEIGHTS] = save({"w.bias": torch.zeros(0), "w": torch.ones(2, 2).bfloat16()})
    cards = {key: card_of(key) for key in "abc"}
    artefacts.write(tmp_path / "one", cards, contents)
    turned = dict(reversed(contents.items())), dict(reversed(cards.items()))
    artefacts.write(tmp_path / "two", turned[1], turned[0])
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / n).iterdir()} for n in ("one", "two"))
    assert one == two and len(one) == 7
    for (key, name), content in contents.items():
        assert artefacts.read(artefacts.bundle(tmp_path / "one", name), key, name) == content
    stored = artefacts.read_cards(tmp_path / "one")
    assert list(stored) == ["a", "b", "c"] and stored["c"] == cards["c"]
    assert {(key, name) for key, card in stored.items() for name in card.files} == contents.keys()


def test_what_would_not_come_back_is_not_written_in_silence(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"table-1.csv of run a does not come back"):
        artefacts.write(tmp_path / "x", {"a": card_of("a")}, {("a", "table-1.csv"): b"x\n1.50\n"})


def test_what_is_committed_is_loaded_and_nothing_is_computed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "train", lambda *_, **__: pytest.fail("trained"))
    pd.testing.assert_frame_equal(table().load(), TABLE, check_exact=True)
    for name, value in arrays().load().items():
        assert value.dtype == ARRAYS[name].dtype and np.array_equal(value, ARRAYS[name])
    assert store.load_or_train(RUN, progress=False) is not None
    assert store.history(RUN).step.tolist() == [3]
    assert not paths.runs().exists()


# Damaged.


def test_a_changed_entry_is_one_line_and_the_others_are_read(folder: Path) -> None:
    frame = pd.read_parquet(folder / "table.parquet")
    frame.assign(value=[0.25, np.nan]).to_parquet(folder / "table.parquet")
    tensors = load_file(folder / "arrays.safetensors")
    save_file({name: value + 1 for name, value in tensors.items()}, folder / "arrays.safetensors")
    for product in (table(), arrays()):
        bundle = artefacts.bundle(folder, product.file)
        with pytest.raises(ArtefactError) as caught:
            product.load()
        said = str(caught.value)
        assert said.startswith(f"{bundle}, {product.file} of run {RUN.key}, is corrupt: expected")
        assert said.endswith(artefacts.WAY_OUT) and "\n" not in said
    assert table("other").load().metric.tolist() == ["a", "b"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"nothing")],
                         ids=["missing", "broken"])  # fmt: skip
def test_a_bundle_that_cannot_be_read_is_one_line(damage: object, folder: Path) -> None:
    for product in (table(), arrays()):
        damage(artefacts.bundle(folder, product.file))  # type: ignore[operator]
        with pytest.raises(ArtefactError, match="cannot be read .*restore it from git"):
            product.load()


def test_an_entry_that_is_gone_is_missed(folder: Path) -> None:
    frame = pd.read_parquet(folder / "table.parquet")
    frame[:0].to_parquet(folder / "table.parquet")
    with pytest.raises(ArtefactError, match="is corrupt"):
        table().load()


def test_damaged_cards_are_one_line(folder: Path) -> None:
    (folder / artefacts.CARDS).write_text("{}\n")
    with pytest.raises(ArtefactError, match=r"runs.jsonl is damaged; restore it from git"):
        table().load()


def test_an_empty_folder_has_nothing_committed_so_all_is_computed(
    folder: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRLCORE_ARTEFACTS", str(output / "nowhere"))
    assert table().stored is None and store.find_card(RUN) is None
    table().load(progress=False)
    assert (store.folder(RUN) / WEIGHTS).is_file()
