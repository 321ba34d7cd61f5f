"""Where runs and products are looked for, and what the tidy result tables hold."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from committed import commit
from safetensors.numpy import save_file

from drlcore.data import paths
from drlcore.data.datasets import load_dataset
from drlcore.errors import ArtefactError, DataError
from drlcore.noise_range import NoiseRange
from drlcore.oracle.gaussian_mixture import Estimate, Prop1
from drlcore.paper import products
from drlcore.paper.experiments import LatentSpace, NoiseDial
from drlcore.paper.experiments.latent_space import SETTINGS
from drlcore.paper.products import Product
from drlcore.paper.sheets import Arrays
from drlcore.paper.tables import results
from drlcore.paper.tables.theory import floor_rows, gain_rows
from drlcore.training import store
from drlcore.training.card import Card, Data, Weights
from drlcore.training.checkpoint import file_sha256
from drlcore.training.device import pick_device
from drlcore.training.run import RunParameters

RUN = RunParameters(dataset="digits", steps=3, batch_size=8, width=16)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with nothing in it, apart from the folder that runs are written to."""
    root = tmp_path / "checkout"
    (root / "data" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("DRLCORE_ROOT", str(root))
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path / "out"))
    return root


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def leftovers() -> list[Path]:
    """Files that only a killed writer may leave."""
    found = [*paths.runs().rglob(".*"), *paths.runs().rglob("*resume.safetensors")]
    return [path for path in found if path.is_file()]


def put_card(place: Path, run: RunParameters, checksum: str | None = None) -> Card:
    """The card of ``run`` as trained on digits, or on data of ``checksum``."""
    card = store.read_card(place, run.key) or Card(
        key=run.key,
        parameters=run.named_by_content(),
        weights=Weights(kind="ema", sha256="0" * 64),
        data=Data(name="digits", checksum=checksum or load_dataset("digits").checksum),
        environment={},
        wall_s=1.0,
    )
    card.save(place)
    return card


def put_product(
    place: Path, product: Product[Any], content: str | Arrays, checksum: str | None = None
) -> Path:
    """``content`` as the stored ``product``, listed in the card beside it."""
    card = put_card(place, product.run, checksum)
    path = place / product.file
    if isinstance(content, str):
        put(path, content)
    else:
        save_file(content, path)
    card.listing({**card.files, path.name: file_sha256(path)}).save(place)
    return path


# Runs and products.


def test_a_run_is_looked_for_here_then_among_the_artefacts(checkout: Path) -> None:
    assert store.find_card(RUN) is None
    there = put_card(checkout / "made" / RUN.key, RUN)
    commit(checkout / "made", paths.artefacts())
    assert store.find_card(RUN) == there
    here = there.model_copy(update={"wall_s": 2.0})
    here.save(store.folder(RUN))
    assert store.find_card(RUN) == here
    assert store.find_card(RUN.updated(seed=1)) is None
    assert checkout in paths.artefacts().parents and checkout not in store.folder(RUN).parents


