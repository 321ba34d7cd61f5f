"""The page holds what it was given, to the pixel, and takes text as text."""

from __future__ import annotations

import base64
import configparser
import doctest
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dial_levels import EVIL, THREE, level, pixels

from drlcore.data import paths
from drlcore.data.datasets import load_dataset
from drlcore.errors import ParameterError
from drlcore.paper import dial_page as package
from drlcore.paper.dial_page import (
    Level,
    dial_page,
    embedded,
    frame,
    gather,
    levels_of,
    of_the_nearest,
    page,
    save_page,
    saved,
    words,
)
from drlcore.paper.dial_page import level as level_module
from drlcore.paper.experiments import NoiseDial

HERE = Path(package.__file__).parent


class Tree(HTMLParser):
    """What elements a page has, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.inside = ""
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        else:
            self.texts.append(data)

    def ids(self) -> list[str]:
        return [str(about["id"]) for _, about in self.elements if "id" in about]


def shown(text: str) -> dict[str, Any]:
    return dict(json.loads(Tree(text).scripts[0]))


def cut(content: str, row: int, column: int, shape: tuple[int, ...] = (1, 8, 8)) -> np.ndarray:
    _, h, w = shape
    cell = pixels(content)[row * h : (row + 1) * h, column * w : (column + 1) * w]
    return np.moveaxis(cell, -1, 0)


# What is in it.


def test_a_whole_document_that_asks_for_nothing() -> None:
    text = dial_page(THREE, "about it")
    tree = Tree(text)
    tags = [tag for tag, _ in tree.elements]
    assert text.startswith("<!doctype html>") and tags[:2] == ["html", "head"]
    assert [tags.count(tag) for tag in ("main", "h1", "noscript", "title", "script")] == [
        1, 1, 1, 1, 2,
    ]  # fmt: skip
    assert not any("src" in about or "href" in about for _, about in tree.elements)
    (policy,) = [a["content"] for _, a in tree.elements if a.get("http-equiv")]
    assert str(policy).startswith("default-src 'none'; img-src data:;")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "about it" in "".join(tree.texts)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sprites_hold_every_pixel(channels: int) -> None:
    shape = (channels, 8, 6)
    one = level(shape=shape)
    data = shown(dial_page([one, level(2.0, shape=shape, samples=None)], ""))
    assert data["size"] == [8, 6]
    first = data["levels"][0]
    assert (first["near"], first["samples"]) == (6, 2)
    for k in range(3):
        np.testing.assert_array_equal(cut(data["clean"], 0, k, shape), one.clean[k])
        np.testing.assert_array_equal(cut(first["sprite"], 0, k, shape), one.noisy[k])
        for m in range(6):
            found = cut(first["sprite"], 1 + m, k, shape)
            np.testing.assert_array_equal(found, one.neighbours[k, m])
        for s in range(2):
            assert one.samples is not None
            found = cut(first["sprite"], 7 + s, k, shape)
            np.testing.assert_array_equal(found, one.samples[k, s])


def test_codes_are_kept_to_a_pixel_and_outliers_told_apart() -> None:
    codes = np.random.default_rng(0).normal(size=(1000, 2))
    codes[0] = 1e3
    one = level(codes=codes, labels=None)
    whole = page.quantised(one)
    assert whole.dtype == np.dtype("<u2") and len(whole) == 1003
    assert (whole[0] == page.OUTSIDE).all()
    inside = (whole != page.OUTSIDE).all(axis=1)
    assert 0.97 < inside.mean() < 1 and inside[-3:].all()  # the chosen images' codes always are
    true = np.concatenate([codes, one.own])[inside]
    slope, start = np.polyfit(whole[inside, 0].astype(float), true[:, 0], 1)
    np.testing.assert_allclose(slope * whole[inside, 0] + start, true[:, 0], atol=1e-3)
    (sent,) = shown(dial_page([one], ""))["levels"]
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(sent["codes"]), "<u2").reshape(-1, 2), whole
    )


def test_a_cloud_that_is_one_point_is_shown() -> None:
    one = level(codes=np.zeros((50, 2)), own=np.zeros((3, 2)))
    assert np.ptp(page.quantised(one), axis=0).tolist() == [0, 0]
    assert page.quantised(one)[0].tolist() == [page.FULL // 2] * 2


def test_levels_stand_in_order_at_their_log() -> None:
    data = shown(dial_page(THREE[::-1], ""))
    assert [each["sigma"] for each in data["levels"]] == ["0.1", "1", "10"]
    assert [each["place"] for each in data["levels"]] == [0, 0.5, 1]
    assert len({each["colour"] for each in data["levels"]}) == 3


def test_one_level_is_a_dial_too() -> None:
    (only,) = shown(dial_page([THREE[0]], ""))["levels"]
    assert only["place"] == 0.5


def test_without_labels_samples_and_numbers() -> None:
    absent: dict[str, Any] = dict.fromkeys(
        ("labels", "picture_labels", "neighbour_labels", "samples")
    )
    bare = [level(sigma, **absent, numbers={}) for sigma in (1.0, 2.0)]
    data = shown(dial_page(bare, ""))
    assert data["names"] == [] and data["pictures"] == ["", "", ""]
    for each in data["levels"]:
        assert each["classes"] is None and each["source"] is None and each["numbers"] == {}
        assert each["onNumbers"] == each["onSamples"] == ""
        assert all(text.startswith("Their ink") for text in each["onNearest"])
    assert of_the_nearest(bare)["same class"].isna().all()


def test_samples_of_the_nearest_level_are_said_to_be_borrowed() -> None:
    sigmas = (0.1, 0.2, 1.0, 10.0)
    drawn = [level(s, **({} if s in (0.1, 10.0) else {"samples": None})) for s in sigmas]
    levels = shown(dial_page(drawn, ""))["levels"]
    assert [each["source"] for each in levels] == [0, 0, 0, 3]
    assert ["None were drawn" in each["onSamples"] for each in levels] == [False, True, True, False]
    assert "at σ = 1: these are of the nearest level, σ = 0.1" in levels[2]["onSamples"]


def test_numbers_are_told_in_words_and_only_those_there_are() -> None:
    data = shown(dial_page([level(numbers={"ink_r2": 0.5, "worth": np.nan})], ""))
    assert data["levels"][0]["numbers"] == {"ink_r2": 0.5}
    assert data["levels"][0]["onNumbers"] == "The code tells 50\xa0% of the variance of ink."
    told = words.on_numbers(level())
    assert "class of 50\xa0%" in told and "tells 0\xa0%" in told and "same class 40\xa0%" in told


def test_the_mean_of_colours_is_called_brightness() -> None:
    data = shown(dial_page([level(shape=(3, 8, 8))], ""))
    assert ["ink_r2", "brightness R²"] in data["labels"]
    (each,) = data["levels"]
    assert "variance of brightness" in each["onNumbers"] and "same brightness" in each["onNumbers"]
    assert all("their brightness differs" in text for text in each["onNearest"])


def test_what_the_nearest_share_is_counted() -> None:
    image = np.full((1, 1, 8, 8), 100, np.uint8)
    near = np.stack([np.full((1, 8, 8), v, np.uint8) for v in (100, 110, 90, 100, 100, 120)])[None]
    kinds = {"picture_labels": np.array([2]), "neighbour_labels": np.array([[2, 2, 0, 1, 2, 3]])}
    one = level(k=1, clean=image, neighbours=near, **kinds)
    assert words.on_nearest(one, 0, ["a", "b", "c", "d"]) == (
        "3 of 6 are of class c; their ink differs from this image's by 7\xa0% on average."
    )
    assert of_the_nearest([one]).loc["0.5"].tolist() == pytest.approx([0.5, 0.4 / 6])


def test_the_same_levels_give_the_same_bytes() -> None:
    again = [level(sigma) for sigma in (0.1, 1.0, 10.0)]
    assert dial_page(THREE, "a") == dial_page(again, "a") != dial_page(THREE, "b")


def test_more_classes_than_the_map_has_colours() -> None:
    labels = np.arange(50) % 25
    data = shown(dial_page([level(labels=labels)], ""))
    assert len(data["names"]) == len(set(data["colours"])) == 25


# What is not put in.


def test_text_stays_text() -> None:
    text = dial_page(THREE, EVIL, title=EVIL, class_names=[EVIL] * 4, origin={"name": EVIL})
    plain = dial_page(THREE, "", class_names=["x"] * 4)
    tree = Tree(text)
    assert [tag for tag, _ in tree.elements] == [tag for tag, _ in Tree(plain).elements]
    assert text.count("</script") == plain.count("</script") == 2
    assert shown(text)["names"] == [EVIL] * 4
    assert "".join(tree.texts).count(EVIL) == 3  # title, heading, footer
    (origin,) = [a["content"] for _, a in tree.elements if a.get("name") == "drlcore"]
    assert json.loads(str(origin)) == {"name": EVIL}


def test_a_frame_holds_the_page_and_nothing_else() -> None:
    text = dial_page(THREE, EVIL)
    ((tag, about),) = Tree(embedded(text)).elements
    assert tag == "iframe" and about["srcdoc"] == text and about["sandbox"] == "allow-scripts"
    assert unescape(embedded(text)).count(text) == 1


def test_what_makes_no_dial_is_refused() -> None:
    other = replace(THREE[1], clean=255 - THREE[1].clean)
    for levels, why in (
        ([], "there is none"),
        ([THREE[0], THREE[0]], "same sigma"),
        ([THREE[0], other], "clean differs"),
        ([THREE[0], level(3.0, neighbours=THREE[0].neighbours[:, :2], neighbour_labels=None)],
         "numbers of neighbours"),
        ([level(shape=(5, 8, 8))], "5 channels"),
    ):  # fmt: skip
        with pytest.raises(ParameterError, match=why):
            dial_page(levels, "")
    with pytest.raises(ParameterError, match="labels run to 3"):
        dial_page(THREE, "", class_names=["a", "b"])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"sigma": 0.0}, "above 0"),
        ({"numbers": {"fid": 1.0}}, "unknown numbers"),
        ({"labels": np.zeros(7)}, r"labels has shape \(7,\)"),
        ({"noisy": np.zeros((3, 1, 8, 8))}, "images are uint8"),
        ({"clean": np.zeros((0, 1, 8, 8), np.uint8)}, "shape"),
    ],
)
def test_a_level_checks_itself(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ParameterError, match=why):
        replace(THREE[0], **wrong)


# The script.


def test_the_script_asks_for_elements_that_are_there() -> None:
    tree = Tree(dial_page(THREE, ""))
    assert len(set(tree.ids())) == len(tree.ids())
    asked = set(re.findall(r'\$\("([\w-]+)"\)', tree.scripts[1]))
    asked |= set(re.findall(r'buildRow\("([\w-]+)"', tree.scripts[1]))
    assert len(asked) > 12 and asked <= set(tree.ids())
    told = {
        str(a[name]) for _, a in tree.elements for name in ("for", "aria-labelledby") if name in a
    }
    assert told <= set(tree.ids())


def test_a_file_of_the_page_is_read_in_one_go() -> None:
    for name in ("page.html", "dial.css", "dial.js"):
        lines = (HERE / name).read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 300, name
    assert "innerHTML" not in (HERE / "dial.js").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
def test_the_script_parses() -> None:
    subprocess.run([str(shutil.which("node")), "--check", HERE / "dial.js"], check=True)


# From an experiment.


def test_nearest_leave_out_the_image_itself_and_keep_their_order() -> None:
    z = np.array([[0.0], [3.0], [1.0], [1.0], [-0.5]])
    assert gather.nearest_to(z, np.array([0, 1])).tolist() == [[4, 2, 3, 1], [2, 3, 0, 4]]


def test_a_plane_of_more_dimensions_is_that_of_most_variance() -> None:
    draw = np.random.default_rng(0).normal(size=(500, 5)) * [1, 5, 1, 3, 1]
    plane = gather.in_the_plane(draw)
    assert plane.dtype == np.float32
    np.testing.assert_allclose(plane.std(axis=0), draw[:, [1, 3]].std(axis=0), rtol=0.01)
    np.testing.assert_array_equal(gather.in_the_plane(draw[:, :2]), draw[:, :2].astype(np.float32))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NoiseDial, list[Level]]]:
    """The smallest dial there is, trained in seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRLCORE_OUTPUT", str(tmp_path_factory.mktemp("dial")))
        patch.delenv("DRLCORE_REFERENCE", raising=False)
        experiment = NoiseDial(
            preset="smoke", dataset="digits", n_levels=2, n_seeds=1, steps=3, sampler_steps=3
        )
        yield experiment, levels_of(experiment)


