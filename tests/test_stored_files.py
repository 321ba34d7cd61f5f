"""What lies on the disk is damaged, half written, shared or cannot be written: one clear line."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from committed import commit
from safetensors.numpy import save_file

from drlcore.data import paths
from drlcore.errors import ArtefactError
from drlcore.paper.products import Product
from drlcore.training import checkpoint, lock, store
from drlcore.training.artefacts import read_cards
from drlcore.training.card import read_card
from drlcore.training.checkpoint import file_sha256
from drlcore.training.resume import RESUME
from drlcore.training.run import RunParameters

RUN = RunParameters(dataset="digits", steps=3, batch_size=8, width=16)


def table(run: RunParameters = RUN) -> Product[pd.DataFrame]:
    frame = pd.DataFrame({"metric": ["a", "b", "c"], "value": [1.5, 2.5, 3.5]})
    return Product(run, "table", ".csv", lambda *_: frame, {})


def arrays(run: RunParameters = RUN) -> Product[dict[str, np.ndarray]]:
    return Product(run, "arrays", ".safetensors", lambda *_: {"z": np.arange(6.0)}, {})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with the run and both products; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRLCORE_OUTPUT", str(folder))
        for product in (table(), arrays()):
            product.load(progress=False)
    return folder


@pytest.fixture
def stored(trained: Path, output: Path) -> Path:
    """The run's folder, a copy."""
    shutil.copytree(trained / "data", output / "data")
    return store.folder(RUN)


def load(name: str) -> object:
    if name == "history.csv":
        return store.history(RUN, progress=False)
    if name == "weights.safetensors":
        return store.load_or_train(RUN, progress=False)
    return (table() if name.startswith("table") else arrays()).load(progress=False)


EVERY = ("weights.safetensors", "history.csv", table().file, arrays().file)


def test_the_card_lists_every_file_with_its_checksum(stored: Path) -> None:
    card = read_card(stored, RUN.key)
    assert card is not None
    for name in EVERY:
        assert card.sha256(name) == file_sha256(stored / name), name
    assert {path.name for path in stored.iterdir()} == {"run.json", *EVERY}
    for name in EVERY:
        load(name)


# Damage.


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def foreign(path: Path) -> None:
    if path.suffix == ".csv":
        path.write_text("other,columns\n1,2\n")
    else:
        save_file({"z": np.arange(3.0)}, path)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    "damage", [flip, cut, foreign, lambda path: path.write_bytes(b"")],
    ids=["flipped", "cut", "foreign", "empty"],
)  # fmt: skip
def test_a_damaged_file_is_refused_and_the_advice_works(
    name: str, damage: Callable[[Path], object], stored: Path
) -> None:
    damage(stored / name)
    with pytest.raises(ArtefactError, match="is corrupt.*expected sha256.*; delete ") as caught:
        load(name)
    advised = Path(str(caught.value).rpartition("; delete ")[2].removesuffix(" and run again"))
    assert advised in (stored / name, stored)
    shutil.rmtree(advised) if advised.is_dir() else advised.unlink()
    load(name)
    card = read_card(stored, RUN.key)
    assert card is not None and card.sha256(name) == file_sha256(stored / name)


def test_a_table_with_its_header_alone_is_refused(stored: Path) -> None:
    path = stored / table().file
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    with pytest.raises(ArtefactError, match="is corrupt"):
        table().load()


def test_a_file_that_no_card_lists_does_not_count(stored: Path) -> None:
    """Its writer was killed, or it comes from elsewhere."""
    other = Product(RUN, "other", ".csv", lambda *_: pd.DataFrame({"value": [7]}), {})
    (stored / other.file).write_text("value\n8\n")
    assert other.stored is None
    assert other.load().value.tolist() == [7]


CARDS = {
    "empty": b"", "braces": b"{}", "number": b"3", "null": b"null", "list": b"[]",
    "deep": b"[" * 100_000, "deep object": b'{"a":' * 100_000, "cut": b'{"key": "',
    "no text": b"\xff\xfe\x00", "wrong types": b'{"key": 3, "weights": []}',
}  # fmt: skip


