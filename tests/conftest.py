"""Shared by all tests: one CPU thread, and outputs that never touch the checkout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

torch.set_num_threads(1)

PATIENCE = 300_000  # ms that a browser may take on a busy machine; on an idle one it takes few s


# Files that start many processes, longest first: with 'make test' a file is one worker's.
FIRST = ("test_notebooks", "test_batch_run", "test_slurm", "test_site", "test_slices")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that no worker is left alone with it at the end."""
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(FIRST)))


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that runs, results and figures go to."""
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path))
    monkeypatch.delenv("DRLCORE_REFERENCE", raising=False)
    return tmp_path


@pytest.fixture
def no_figures() -> Iterator[None]:
    """The test begins and ends without figures, in matplotlib's own style."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    plt.close("all")
    with mpl.rc_context():
        yield
    plt.close("all")


@pytest.fixture(scope="module")  # no longer: its event loop would be in the way of others
def browser() -> Iterator[Any]:
    """Chromium, driven by playwright: its own, or the one that is installed."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e '.[browser]'"
    )
    with playwright.sync_playwright() as driver:
        own = driver.chromium.executable_path
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        if chromium is None and not Path(own).is_file():
            pytest.skip("there is no chromium: python -m playwright install chromium")
        started = driver.chromium.launch(executable_path=chromium or own, args=["--no-sandbox"])
        yield started
        started.close()
