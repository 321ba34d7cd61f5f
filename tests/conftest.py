"""Shared by all tests: one CPU thread, and outputs that never touch the checkout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


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