@pytest.mark.parametrize("content", CARDS.values(), ids=CARDS)
def test_a_damaged_card_is_one_line_with_a_way_out_that_works(content: bytes, stored: Path) -> None:
    (stored / "run.json").write_bytes(content)
    for name in EVERY:
        with pytest.raises(ArtefactError, match=r"run\.json is no run card") as caught:
            load(name)
        message = str(caught.value)
        assert message.endswith(f"delete the folder {stored} and run again")
        assert "\n" not in message and len(message) < 500
    shutil.rmtree(stored)
    for name in EVERY:
        load(name)


@pytest.mark.parametrize("gone", ["key", "weights", "data", "parameters"])
def test_a_card_that_lacks_something_is_refused(gone: str, stored: Path) -> None:
    card = json.loads((stored / "run.json").read_text())
    del card[gone]
    (stored / "run.json").write_text(json.dumps(card))
    with pytest.raises(ArtefactError, match=f"no run card .{gone}: Field required"):
        load("weights.safetensors")


def test_a_card_of_another_run_or_a_folder_in_its_place_is_refused(stored: Path) -> None:
    other = RUN.updated(seed=1)
    shutil.copytree(stored, store.folder(other))
    with pytest.raises(ArtefactError, match=f"is the card of run {RUN.key}, not of {other.key}"):
        store.load_or_train(other, progress=False)
    (stored / "run.json").unlink()
    (stored / "run.json").mkdir()
    with pytest.raises(ArtefactError, match="cannot be read .*delete the folder"):
        load("history.csv")


def test_a_run_without_its_card_is_trained_again(stored: Path) -> None:
    before = file_sha256(stored / "weights.safetensors")
    (stored / "run.json").unlink()
    assert store.find(RUN, "weights.safetensors") is None and table().stored is None
    for name in EVERY:
        load(name)
    assert file_sha256(stored / "weights.safetensors") == before


def test_weights_that_do_not_fit_the_network_are_refused(stored: Path) -> None:
    save_file({"w": np.zeros(3)}, stored / "weights.safetensors")
    card = json.loads((stored / "run.json").read_text())
    card["weights"]["sha256"] = file_sha256(stored / "weights.safetensors")
    (stored / "run.json").write_text(json.dumps(card))
    with pytest.raises(ArtefactError, match="does not fit the network"):
        load("weights.safetensors")


# Killed, or at the same time.


def test_what_killed_writers_left_is_removed(stored: Path) -> None:
    def litter() -> list[Path]:
        resume = f"{Path(table().file).stem}.{RESUME}"
        left = [stored / name for name in (".partial-abc.csv", RESUME, resume)]
        for path in left:
            path.write_text("half")
        return left

    for use in (
        lambda: store.load_or_train(RUN, progress=False),
        lambda: Product(RUN, "new", ".csv", lambda *_: pd.DataFrame({"x": [1]}), {}).load(),
    ):
        left = litter()
        use()
        assert not [path for path in left if path.exists()]


def test_a_state_of_what_is_not_finished_stays(stored: Path) -> None:
    waiting = stored / f"laplacenet-01234567.{RESUME}"
    waiting.write_text("state")
    with store.holding(RUN):
        pass
    assert waiting.read_text() == "state"


