"""JupyterLab shows a notebook as it is committed, in a browser. Skipped where there is none."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "00_start_here.ipynb"

pytestmark = pytest.mark.browser


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab that has a copy of the notebook, and nobody's settings."""
    (tmp_path / "root").mkdir()
    shutil.copy(ROOT / "notebooks" / NOTEBOOK, tmp_path / "root")
    homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
    homes += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    options = ["--no-browser", "--allow-root", "--port=0", "--IdentityProvider.token="]
    options += [f"--ServerApp.root_dir={tmp_path / 'root'}", "--LabApp.extension_manager=readonly"]
    said = tmp_path / "said"
    with said.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            env={**os.environ, **{home: str(tmp_path / home.lower()) for home in homes}},
            stdout=output,
            stderr=output,
        )
    try:
        while not (address := re.search(r"http://127\.0\.0\.1:\d+/", said.read_text())):
            assert server.poll() is None, said.read_text()
            time.sleep(0.2)
        yield address[0]
    finally:
        server.terminate()
        try:
            server.wait(timeout=60)
        except subprocess.TimeoutExpired:  # how fast it leaves is not what is tested
            server.kill()
            server.wait()


def test_lab_shows_a_notebook(browser: Any, lab: str) -> None:
    window = browser.new_page(viewport={"width": 1200, "height": 2000})
    window.set_default_timeout(PATIENCE)
    said: list[str] = []
    window.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    window.on("pageerror", lambda error: said.append(str(error)))
    window.on("request", lambda r: said.append(r.url) if "//127.0.0.1:" not in r.url else None)
    window.goto(f"{lab}lab/tree/{NOTEBOOK}?reset")
    window.wait_for_selector(".jp-Notebook .jp-OutputArea-output")
    assert "Start here" in window.inner_text(".jp-Notebook h1")
    window.wait_for_selector(".jp-Notebook .jp-OutputArea-output img")
    window.wait_for_selector(".jp-Notebook mjx-container")
    assert window.locator("mjx-merror").count() == 0
    assert said == []
