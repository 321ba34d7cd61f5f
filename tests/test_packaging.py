"""What is needed, which versions, and how it is run are said once and agree everywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from drlcore.paper.experiments import EXPERIMENTS

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
FLOOR, CEILING = "3.11", "3.13"
INSTALL = ["-c constraints.txt", "-e .[all]"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def constraints() -> dict[str, Requirement]:
    lines = [line.split("#")[0].strip() for line in text("constraints.txt").splitlines()]
    requirements = [Requirement(line) for line in lines if line]
    names = [canonicalize_name(r.name) for r in requirements]
    assert len(set(names)) == len(names)
    return dict(zip(names, requirements, strict=True))


def direct_dependencies() -> dict[str, Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    lines = [*PROJECT["project"]["dependencies"], *(line for e in extras.values() for line in e)]
    requirements = [Requirement(line) for line in lines]
    return {canonicalize_name(r.name): r for r in requirements if r.name != "drlcore"}


def test_constraints_cover_exactly_the_direct_dependencies() -> None:
    assert set(constraints()) == set(direct_dependencies())


@pytest.mark.parametrize("name", sorted(direct_dependencies()))
def test_constraint_is_exact_allowed_and_installed(name: str) -> None:
    pins = list(constraints()[name].specifier)
    assert [pin.operator for pin in pins] == ["=="]
    assert "*" not in pins[0].version
    assert direct_dependencies()[name].specifier.contains(pins[0].version, prereleases=True)
    marker = direct_dependencies()[name].marker
    if marker is None or marker.evaluate():
        assert constraints()[name].specifier.contains(version(name), prereleases=True)


def test_files_that_are_no_python_are_part_of_the_package() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["drlcore"]
    package = ROOT / "drlcore"
    packed = {found for pattern in patterns for found in package.glob(pattern)}
    assert packed == {f for f in package.rglob("*.*") if f.suffix not in (".py", ".pyc")}


def test_torch_is_one_release_in_any_build() -> None:
    assert str(constraints()["torch"].specifier) == "==2.13.0"


def test_all_is_every_other_extra() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    (everything,) = (Requirement(line) for line in extras["all"])
    assert everything.name == PROJECT["project"]["name"]
    assert everything.extras == set(extras) - {"all"}


def test_conda_and_make_install_the_same() -> None:
    environment = yaml.safe_load(text("environment.yml"))
    assert environment["channels"] == ["conda-forge"]
    (pip,) = (entry for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == {"pip": INSTALL}
    (install,) = re.findall(r"^\t\S+ -m pip install (.*)", text("Makefile"), re.MULTILINE)
    assert " ".join(INSTALL) in install.replace("'", "")


def test_binder_installs_the_checkout() -> None:
    environment = yaml.safe_load(text(".binder/environment.yml"))
    assert environment["dependencies"][0] == f"python={FLOOR}"
    (torch,) = (d for d in environment["dependencies"] if d.startswith("pytorch-cpu"))
    assert f"torch{torch.removeprefix('pytorch-cpu')}" in PROJECT["project"]["dependencies"]
    assert "pip install --no-cache-dir -e '.[notebooks]'" in text(".binder/postBuild")
    assert (ROOT / ".binder/postBuild").stat().st_mode & 0o111


def test_uv_and_dev_containers_install_the_same() -> None:
    container = json.loads(text(".devcontainer/devcontainer.json"))
    assert container["image"].startswith(f"python:{FLOOR}-")
    (by_hand,) = re.findall(r"^uv venv .*", text("README.md"), re.MULTILINE)
    assert container["postCreateCommand"] == f"pip install uv && {by_hand}"
    assert all(option in by_hand.replace("'", "") for option in INSTALL)
    (stamp,) = re.findall(r"^STAMP := (.*)", text("Makefile"), re.MULTILINE)
    assert by_hand.endswith(f"touch {stamp}")


def test_pages_are_made_as_anybody_makes_them() -> None:
    jobs = yaml.safe_load(text(".github/workflows/site.yml"))["jobs"]
    (run,) = (step["run"] for step in jobs["build"]["steps"] if "run" in step)
    assert run.startswith("make site ")
    assert ignored("site/html/index.html")


def test_python_floor_agrees() -> None:
    tools = PROJECT["tool"]
    workflow = yaml.safe_load(text(".github/workflows/ci.yml"))
    (setup,) = (s for s in workflow["jobs"]["test"]["steps"] if "setup-python" in s.get("uses", ""))
    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    assert allowed == SpecifierSet(f">={FLOOR},<3.14")
    assert tools["ruff"]["target-version"] == "py" + FLOOR.replace(".", "")
    assert tools["mypy"]["python_version"] == FLOOR
    assert setup["with"]["python-version"] == "${{ matrix.python }}"
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == [FLOOR, CEILING]
    assert f"python={FLOOR}" in yaml.safe_load(text("environment.yml"))["dependencies"]
    ends = [f"({v.replace('.', ', ')})" for v in (FLOOR, CEILING)]
    assert f"{ends[0]} <= sys.version_info[:2] <= {ends[1]}" in text("Makefile")


def test_one_test_command() -> None:
    workflow = yaml.safe_load(text(".github/workflows/ci.yml"))
    assert "bash .ci/run" in [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert text(".ci/run").splitlines()[-1] == "exec make test"
    assert (ROOT / ".ci/run").stat().st_mode & 0o111
    assert re.search(r"^\s*make test\s*(#.*)?$", text("README.md"), re.MULTILINE)


@pytest.mark.parametrize(
    "target", ["env", "reproduce", "data", "test", "lint", "lab", "site", "publish", "clean"]
)
def test_make_explains_its_targets(target: str) -> None:
    listed = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)
    assert re.search(rf"^  {target} +\w", listed.stdout, re.MULTILINE)


def ignored(name: str) -> bool:
    """Whether git ignores a file of that name that is not committed."""
    command = ["git", "check-ignore", "--quiet", "--no-index", name]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def test_git_sees_the_committed_notebooks_and_no_user_s() -> None:
    assert [name for name in EXPERIMENTS if ignored(f"notebooks/{name}.ipynb")] == []
    own = ("out", "Untitled", "04_noise_dial-Copy1", "04_mine", "mine/04_noise_dial", "11_new")
    assert all(ignored(f"notebooks/{name}.ipynb") for name in own)
    assert ignored("figures/mine/laptop/idea.png") and ignored("data/results/mine/laptop/x.csv")
    assert not ignored("figures/laptop/idea.png") and not ignored("data/results/laptop/x.csv")


def test_make_test_runs_the_committed_notebooks_and_no_user_s(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "out.ipynb").write_text("a user's")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && exec "{sys.executable}" "$@"\nprintf "%s\\n" "$@" >> called\n'
    )
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "-o", ".venv/.installed", "test"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    called = (tmp_path / "called").read_text().split()
    notebooks = [word for word in called if word.endswith(".ipynb")]
    assert notebooks == [f"notebooks/{name}.ipynb" for name in EXPERIMENTS]
    assert called[called.index("--nbval") + 1] == notebooks[0]


def test_working_copies_keep_what_a_user_saved(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "notebooks").mkdir()
    for name in ("00_a", "01_b"):
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text("as committed")
    make = ["make", "-C", str(tmp_path), "copies"]
    subprocess.run(make, check=True, capture_output=True)
    copies = tmp_path / "notebooks" / "mine"
    assert {p.name: p.read_text() for p in copies.iterdir()} == {
        "00_a.ipynb": "as committed",
        "01_b.ipynb": "as committed",
    }
    (copies / "00_a.ipynb").write_text("changed")
    (copies / "01_b.ipynb").unlink()
    subprocess.run(make, check=True, capture_output=True)
    assert (copies / "00_a.ipynb").read_text() == "changed"
    assert (copies / "01_b.ipynb").read_text() == "as committed"
    assert "lab: env copies" in text("Makefile") and ignored("notebooks/mine/00_a.ipynb")


def test_citation() -> None:
    citation = yaml.safe_load(text("CITATION.cff"))
    paper = citation["preferred-citation"]
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]
    assert "arXiv:2105.14257" in [identifier["value"] for identifier in paper["identifiers"]]
    assert [author["family-names"] for author in paper["authors"]] == [
        "Mittal",
        "Abstreiter",
        "Bauer",
        "Schölkopf",
        "Mehrjou",
    ]


# Written so that no pattern matches its own source.
FOREIGN = {
    "somebody's home": r"(?<![\w.])/(?:home|Users)/[A-Za-z]",
    "a machine's folder": r"(?<![\w.])/(?:root|work|opt|mnt|scratch)/[A-Za-z.]",
    "a Windows home": r"[A-Z]:\\{1,2}Users\\",
    "a package index": r"--(?:extra-)?index-url|(?:index-url|find-links) *[= ]",
    "a registry host": r"pypi[.]org|pythonhosted[.]org|download[.]pytorch[.]org|anaconda[.]org",
}
PICTURE = re.compile(r"[A-Za-z0-9+/=]{200,}")  # base64 in notebooks can spell anything


def repository_files() -> list[Path]:
    """What is, or would be, committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = sorted({ROOT / name for name in listed.stdout.split("\0") if name})
    return [path for path in paths if path.is_file()]


