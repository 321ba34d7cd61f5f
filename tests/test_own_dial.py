"""The dial of any images: what it trains, what it writes, what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from drlcore import __main__ as command_line
from drlcore import load_dataset
from drlcore.paper.experiments import NoiseDial
from drlcore.paper.experiments.own_dial import OwnDial
from drlcore.paper.figures import origin_of
from drlcore.training import store

ASKED = ["--preset", "smoke", "--levels", "3", "--steps", "6"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty digits as pictures, without labels."""
    place = tmp_path_factory.mktemp("of") / "photos"
    place.mkdir()
    for k, x in enumerate(load_dataset("digits").train.x[:60, 0].numpy()):
        Image.fromarray(((x + 1) * 127.5).round().astype(np.uint8)).save(place / f"{k:02}.png")
    return place


def told(output: str) -> list[Path]:
    return [Path(line) for line in output.splitlines() if line.startswith("/")]


def test_a_folder_of_pictures_gives_a_page_a_figure_and_a_table(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path))
    assert command_line.main(["dial", str(photos), *ASKED]) == 0
    output = capsys.readouterr().out
    page, picture, table = told(output)
    assert "no labels" in output and "models to train" in output
    assert [path.name for path in (page, picture, table)] == [
        "dial.html", "dial_curves.png", "dial.csv",
    ]  # fmt: skip
    assert page.parent == picture.parent and page.parent.parent == tmp_path / "figures" / "mine"
    assert page.parent.name.startswith("dial-smoke-dataset=photos")
    origin = origin_of(picture)
    assert origin["parameters"]["n_levels"] == 3 and origin["seeds"] == [0]
    rows = pd.read_csv(table)
    experiment = OwnDial(preset="smoke", dataset=str(photos), n_levels=3, steps=6)
    assert set(rows.sigma_max[rows.method == "drl"]) == set(experiment.levels)
    single = rows[rows.method == "drl"].groupby("sigma_max").metric.value_counts().unstack()
    assert (single.band_r2 == 3).all()  # 8 x 8 pixels have no waves of 8 to 16
    assert (single.worth == 1).all() and "knn_accuracy" not in single
    assert set(rows.method) == {"drl", "random"}
    assert str(photos) not in table.read_text()

    trained: list[str] = []
    monkeypatch.setattr(store, "train", lambda run, *a, **k: trained.append(run.key))
    assert command_line.main(["dial", str(photos), *ASKED]) == 0
    assert not trained and told(capsys.readouterr().out) == [page, picture, table]


def test_it_is_notebook_04_s_dial_without_the_rest() -> None:
    """What one has trained the other finds."""
    own, whole = OwnDial(preset="smoke"), NoiseDial(preset="smoke")
    assert len(own.dial()) == 3 and {run.noise.label for run in own.dial()} == {
        run.noise.label for run in whole.dial() if run.noise.t_sampler.name == "single"
    }
    assert {run.key for run in own.runs()} < {run.key for run in whole.runs()}
    assert own.place != whole.place and own.place.startswith("mine/dial-")
    assert {p.kind for p in own.products()} - {p.kind for p in whole.products()} == {"bands"}


def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "empty").mkdir()
    for asked, words in (
        ([str(tmp_path / "empty")], "no pictures"),
        ([str(tmp_path / "nowhere")], "nowhere"),
        (["digits", "--preset", "lap"], "preset"),
        (["digits", "--levels", "1"], "n_levels"),
    ):
        assert command_line.main(["dial", *asked]) == 1
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1, said