def test_committed_weights_are_loaded_from_another_place_without_training(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.load_or_train(RUN, progress=False, device="cpu")
    commit(paths.runs(), paths.artefacts())
    shutil.rmtree(store.folder(RUN))
    monkeypatch.setattr(store, "train", lambda *_, **__: pytest.fail("trained again"))
    again = store.load_or_train(RUN, progress=False, device="cpu")
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    assert store.history(RUN).step.tolist() == [3]
    assert not store.folder(RUN).exists()


def test_history_trains_if_need_be(checkout: Path) -> None:
    history = store.history(RUN, progress=False)
    assert history.step.tolist() == [3]
    assert (store.folder(RUN) / "weights.safetensors").is_file()
    assert sorted(p.name for p in store.folder(RUN).iterdir()) == [
        "history.csv", "run.json", "weights.safetensors",
    ]  # fmt: skip


def test_a_product_computed_here_comes_before_the_committed_one(checkout: Path) -> None:
    product = products.metrics(RUN)
    table = "split,metric,value\ntest,a,{}\n"
    put_product(checkout / "made" / RUN.key, product, table.format(1))
    commit(checkout / "made", paths.artefacts())
    assert product.stored is not None
    assert product.stored.path == paths.artefacts() / "metrics.parquet" and product.stored.committed
    assert product.load().value.tolist() == [1]
    here = put_product(store.folder(RUN), product, table.format(2))
    assert product.stored.path == here and not product.stored.committed
    assert product.load().value.tolist() == [2]


def test_a_product_of_other_data_is_refused(checkout: Path) -> None:
    product = products.metrics(RUN)
    put_product(store.folder(RUN), product, "split,metric,value\ntest,a,1\n", "f" * 16)
    with pytest.raises(ArtefactError, match="trained on digits with checksum ffffffffffffffff"):
        product.load()


def test_weights_without_their_history_are_refused(checkout: Path) -> None:
    store.load_or_train(RUN, progress=False, device="cpu")
    (store.folder(RUN) / "history.csv").unlink()
    with pytest.raises(ArtefactError, match="weights but no history"):
        store.history(RUN, progress=False)


def test_every_kind_of_product_is_computed_once_and_read_back(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Product[Any]] = [
        products.metrics(RUN),
        products.usage(RUN),
        products.codes(RUN),
        products.latent_grid(RUN, 2),
        products.swapped_codes(RUN, 2),
        products.same_code(RUN, 2),
        products.reconstructions(RUN, 2),
    ]
    computed = [product.load(progress=False) for product in made]
    files = {product.stored.name for product in made if product.stored is not None}
    assert files == {product.file for product in made} and len(files) == len(made)
    assert not leftovers()
    monkeypatch.setattr(products, "load_or_train", lambda *_, **__: pytest.fail("computed again"))
    for product, first in zip(made, computed, strict=True):
        again = product.load()
        if isinstance(first, pd.DataFrame):
            pd.testing.assert_frame_equal(first, again)
            continue
        assert first.keys() == again.keys()
        for name, value in first.items():
            assert value.dtype == again[name].dtype
            np.testing.assert_array_equal(value, again[name])
    # Another number of evaluations is another product.
    assert products.latent_grid(RUN, 3).stored is None


def test_arrays_keep_values_types_and_order_whatever_their_memory_layout(checkout: Path) -> None:
    arrays = {
        "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "bytes": np.arange(6, dtype=np.uint8)[::-2],
        "count": np.array(7),
    }
    store.load_or_train(RUN, progress=False, device="cpu")
    product = Product(RUN, "made", ".safetensors", lambda run, model: arrays, {})
    for name, value in product.load().items():
        assert value.dtype == arrays[name].dtype
        np.testing.assert_array_equal(value, arrays[name])


def test_the_device_is_the_one_named_or_one_that_is_there() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert pick_device() == torch.device("cpu")


# Where the checkout is.


def test_a_folder_that_is_no_checkout_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path))
    with pytest.raises(DataError, match="not a checkout.*DRLCORE_ROOT"):
        paths.root()


