"""Shared by all tests: one CPU thread, and outputs that never touch the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that runs, results and figures go to."""
    monkeypatch.setenv("DRLCORE_OUTPUT", str(tmp_path))
    return tmp_path
