"""DRL as a scikit-learn transformer, and its models as files."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from drlcore import DRL, ArtefactError, DataError, NoiseRange, ParameterError, load_dataset
from drlcore.data.datasets import DATASETS
from drlcore.estimator import pretrained
from drlcore.model import encode
from drlcore.training import store

DIGITS = load_dataset("digits")
BYTES = ((DIGITS.train.x.numpy()[:120, 0] + 1) * 127.5).round().astype(np.uint8)  # (120, 8, 8)
QUICK: dict[str, Any] = {"latent_dim": 3, "preset": "smoke", "steps": 4, "progress": False}


@pytest.fixture(scope="module", autouse=True)
def output(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRLCORE_OUTPUT", str(tmp_path_factory.mktemp("output")))
        yield


@pytest.fixture(scope="module")
def fitted(output: None) -> DRL:
    return DRL(**QUICK).fit(BYTES)


class OfVectors(DRL):
    """Vectors as pictures one pixel high, so that scikit-learn's own checks can be run."""

    def fit(self, X: Any, y: Any = None) -> DRL:  # noqa: N803
        from sklearn.utils.validation import validate_data

        X = validate_data(self, X)  # noqa: N806
        super().fit(_picture(X), y)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any, sigma: float | None = None) -> Any:  # noqa: N803
        from sklearn.utils.validation import check_is_fitted, validate_data

        check_is_fitted(self)
        return super().transform(_picture(validate_data(self, X, reset=False)), sigma)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = True, False
        return tags


def _picture(X: Any) -> Any:  # noqa: N803
    """(N, d) reals as (N, 2, d) in [-1, 1], negative ones among them."""
    x = np.tanh(np.asarray(X, dtype=np.float32) / 10)[:, None].repeat(2, axis=1)
    return np.concatenate([x, -np.ones_like(x[..., :1])], axis=2)


@parametrize_with_checks([OfVectors(latent_dim=2, preset="smoke", steps=2, progress=False)])
def test_scikit_learn_s_own_checks(estimator: DRL, check: Any) -> None:
    check(estimator)


def test_codes_are_the_run_s(fitted: DRL) -> None:
    """The estimator adds nothing: same parameters, same images, same codes."""
    z = fitted.transform(BYTES)
    assert z.shape == (120, 3) and z.dtype == np.float32
    x = torch.from_numpy(BYTES)[:, None].float() / 127.5 - 1
    np.testing.assert_array_equal(z, encode(fitted.model_, x))
    assert list(fitted.get_feature_names_out()) == ["drl0", "drl1", "drl2"]
    assert fitted.n_features_in_ == 64 and fitted.run_.steps == 4
    assert not [name for name in DATASETS if name.startswith("images-")]  # nothing is left behind


def test_the_same_fit_is_loaded_and_another_seed_is_another_model(
    fitted: DRL, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    train = store.train
    monkeypatch.setattr(
        store, "train", lambda run, *a, **k: trained.append(run.key) or train(run, *a, **k)
    )
    again = DRL(**QUICK).fit(BYTES)
    assert not trained and again.key_ == fitted.key_
    other = DRL(**QUICK, random_state=1).fit(BYTES)
    assert trained == [other.key_] and other.key_ != fitted.key_
    assert not np.allclose(other.transform(BYTES[:5]), fitted.transform(BYTES[:5]))


def test_pictures_come_back_in_the_form_that_they_were_given_in(fitted: DRL) -> None:
    z = fitted.transform(BYTES[:7])
    drawn = fitted.inverse_transform(z, nfe=3)
    assert drawn.shape == (7, 8, 8) and drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn, fitted.inverse_transform(z, nfe=3))
    assert (drawn != fitted.inverse_transform(z, nfe=3, random_state=1)).any()
    last = np.moveaxis(np.stack([BYTES] * 3, 1), 1, -1) / np.float32(255)
    colour = DRL(**QUICK).fit(last)
    drawn = colour.inverse_transform(colour.transform(last[:2]), nfe=3)
    assert drawn.shape == (2, 8, 8, 3) and drawn.dtype == np.float32
    assert drawn.min() >= 0 and drawn.max() <= 1
    assert fitted.inverse_transform(np.empty((0, 3), np.float32)).shape == (0, 8, 8)