HOLD = """
import sys, time
from pathlib import Path
from drlcore.training.lock import locked
with locked(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_gives_its_lock_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    entered = threading.Event()

    def wait() -> None:
        with lock.locked(tmp_path, "the run"):
            entered.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not entered.wait(0.2)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert entered.wait(60)
    waiter.join()
    assert capsys.readouterr().err == "waiting for another process that computes the run\n"


def test_one_at_a_time_also_when_the_folder_is_removed_meanwhile(tmp_path: Path) -> None:
    inside: list[int] = []
    finished: list[int] = []
    most = [0]

    def enter(i: int) -> None:
        for _ in range(20):
            with lock.locked(tmp_path / "run", "it"):
                inside.append(i)
                most[0] = max(most[0], len(inside))
                inside.remove(i)
                if i == 0:
                    shutil.rmtree(tmp_path / "run", ignore_errors=True)
        finished.append(i)

    threads = [threading.Thread(target=enter, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and sorted(finished) == [0, 1, 2, 3]


def test_who_waits_loads_what_the_other_trained(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original, calls, begun, both = store.train, [], threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> pd.DataFrame:
        calls.append(1)
        begun.set()
        both.wait(1)
        return original(*args, **kwargs)

    monkeypatch.setattr(store, "train", slow)
    found: list[Any] = [None, None]

    def ask(i: int) -> None:
        found[i] = store.load_or_train(RUN, progress=False, device="cpu").state_dict()

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert "waiting for another process that computes digits drl" in capsys.readouterr().err


def test_products_computed_at_the_same_time_are_all_listed(stored: Path) -> None:
    def made(i: int) -> Product[pd.DataFrame]:
        return Product(RUN, f"t{i % 3}", ".csv", lambda *_: pd.DataFrame({"i": [i % 3]}), {})

    values: dict[int, list[int]] = {}
    threads = [
        threading.Thread(target=lambda i=i: values.update({i: made(i).load().i.tolist()}))  # type: ignore[misc]
        for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert values == {i: [i % 3] for i in range(6)}
    card = read_card(stored, RUN.key)
    assert card is not None
    assert {made(i).file for i in range(3)} < card.files.keys()
    assert {path.name for path in stored.iterdir()} == {*card.files, EVERY[0], "run.json"}


def test_a_product_of_committed_weights_is_read_again(
    stored: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Computed here, from a run that is not stored here: it brings the card along."""
    committed = output / "committed"
    commit(stored.parent, committed)
    shutil.rmtree(stored)
    monkeypatch.setenv("DRLCORE_ARTEFACTS", str(committed))
    made = Product(RUN, "made", ".csv", lambda *_: pd.DataFrame({"x": [1]}), {})
    for _ in range(2):
        assert made.load().x.tolist() == [1]
    assert {path.name for path in stored.iterdir()} == {"run.json", made.file}
    kept = table().stored
    assert kept is not None and kept.path == committed / "table.parquet"


