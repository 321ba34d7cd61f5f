"""``python -m drlcore``: what it cannot do it says in one line, with exit status 1."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from drlcore import __main__
from drlcore.__main__ import main
from drlcore.data import paths
from drlcore.paper.experiments import EXPERIMENTS, CodeCurve

CURVE = CodeCurve(preset="smoke", dataset="digits", steps=1, n_seeds=1)
JSON = CURVE.model_dump_json()


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.parametrize("step", ["train", "evaluate"])
@pytest.mark.parametrize("with_another", [False, True])
def test_a_name_that_is_not_there_is_an_error_before_anything_is_done(
    step: str, with_another: bool, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = CURVE.runs()[0].key if step == "train" else CURVE.products()[0].name
    names = [there, "nokey"] if with_another else ["nokey"]
    assert main([step, CURVE.notebook, JSON, *names]) == 1
    assert said(capsys).startswith(f"ParameterError: {CURVE.notebook} with these parameters has no")
    assert not list(output.iterdir())


@pytest.mark.parametrize("place", ["../../x", "mine/../../../x", "/x", "nothing-here"])
def test_a_manifest_is_of_figures_and_nowhere_else(
    place: str, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["manifest", place]) == 1
    assert place.strip("/") in said(capsys)
    assert not list(output.iterdir()) and not (output.parent / "x").exists()


@pytest.mark.parametrize("error", [PermissionError, FileNotFoundError, NotADirectoryError, OSError])
def test_what_the_system_refuses_is_one_line(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise error(1, "not allowed", "the file")

    monkeypatch.setattr(__main__, "write_manifest", refuse)
    assert main(["manifest", "smoke"]) == 1
    assert "the file" in said(capsys)


def run(code: str, cwd: Path, package: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Python code that uses the package in the folder ``package``."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith("DRLCORE_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**bare, "PYTHONPATH": str(package), "OMP_NUM_THREADS": "1", **more},
        capture_output=True,
        text=True,
        check=False,
    )


TRAIN = f"""
import sys
import drlcore
from drlcore.__main__ import main
print(drlcore.__file__)
sys.exit(main(["train", {CURVE.notebook!r}, {JSON!r}, {CURVE.runs()[0].key!r}]))
"""


@pytest.mark.parametrize("told", [False, True])
def test_where_only_the_package_is_installed_it_trains(tmp_path: Path, told: bool) -> None:
    installed, here, output = (tmp_path / name for name in ("site", "here", "output"))
    shutil.copytree(paths.root() / "drlcore", installed / "drlcore")
    here.mkdir()
    done = run(TRAIN, here, installed, **({"DRLCORE_OUTPUT": str(output)} if told else {}))
    assert done.returncode == 0, done.stderr
    assert str(installed) in done.stdout
    where = output if told else here
    assert [p.parent.name for p in where.rglob("weights.safetensors")] == [CURVE.runs()[0].key]
    mnist = TRAIN.replace('"dataset":"digits"', '"dataset":"mnist"')
    assert mnist != TRAIN
    done = run(mnist, here, installed)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("DataError") and "clone the project and set DRLCORE_ROOT" in line


def test_every_text_file_is_read_and_written_as_utf_8() -> None:
    found = []
    for path in (paths.root() / "drlcore").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = "encoding" in {keyword.arg for keyword in node.keywords}
                if node.func.attr in ("read_text", "write_text") and not named:
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []


def test_a_plain_ascii_locale_will_do(tmp_path: Path) -> None:
    code = """
import sys
from drlcore.paper.experiments import EXPERIMENTS
from drlcore.paper.figures import source_fingerprint, style_files
assert sys.getfilesystemencoding() == "ascii"
print(*(source_fingerprint(name) for name in EXPERIMENTS))
"""
    strict = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }
    prints = [
        run(code.replace("ascii", each), tmp_path, paths.root(), **more)
        for each, more in (("ascii", strict), ("utf-8", {"PYTHONUTF8": "1"}))
    ]
    assert [done.returncode for done in prints] == [0, 0], prints[0].stderr
    assert prints[0].stdout == prints[1].stdout
    assert len(prints[0].stdout.split()) == len(EXPERIMENTS)