@pytest.mark.parametrize(
    ("noise", "stages"),
    [
        (None, 1),
        (NoiseRange(), 1),
        (NoiseRange().single(5.0), 2),
        (NoiseRange(sigma_min=0.3, sigma_max=10.0), 2),
        (NoiseRange().whole("uniform_sigma"), 2),
    ],
)
def test_what_draws_has_seen_every_level_and_the_codes_are_the_first_stage_s(
    noise: NoiseRange | None, stages: int
) -> None:
    drl = DRL(**QUICK, noise=noise).fit(BYTES)
    assert (drl.run_.first_stage is None) == (stages == 1)
    assert drl.run_.noise == NoiseRange()
    assert drl.inverse_transform(drl.transform(BYTES[:2]), nfe=3).shape == (2, 8, 8)
    if stages == 2:
        alone = DRL(**QUICK, noise=noise, sampler=False).fit(BYTES)
        assert alone.run_ == drl.run_.first_stage
        np.testing.assert_array_equal(alone.transform(BYTES), drl.transform(BYTES))


def test_a_model_without_small_noise_refuses_to_draw() -> None:
    drl = DRL(**QUICK, noise=NoiseRange().single(5.0), sampler=False).fit(BYTES)
    with pytest.raises(ParameterError, match="no noise below sigma = 5.*sampler=True"):
        drl.inverse_transform(drl.transform(BYTES[:2]))


def test_a_code_over_time_is_read_at_a_level() -> None:
    drl = DRL(**QUICK, time_conditioned=True, noise=NoiseRange().interval(0.1, 10.0)).fit(BYTES)
    assert drl.run_.first_stage is not None
    at = {sigma: drl.transform(BYTES[:9], sigma=sigma) for sigma in (0.1, 10.0)}
    assert not np.allclose(at[0.1], at[10.0])
    np.testing.assert_array_equal(drl.transform(BYTES[:9]), at[10.0])  # the largest it saw
    with pytest.raises(ParameterError, match="sigma = 60; allowed: 0.01 to 50"):
        drl.transform(BYTES[:2], sigma=60)


def test_refusals_are_told_before_anything_is_trained(fitted: DRL) -> None:
    with pytest.raises(ParameterError, match="only a code E.x0, t. is read at one"):
        fitted.transform(BYTES[:2], sigma=1.0)
    with pytest.raises(ParameterError, match="preset = 'lap'; known are: smoke, laptop"):
        DRL(preset="lap").fit(BYTES)
    with pytest.raises(ParameterError, match="method = 'ae'; known are: drl, vdrl"):
        DRL(method="ae").fit(BYTES)  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="latent_dim"):
        DRL(latent_dim=0).fit(BYTES)
    with pytest.raises(DataError, match=r"\(1, 9, 9\).*\(1, 8, 8\)"):
        fitted.transform(np.zeros((3, 9, 9), np.uint8))
    for codes in (np.zeros((2, 4)), np.full((2, 3), np.nan)):
        with pytest.raises(ParameterError, match=r"allowed: finite, \(N, 3\)"):
            fitted.inverse_transform(codes)


def test_an_interrupted_fit_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "train", interrupted)
    with pytest.raises(KeyboardInterrupt, match="the same fit goes on there"):
        DRL(**QUICK, random_state=77).fit(BYTES)
    assert not [name for name in DATASETS if name.startswith("images-")]


def test_in_a_pipeline_the_noise_range_is_searched_over() -> None:
    y = DIGITS.train.y.numpy()[:120]
    ranges = [NoiseRange().single(0.1), NoiseRange().single(5.0)]
    of_codes = make_pipeline(DRL(**QUICK, sampler=False), LogisticRegression())
    search = GridSearchCV(of_codes, {"drl__noise": ranges}, cv=2).fit(BYTES, y)
    assert search.best_params_["drl__noise"] in ranges
    assert len(search.cv_results_["mean_test_score"]) == 2
    assert search.predict(BYTES[:3]).shape == (3,)
    copy = clone(search.best_estimator_[0])
    assert copy.noise == search.best_estimator_[0].noise and not hasattr(copy, "model_")
    table = DRL(**QUICK).set_output(transform="pandas").fit_transform(BYTES)
    assert list(table.columns) == ["drl0", "drl1", "drl2"]


# Files.