def test_without_file_locks_all_goes_on(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert load(table().file) is not None and load("history.csv") is not None


# Nowhere to write.


def test_an_output_that_cannot_be_written_is_one_line_before_any_work(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("DRLCORE_OUTPUT", str(blocked))
    monkeypatch.setattr(store, "train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(ArtefactError, match="cannot write in .*DRLCORE_OUTPUT"):
        store.load_or_train(RUN, progress=False)
    commit(trained / "data" / "runs", tmp_path / "committed")
    monkeypatch.setenv("DRLCORE_ARTEFACTS", str(tmp_path / "committed"))
    for name in EVERY:  # what is committed is read all the same
        load(name)
    new = Product(RUN, "new", ".csv", lambda *_: pytest.fail("computed"), {})
    with pytest.raises(ArtefactError, match="cannot write in"):
        new.load()


def test_a_read_only_file_system_is_one_line_too(
    output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", read_only)
    with pytest.raises(ArtefactError, match="Read-only file system; check its permissions"):
        store.load_or_train(RUN, progress=False)


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "table.csv", []
    fsync = os.fsync

    def spy(handle: int) -> None:
        seen.append((Path(os.readlink(f"/proc/self/fd/{handle}")), path.exists()))
        fsync(handle)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs /proc to name a file handle")
    monkeypatch.setattr(os, "fsync", spy)
    checkpoint.write_atomically(path, lambda p: p.write_text("x"))
    (first, named), (second, named_after) = seen
    assert first.name.startswith(".partial-") and not named
    assert second == tmp_path and named_after


def test_a_write_that_is_announced_and_fails_leaves_nothing(tmp_path: Path) -> None:
    announced: list[str] = []
    path = tmp_path / "table.csv"
    checkpoint.write_atomically(path, lambda p: p.write_text("x"), announced.append)
    assert announced == [file_sha256(path)]

    def refuse(sha256: str) -> None:
        raise ArtefactError("no card")

    with pytest.raises(ArtefactError, match="no card"):
        checkpoint.write_atomically(path, lambda p: p.write_text("y"), refuse)
    assert path.read_text() == "x" and [p.name for p in tmp_path.iterdir()] == ["table.csv"]


# The state of a computation.


def test_a_state_of_another_computation_or_a_changed_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / RESUME
    tensors = {
        "w": torch.randn(3),
        "n": torch.tensor(7),
        "e": torch.zeros(0),
        "b": torch.ones(2) > 0,
    }
    assert checkpoint.load_state(path, "run a") is None
    checkpoint.save_state(path, tensors, "run a")
    again = checkpoint.load_state(path, "run a")
    assert again is not None and all(torch.equal(again[name], tensors[name]) for name in tensors)
    with pytest.raises(ArtefactError, match="is of run a, not of run b; delete it"):
        checkpoint.load_state(path, "run b")
    flip(path)
    with pytest.raises(ArtefactError, match="corrupt.*delete it"):
        checkpoint.load_state(path, "run a")
    checkpoint.save_tensors(path, tensors)
    with pytest.raises(ArtefactError, match="corrupt.*delete it"):
        checkpoint.load_state(path, "run a")


# Own data.


def own(path: Path, shift: int = 0) -> str:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (rng.integers(0, 200, (60, 8, 8)) + 10 * y[:, None, None] + shift).astype(np.uint8)
    path.parent.mkdir(exist_ok=True)
    np.savez(path, x_train=x[:45], y_train=y[:45], x_test=x[45:], y_test=y[45:])
    return str(path)


def test_one_file_is_one_run_however_its_path_is_spelt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = own(tmp_path / "mine" / "fm.npz")
    monkeypatch.chdir(tmp_path)
    moved = shutil.copy(given, tmp_path / "copy.npz")
    spelt = [given, "mine/fm.npz", "./mine/fm.npz", "mine/../mine/fm.npz", str(moved)]
    runs = [RUN.updated(dataset=name) for name in spelt]
    assert len({run.key for run in runs}) == 1
    assert len({run.second_stage(run.noise, steps=4).key for run in runs}) == 1
    assert runs[0].key != RUN.key and runs[1].dataset == "mine/fm.npz"


def test_an_edited_file_is_another_run_and_the_old_one_stays(output: Path) -> None:
    run = RUN.updated(dataset=own(output / "mine" / "fm.npz"))
    two = run.second_stage(run.noise, steps=4)
    store.load_or_train(two, progress=False)
    before, kept = (run.key, two.key), store.folder(run)
    cards = [json.loads((store.folder(r) / "run.json").read_text()) for r in (run, two)]
    for card, r in zip(cards, (run, two), strict=True):
        assert str(output) not in json.dumps(card)
        assert card["data"]["name"] == "fm" and card["key"] == r.key
        assert card["parameters"]["dataset"].startswith("own-")
    own(output / "mine" / "fm.npz", shift=40)
    assert {run.key, two.key}.isdisjoint(before)
    store.load_or_train(run, progress=False)
    assert kept.is_dir() and store.folder(run).is_dir() and kept != store.folder(run)
    own(output / "mine" / "fm.npz")
    assert (run.key, two.key) == before
    assert paths.runs() in kept.parents


def test_runs_on_named_data_keep_their_keys() -> None:
    """The committed cards hold the parameters that their keys were made from."""
    cards = read_cards(paths.artefacts()).values()
    current = [card for card in cards if card.parameters["encoder"] == "conv"]
    assert len(current) > 50
    for card in current:
        run = RunParameters.from_json(json.dumps(card.parameters))
        assert run.key == card.key and run.named_by_content() == card.parameters
