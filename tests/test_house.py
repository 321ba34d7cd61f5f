"""The house: which wing may import which, how large a file may be, what the front door shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import drlcore

PACKAGE = Path(drlcore.__file__).parent
ROOT = PACKAGE.parent


def test_wings_import_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert "2 kept, 0 broken" in found.stdout


def test_an_import_the_other_way_is_noticed(tmp_path: Path) -> None:
    """The rules can fail: an equation that reads a data set breaks them."""
    copy = tmp_path / "drlcore"
    for path in PACKAGE.rglob("*.py"):
        target = copy / path.relative_to(PACKAGE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    with (copy / "sde.py").open("a") as file:
        file.write("\nfrom drlcore.data.datasets import load_dataset\n")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.returncode == 1
    assert "drlcore.sde -> drlcore.data.datasets" in found.stdout


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_a_file_is_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def test_the_equations_stand_at_the_root_and_little_else() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 12


def test_the_front_door_is_small_and_opens_at_once() -> None:
    assert len(drlcore.__all__) <= 25 and set(drlcore.__all__) <= set(dir(drlcore))
    for name in drlcore.__all__:
        assert getattr(drlcore, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'NoiseRang'"):
        drlcore.NoiseRang  # noqa: B018
    code = "import sys, drlcore; print('torch' in sys.modules, 'numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]