def test_a_saved_model_gives_the_same_codes_and_pictures(fitted: DRL, tmp_path: Path) -> None:
    folder = fitted.save_pretrained(tmp_path / "my-drl")
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    again = DRL.from_pretrained(folder, device="cpu")
    z = fitted.transform(BYTES)
    np.testing.assert_array_equal(again.transform(BYTES), z)
    np.testing.assert_array_equal(
        again.inverse_transform(z[:3], nfe=3), fitted.inverse_transform(z[:3], nfe=3)
    )
    assert again.key_ == fitted.key_ and again.run_ == fitted.run_
    assert {**again.get_params(), "noise": None, "progress": 0, "device": 0} == {
        **fitted.get_params(), "noise": None, "progress": 0, "device": 0,
    }  # fmt: skip
    twice = again.save_pretrained(tmp_path / "again")
    for name in ("model.safetensors", "config.json", "README.md"):
        assert (twice / name).read_bytes() == (folder / name).read_bytes()


def test_a_saved_second_stage_keeps_the_encoder_s_noise(tmp_path: Path) -> None:
    drl = DRL(**QUICK, noise=NoiseRange().single(5.0), method="vdrl").fit(BYTES)
    again = DRL.from_pretrained(drl.save_pretrained(tmp_path))
    assert again.noise == NoiseRange().single(5.0) and again.run_.noise == NoiseRange()
    np.testing.assert_array_equal(again.transform(BYTES), drl.transform(BYTES))
    card = (tmp_path / "README.md").read_text()
    assert "| noise trained on | σ = 5 |" in card and "vdrl" in card and drl.key_ in card
    assert str(Path.home()) not in card + (tmp_path / "config.json").read_text()


