"""The vocabulary of ``import drlcore``: what is in it, that it costs little, its examples."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import drlcore
from drlcore.parameters import Registry

NAMES = sorted(drlcore.__all__)
# A registry is an object without a docstring of its own, and an error is its message.
EXEMPT = [
    name for name in NAMES if isinstance(getattr(drlcore, name), Registry) or name.endswith("Error")
]


def test_at_most_25_names_each_with_a_home() -> None:
    assert len(NAMES) == len(set(NAMES)) <= 25
    assert set(NAMES) == set(drlcore._HOMES) == set(dir(drlcore))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Denoisr'"):
        drlcore.Denoisr  # noqa: B018


def test_importing_the_package_alone_loads_no_library() -> None:
    """So it is fast; each name loads what it needs when it is first asked for."""
    code = "import sys, drlcore; print([n for n in sys.argv[1:] if n in sys.modules])"
    heavy = ["torch", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "pydantic"]
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in EXEMPT])
def test_the_example_runs_as_it_is_pasted(name: str, output: Path) -> None:
    """With nothing defined before it, and what it trains in an empty folder."""
    found = doctest.DocTestFinder().find(getattr(drlcore, name), name, globs={})
    examples = [test for test in found if test.examples]
    assert examples, f"{name} has no example"
    for example in examples:
        told: list[str] = []
        result = doctest.DocTestRunner().run(example, out=told.append)
        assert result.failed == 0, "".join(told)