def test_levels_of_an_experiment(made: tuple[NoiseDial, list[Level]]) -> None:
    experiment, levels = made
    test = load_dataset("digits").test
    assert [each.sigma for each in levels] == experiment.levels
    assert [each.samples is not None for each in levels] == [True, False]
    for each in levels:
        assert each.clean.shape == each.noisy.shape == (10, 1, 8, 8)
        assert each.neighbours.shape == (10, 6, 1, 8, 8)
        assert len(each.codes) == len(test.x) and each.numbers.keys() >= {"knn_accuracy", "worth"}
        assert each.picture_labels is not None and each.picture_labels.tolist() == list(range(10))
    low, high = (each.noisy.astype(float) - each.clean for each in levels)
    assert np.abs(low).mean() < 2 < 50 < np.abs(high).mean()
    again = levels_of(experiment)
    assert dial_page(levels, "") == dial_page(again, "")
    assert all(each.samples is None for each in levels_of(experiment, samples=False))


def test_the_page_is_written_beside_the_figures(
    made: tuple[NoiseDial, list[Level]], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, levels = made
    path = save_page(levels, experiment)
    assert path.parent.parent.name == "mine" and path.name == "dial.html"
    assert experiment.place in path.as_posix()
    text = path.read_text(encoding="utf-8")
    (told,) = [a["content"] for _, a in Tree(text).elements if a.get("name") == "drlcore"]
    origin = json.loads(str(told))
    assert origin["figure"] == "dial" and origin["source"] == saved.source()
    assert len(origin["inputs"]) == 2 * 3 + 1
    own = frame(path)
    assert Tree(own).elements[0][1]["srcdoc"] == text
    monkeypatch.setenv("DRLCORE_REFERENCE", "1")
    committed = frame(path)
    assert Tree(committed).elements[0][1]["src"] == f"../figures/{experiment.place}/dial.html"
    assert len(committed) < 500
    # What a user's notebook gives is compared with what is committed.
    rules = configparser.ConfigParser(interpolation=None)
    rules.read(paths.root() / "tests" / "nbval_sanitize.cfg", encoding="utf-8")
    first = rules[rules.sections()[0]]
    assert re.sub(first["regex"], first["replace"], own) == re.sub(
        first["regex"], first["replace"], committed
    )
    monkeypatch.delenv("DRLCORE_REFERENCE")
    save_page(levels, experiment)
    assert path.read_text(encoding="utf-8") == text


def test_mnist_s_page_is_small() -> None:
    """Nine levels of ten images of its size, with the noise of the highest level, and samples."""
    x = ((load_dataset("mnist").test.x[:500] + 1) * 127.5).byte().numpy()
    draw = np.random.default_rng(0)
    of = {
        "clean": x[:10],
        "noisy": draw.integers(0, 256, (10, 1, 28, 28), dtype=np.uint8),
        "neighbours": x[10:70].reshape(10, 6, 1, 28, 28),
        "samples": x[70:100].reshape(10, 3, 1, 28, 28),
        "codes": draw.normal(size=(1500, 2)),
        "labels": draw.integers(0, 10, 1500),
    }
    text = dial_page([level(s, k=10, **of) for s in np.geomspace(0.01, 50, 9)], "")
    assert len(text) < 1_000_000


COMMITTED = paths.root() / "figures" / "laptop" / "dial.html"


@pytest.mark.skipif(not COMMITTED.is_file(), reason="no reference page is committed")
def test_the_committed_page_is_not_stale() -> None:
    """Made by the present code from what is stored now."""
    text = COMMITTED.read_text(encoding="utf-8")
    (told,) = [a["content"] for _, a in Tree(text).elements if a.get("name") == "drlcore"]
    origin = json.loads(str(told))
    assert origin["source"] == saved.source()
    inputs = {product.name: product.sha256 for product in gather.read_by(NoiseDial())}
    assert origin["inputs"] == inputs


@pytest.mark.parametrize("module", [level_module, page, words], ids=lambda each: each.__name__)
def test_examples_run(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