def test_damaged_files_are_refused_in_one_line(fitted: DRL, tmp_path: Path) -> None:
    good = fitted.save_pretrained(tmp_path / "good")

    def changed(name: str, content: bytes) -> Path:
        folder = tmp_path / f"bad{len(list(tmp_path.iterdir()))}"
        shutil.copytree(good, folder)
        (folder / name).write_bytes(content)
        return folder

    weights = bytearray((good / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    config = json.loads((good / "config.json").read_text())
    unknown = {**config, "arguments": {**config["arguments"], "latent": 3}}
    for name, content, words in (
        ("model.safetensors", bytes(weights), "is corrupt: expected sha256"),
        ("config.json", b"{}", "is no configuration of a DRL"),
        ("config.json", b"\x00", "is no configuration of a DRL"),
        ("config.json", json.dumps(unknown).encode(), "latent"),
        ("config.json", json.dumps({**config, "run": {"steps": 0}}).encode(), "steps"),
    ):
        with pytest.raises(ArtefactError, match=words) as caught:
            DRL.from_pretrained(changed(name, content))
        assert "\n" not in str(caught.value)
    with pytest.raises(ArtefactError, match="is it a folder of save_pretrained"):
        DRL.from_pretrained(tmp_path)
    with pytest.raises(ArtefactError, match="no such folder; on the hub a model is owner/name"):
        DRL.from_pretrained(tmp_path / "nowhere")


class Hub(ModuleType):
    """A hub on this disk: owner/name is a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__("huggingface_hub")
        self.folder, self.asked = folder, []

    def HfApi(self, token: str | None) -> Hub:  # noqa: N802
        self.asked.append(token)
        return self

    def create_repo(self, repo_id: str, private: bool, exist_ok: bool) -> str:
        (self.folder / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        self.asked.append(private)
        return f"hub/{repo_id}"

    def upload_folder(self, repo_id: str, folder_path: Path, commit_message: str) -> None:
        shutil.copytree(folder_path, self.folder / repo_id, dirs_exist_ok=True)

    def snapshot_download(self, name: str, revision: str | None, allow_patterns: list[str]) -> str:
        self.asked.append(revision)
        return str(self.folder / name)


def test_to_the_hub_and_back(fitted: DRL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(tmp_path / "hub")
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    assert fitted.push_to_hub("me/digits") == "hub/me/digits"
    monkeypatch.chdir(tmp_path)
    again = DRL.from_pretrained("me/digits", revision="v1")
    np.testing.assert_array_equal(again.transform(BYTES), fitted.transform(BYTES))
    assert hub.asked == [None, True, "v1"]  # nobody's token; private unless asked otherwise
    assert pretrained.CARD in {p.name for p in (tmp_path / "hub/me/digits").iterdir()}


def test_the_real_hub_s_client_takes_these_calls() -> None:
    """Names and arguments of the calls above, so that the stand-in stands for something."""
    hub = pytest.importorskip("huggingface_hub")
    import inspect

    for call, names in (
        (hub.HfApi, {"token"}),
        (hub.HfApi.create_repo, {"repo_id", "private", "exist_ok"}),
        (hub.HfApi.upload_folder, {"repo_id", "folder_path", "commit_message"}),
        (hub.snapshot_download, {"repo_id", "revision", "allow_patterns"}),
    ):
        assert names <= set(inspect.signature(call).parameters)


def test_without_the_hub_s_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ParameterError, match=r"pip install 'drlcore\[hub\]'"):
        DRL.from_pretrained("me/digits")


# What is taken.


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures in colour, 8 x 8."""
    from PIL import Image

    place = tmp_path_factory.mktemp("photos")
    for k, x in enumerate(BYTES[:40]):
        Image.fromarray(np.stack([x, x // 2, 255 - x], axis=-1)).save(place / f"{k:02}.png")
    return place


def test_a_folder_of_pictures_is_fitted_in_one_line(folder: Path) -> None:
    drl = DRL(**QUICK).fit(folder)
    z = drl.transform(folder)
    assert z.shape == (40, 3)
    x = np.stack([BYTES[:40], BYTES[:40] // 2, 255 - BYTES[:40]], axis=-1)
    np.testing.assert_array_equal(drl.transform(x), z)  # the same pictures as an array
    drawn = drl.inverse_transform(z[:2], nfe=3)
    assert drawn.shape == (2, 8, 8, 3) and drawn.dtype == np.uint8
    again = DRL(**QUICK).fit(x)
    assert again.key_ == drl.key_


def test_every_container_of_the_same_images_is_the_same_fit(tmp_path: Path) -> None:
    import pandas as pd
    from PIL import Image
    from torch.utils.data import TensorDataset

    for k, x in enumerate(BYTES):
        Image.fromarray(x).save(tmp_path / f"{k:03}.png")
    np.savez(tmp_path / "some.npz", images=BYTES)
    files = sorted(tmp_path.glob("*.png"))
    forms: dict[str, Any] = {
        "tensor": torch.from_numpy(BYTES),
        "channels": BYTES[:, None],
        "last": BYTES[..., None],
        "npz": tmp_path / "some.npz",
        "paths": files,
        "table": pd.DataFrame({"path": files}),
        "pictures": [Image.fromarray(x) for x in BYTES],
        "torch": TensorDataset(torch.from_numpy(BYTES), torch.zeros(len(BYTES))),
        "pair": (BYTES, ["a", "b"] * 60),
        "mapping": {"x_train": BYTES},
    }
    keys = {name: DRL(**QUICK, sampler=False).fit(given).key_ for name, given in forms.items()}
    assert len(set(keys.values())) == 1, keys


def test_new_images_are_read_as_those_of_the_fit(fitted: DRL) -> None:
    """Values that have two readings by themselves have one after a fit."""
    dark = np.zeros((2, 8, 8), np.uint8)
    dark[0, 0, 0] = 1
    x = torch.from_numpy(dark)[:, None].float() / 127.5 - 1
    np.testing.assert_array_equal(fitted.transform(dark), encode(fitted.model_, x))
    signed = DIGITS.train.x.numpy()[:120]
    of_signed = DRL(**QUICK).fit(signed)
    bright = np.full((2, 1, 8, 8), 0.5, np.float32)  # grey of [0, 1], or bright of [-1, 1]
    np.testing.assert_array_equal(
        of_signed.transform(bright), encode(of_signed.model_, torch.from_numpy(bright))
    )
    colour = DRL(**QUICK).fit(np.stack([BYTES, BYTES, BYTES // 2], axis=-1))
    grey = colour.transform(BYTES[:3])  # grey pictures are colour ones
    np.testing.assert_array_equal(grey, colour.transform(np.stack([BYTES[:3]] * 3, axis=-1)))
    with pytest.raises(DataError, match=r"\(3, 8, 8\).*allowed: \(1, 8, 8\)"):
        fitted.transform(np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(DataError, match="cannot take int"):
        DRL(**QUICK).fit(3)