def test_no_machine_paths_or_registry_hosts() -> None:
    files = repository_files()
    assert ROOT / "pyproject.toml" in files
    found = []
    for path in files:
        content = path.read_bytes()
        if b"\0" in content:
            continue
        readable = PICTURE.sub("", content.decode("utf-8", errors="replace"))
        for what, pattern in FOREIGN.items():
            if match := re.search(pattern, readable):
                line = readable.count("\n", 0, match.start()) + 1
                found.append(f"{path.relative_to(ROOT)}:{line}: {what}: {match[0]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("what", "example"),
    [
        ("somebody's home", "see /" + "home/ada/drl"),
        ("somebody's home", '"/' + 'Users/ada"'),
        ("a machine's folder", "/" + "root/.cache"),
        ("a Windows home", "C:" + r"\\Users\\ada"),
        ("a package index", "pip install --index" + "-url x"),
        ("a registry host", "https://pypi" + ".org/simple"),
    ],
)
def test_foreign_patterns_match(what: str, example: str) -> None:
    assert re.search(FOREIGN[what], example)


@pytest.mark.parametrize("example", ["drlcore/work/x", "the root/trunk", "../home/x", "network/a"])
def test_foreign_patterns_leave_the_rest(example: str) -> None:
    assert not any(re.search(pattern, example) for pattern in FOREIGN.values())