def test_outputs_go_to_the_checkout_unless_told(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = paths.results("smoke"), paths.figures("smoke"), paths.runs()
    monkeypatch.delenv("DRLCORE_OUTPUT")
    inside = paths.results("smoke"), paths.figures("smoke"), paths.runs()
    assert all(checkout not in path.parents for path in outside)
    assert all(checkout in path.parents for path in inside)
    assert [p.name for p in outside] == [p.name for p in inside]


# Tidy results.

MEASURED = pd.DataFrame({"split": ["test"], "metric": ["knn_accuracy"], "value": [0.5]})


def test_a_result_row_says_which_run_it_is_of() -> None:
    run = RUN.updated(
        method="vdrl", sde="vp", noise=NoiseRange().interval(0.5, 2.0), latent_dim=3, seed=4
    )
    (row,) = results.add_run_columns(run, MEASURED).to_dict("records")
    assert row == {
        "dataset": "digits", "method": "vdrl", "sde": "vp", "t_sampler": "interval",
        "sigma_min": 0.5, "sigma_max": 2.0, "latent_dim": 3, "seed": 4, "run": run.key,
        "split": "test", "metric": "knn_accuracy", "value": 0.5,
    }  # fmt: skip
    assert row.keys() == set(results.COLUMNS)
    assert list(MEASURED.columns) == ["split", "metric", "value"]  # the input is left alone


def test_levels_of_a_single_level_are_equal_and_no_code_has_no_dimension() -> None:
    (row,) = results.add_run_columns(
        RUN.updated(noise=NoiseRange().single(3.0)), MEASURED
    ).itertuples()
    assert (row.sigma_min, row.sigma_max, row.t_sampler) == (3.0, 3.0, "single")
    assert results.add_run_columns(RUN.updated(method="dsm"), MEASURED).latent_dim.tolist() == [0]


def test_a_second_stage_is_filed_under_the_noise_its_encoder_saw() -> None:
    two = RUN.updated(noise=NoiseRange().single(3.0)).second_stage(NoiseRange(), steps=10)
    (row,) = results.add_run_columns(two, MEASURED).itertuples()
    assert (row.sigma_min, row.sigma_max, row.t_sampler) == (3.0, 3.0, "single")
    assert row.run == two.key


def test_floor_and_gains_become_rows_of_the_toy_set() -> None:
    levels = [0.1, 1.0]
    terms = [Prop1(*(Estimate(m + k, 0.01 * (m + 1)) for m in (4, 3, 1, 0, 6)))
             for k in range(2)]  # fmt: skip
    floors = pd.DataFrame({"nothing": [3.0, 4.0], "coarse": [1.0, 2.0]}, index=levels)
    gains = pd.DataFrame(
        [(s, f, g) for f, of in (("coarse", (2.0, 0.5)), ("fine", (0.1, 0.0)))
         for s, g in zip(levels, of, strict=True)],
        columns=["sigma", "factor", "gain"],
    )  # fmt: skip
    table = floor_rows("vp", 2, levels, terms, floors, gains)
    wide = table.pivot(index="sigma_max", columns="metric", values="value")
    assert wide.dsm.tolist() == [4, 5] and wide.constant.tolist() == [3, 4]
    assert wide.esm.tolist() == [1, 2] and wide.error.tolist() == [0, 1]
    assert wide.error_standard_error.tolist() == [0.01, 0.01]
    assert wide.error_without_constant.tolist() == [6, 7]
    assert wide.error_without_constant_standard_error.tolist() == [0.07, 0.07]
    assert wide.floor_nothing.tolist() == [3, 4] and wide.floor_coarse.tolist() == [1, 2]
    assert wide.gain_coarse.tolist() == [2, 0.5] and wide.gain_fine.tolist() == [0.1, 0]
    assert (table.dataset == "toy").all() and (table.split == "monte-carlo").all()
    assert (table.sde == "vp").all() and (table.seed == 2).all()
    assert (table.sigma_min == table.sigma_max).all() and (table.latent_dim == 0).all()

    theory = gain_rows(gains, price=0.3)
    pays = theory[theory.metric.str.startswith("pays_")].set_index(["metric", "sigma_max"]).value
    assert pays.to_dict() == {
        ("pays_coarse", 0.1): 1, ("pays_coarse", 1.0): 1, ("pays_fine", 0.1): 0,
        ("pays_fine", 1.0): 0,
    }  # fmt: skip
    kept = theory[theory.metric.str.startswith("gain_")].value.tolist()
    assert kept == gains.gain.tolist()
    assert (theory.method == "theory").all()


def test_written_tables_have_the_columns_in_order_and_are_read_back(output: Path) -> None:
    one = results.add_run_columns(RUN, MEASURED).assign(range="all t")[::-1]
    two = results.add_run_columns(RUN.updated(seed=1), MEASURED.assign(value=1 / 3))
    written = results.write("made-up", "table", [one, two])
    assert list(written.columns) == [*results.COLUMNS, "range"]
    stored = results.read("made-up", "table")
    assert list(stored.columns) == list(written.columns)
    assert stored.value.tolist() == [0.5, 0.333333]  # six digits
    pd.testing.assert_frame_equal(stored, written, rtol=1e-5, check_dtype=False)
    assert stored.range.isna().tolist() == [False, True]


def test_results_computed_here_come_before_the_committed_ones(checkout: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no results of table.*PRESET=made-up"):
        results.table_path("made-up", "table")
    committed = put(checkout / "data" / "results" / "made-up" / "table.csv", "value\n1\n")
    assert results.table_path("made-up", "table") == committed
    assert results.read("made-up", "table").value.tolist() == [1]
    here = put(paths.results("made-up") / "table.csv", "value\n2\n")
    assert results.table_path("made-up", "table") == here
    assert results.read("made-up", "table").value.tolist() == [2]
    with pytest.raises(ArtefactError):
        results.table_path("other", "table")


# Who wins, the code or the noisy image.


def swap_sheet(follows: np.ndarray) -> dict[str, np.ndarray]:
    """Cell (level, i, j) is digit j with a little noise where ``follows``, else digit i."""
    rng = np.random.default_rng(0)
    n = follows.shape[1]
    clean = rng.integers(20, 236, (n, 1, 4, 4)).astype(np.uint8)
    images = np.empty((*follows.shape, 1, 4, 4), np.uint8)
    for level, i, j in np.ndindex(follows.shape):
        source = clean[j] if follows[level, i, j] else clean[i]
        images[level, i, j] = source + rng.integers(-5, 6, source.shape)
    sigmas = np.array([0.5, 2.0, 10.0][: len(follows)], dtype=np.float32)
    return {"clean": clean, "images": images, "sigmas": sigmas}


def test_follows_code_counts_the_swaps_that_went_to_the_code() -> None:
    follows = np.zeros((3, 4, 4), dtype=bool)
    follows[1, 0, 1:] = True  # three of the twelve swaps of the second level
    follows[2] = True
    share = results.follows_code(swap_sheet(follows))
    assert share.index.tolist() == [0.5, 2.0, 10.0]
    assert share.tolist() == [0, 0.25, 1]


def test_follows_code_does_not_count_an_image_under_its_own_code() -> None:
    own = np.zeros((1, 4, 4), dtype=bool)
    own[0][np.eye(4, dtype=bool)] = True
    assert results.follows_code(swap_sheet(own)).tolist() == [0]


def test_follows_code_tells_i_from_j() -> None:
    """Only the row of digit 2 obeys: 3 of 12, as many as a column, but other ones."""
    follows = np.zeros((1, 4, 4), dtype=bool)
    follows[0, 2] = True
    sheet = swap_sheet(follows)
    assert results.follows_code(sheet).tolist() == [0.25]
    sheet["images"][0, 2, 0] = sheet["clean"][2]
    assert results.follows_code(sheet).tolist() == [pytest.approx(2 / 12)]
    sheet["images"][0, 0, 2] = sheet["clean"][2]
    assert results.follows_code(sheet).tolist() == [0.25]


def test_follows_code_measures_beyond_a_byte() -> None:
    """16 squared is 0 in bytes, which would make the farther digit the nearer one."""
    clean = np.stack([np.full((1, 4, 4), value, np.uint8) for value in (0, 21)])
    images = np.zeros((1, 2, 2, 1, 4, 4), np.uint8)
    images[0, 0, 1], images[0, 1, 0] = 16, 5
    sheet = {"clean": clean, "images": images, "sigmas": np.array([1.0], np.float32)}
    assert results.follows_code(sheet).tolist() == [1]


def test_notebook_03s_table_is_made_of_the_products_of_every_seed(checkout: Path) -> None:
    """Every product is put in place by hand, so nothing trains and every number is known."""
    space = LatentSpace(preset="smoke", dataset="digits", seed=3)
    assert list(space.seeds) == [3, 4]
    steps = space.numbers.nfe_steps
    for seed in space.seeds:
        settings = [space.run(*setting, seed) for setting in SETTINGS]
        for k, run in enumerate(settings):
            table = f"split,metric,value\ntest,knn_accuracy,0.{k}\n"
            put_product(store.folder(run), products.metrics(run), table)
        for k, run in enumerate(space.used(seed)):
            losses = {"own": 0.1 * (k + 1), "shuffled": 0.2 * (k + 1), "same_class": 0.1 * (k + 1)}
            rows = "".join(f"{s},{z},{v / s}\n" for s in (0.1, 7) for z, v in losses.items())
            put_product(store.folder(run), products.usage(run), f"sigma,z,loss\n{rows}")
        for setting, share in zip(SETTINGS[:2], (False, True), strict=True):
            sheet = swap_sheet(np.full((3, 4, 4), share))
            swapped = products.swapped_codes(space.sampler(*setting, seed), steps)
            put_product(store.folder(swapped.run), swapped, sheet)
        for dimension in space.numbers.latent_dims:
            sheet = {
                "diversity": np.full(5, 1 / dimension, np.float32),
                "error": np.full(5, seed / dimension, np.float32),
            }
            same_code = products.same_code(space.of_dimension(dimension, seed), steps)
            put_product(store.folder(same_code.run), same_code, sheet)

    for run in [run for seed in space.seeds for run in space.drawn(seed).values()]:
        judged = f"of,metric,value\nsamples,frechet,{run.latent_dim}\nreal,frechet,0.5\n"
        put_product(store.folder(run), space.quality(run), judged)
    for seed in space.seeds:
        judged = f"sampler,nfe,metric,value\nheun,5,frechet,{seed}\neuler-maruyama,6,frechet,7\n"
        put_product(store.folder(space.samplers(seed).run), space.samplers(seed), judged)

    table = results.write("smoke", "made", results.latent_space_tables(space))
    assert list(table.columns) == [*results.COLUMNS, "weighting", "at_sigma", "sampler", "nfe"]
    walks = table[table.sampler.notna()]
    assert walks.set_index(["seed", "sampler", "nfe"]).value.to_dict() == {
        (s, *walk): value
        for s in (3, 4)
        for walk, value in ((("heun", 5), s), (("euler-maruyama", 6), 7))
    }
    assert set(walks.run) == {space.samplers(seed).run.key for seed in space.seeds}
    table = table[table.sampler.isna()]
    assert not table[results.COLUMNS].isna().any().any()
    assert (table.groupby(["metric", "seed"]).size().unstack().nunique(axis=1) == 1).all()
    assert ((table.sigma_min == 0.01) & (table.sigma_max == 50)).all()  # trained on, everywhere
    looked_at = table.metric.str.match("loss_|worth|kept_|follows_code")
    assert (table.at_sigma.notna() == looked_at).all()
    first = table[table.seed == 3]
    accuracy = first[first.metric == "knn_accuracy"].set_index(["method", "t_sampler"]).value
    assert accuracy.to_dict() == {s: pytest.approx(0.1 * k) for k, s in enumerate(SETTINGS)}
    used = first[first.at_sigma.notna() & (first.split == "validation")]
    by = ["method", "t_sampler", "weighting", "latent_dim", "at_sigma"]
    own = used[used.metric == "loss_own"].set_index(by).value
    trained = [(*setting, "std2", 2) for setting in SETTINGS] + [("dsm", "uniform_t", "std2", 0)]
    drawn = [("dsm", 0), *(("vdrl", d) for d in space.numbers.latent_dims)]
    trained += [(method, "uniform_t", "edm", d) for method, d in drawn]
    assert own.to_dict() == {
        (*of, s): pytest.approx(0.1 * (k + 1) / s) for k, of in enumerate(trained) for s in (0.1, 7)
    }
    assert set(used[used.method == "dsm"].metric) == {"loss_own"}  # there is no code to change
    with_code = used[used.method != "dsm"]
    assert with_code[with_code.metric == "worth"].value.tolist() == pytest.approx([0.5] * 12)
    assert with_code[with_code.metric == "kept_class"].value.tolist() == pytest.approx([1.0] * 12)
    follows = first[first.metric == "follows_code"].set_index(["t_sampler", "at_sigma"]).value
    assert follows.to_dict() == {
        (t, s): float(t == "uniform_sigma") for _, t in SETTINGS[:2] for s in (0.5, 2.0, 10.0)
    }
    frechet = first[first.metric == "sample_frechet"]
    assert frechet.value[frechet.method != "dsm"].tolist() == (
        frechet.latent_dim[frechet.method != "dsm"].tolist()
    )
    assert sorted(frechet.run) == sorted({run.key for run in space.drawn(3).values()})
    assert first[first.metric == "real_frechet"].value.eq(0.5).all()
    for seed, rows in table.groupby("seed"):
        for metric, times in (("sample_diversity", 1), ("sample_error", seed)):
            spread = rows[rows.metric == metric].set_index("latent_dim").value
            expected = {d: pytest.approx(times / d) for d in space.numbers.latent_dims}
            assert spread.to_dict() == expected


def test_seeds_of_notebook_03_are_those_of_one_seed_each() -> None:
    """So that what was trained for one seed is found, whichever seeds are asked for."""
    three = LatentSpace(preset="laptop", seed=4, n_seeds=3)
    alone = [LatentSpace(preset="laptop", seed=s, n_seeds=1) for s in (4, 5, 6)]
    keys, of_alone = {r.key for r in three.runs()}, {r.key for one in alone for r in one.runs()}
    assert keys <= of_alone
    pictures = {each.sampler(*s).key for each in alone[1:] for s in SETTINGS}  # the first seed's
    assert of_alone - keys <= pictures
    assert three.run("drl", "uniform_t") == alone[0].run("drl", "uniform_t")
    assert {p.run.key for p in three.products()} <= {r.key for r in three.runs()}


def test_the_dials_control_is_untrained_and_measured_like_the_dial() -> None:
    dial = NoiseDial(preset="smoke", latent_dim=3, lambda_z=0.1, n_seeds=2)
    control = dial.control()
    assert [(r.method, r.seed, r.latent_dim) for r in control] == [("random", s, 3) for s in (0, 1)]
    assert {r.noise.t_sampler.name for r in control} == {"uniform_t"}
    assert {r.encoder for r in control} == {r.encoder for r in dial.dial()}
    probed = {p.run.key for p in dial.products() if p.file.startswith("metrics")}
    used = {p.run.key for p in dial.products() if p.file.startswith("usage")}
    assert {r.key for r in control} <= probed - used  # it has no loss to use a code for
    assert {r.key for r in dial.dial() + dial.toy()} == used


def test_a_code_worth_too_little_to_share_has_no_shares() -> None:
    used = pd.DataFrame(
        {
            "sigma": [0.1, 0.1, 0.1],
            "z": ["own", "shuffled", "same_ink"],
            "loss": [1.0, 1.001, 1.0],
        }
    )
    rows = results.usage_rows(RUN, used)
    assert set(rows.metric) == {"loss_own", "loss_shuffled", "loss_same_ink", "worth"}
    assert not rows.isna().any().any()
