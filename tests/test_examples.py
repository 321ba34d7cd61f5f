"""The example in the docstring of each public name runs as it is pasted."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

import drlcore
from drlcore.parameters import Registry

# A registry is an object without a docstring of its own, and an error is its message.
NAMES = [
    name
    for name in sorted(drlcore.__all__)
    if not (isinstance(getattr(drlcore, name), Registry) or name.endswith("Error"))
]


@pytest.mark.parametrize("name", NAMES)
def test_the_example_runs_as_it_is_pasted(name: str, output: Path) -> None:
    """With nothing defined before it, and what it trains in an empty folder."""
    found = doctest.DocTestFinder().find(getattr(drlcore, name), name, globs={})
    examples = [test for test in found if test.examples]
    assert examples, f"{name} has no example"
    for example in examples:
        told: list[str] = []
        result = doctest.DocTestRunner().run(example, out=told.append)
        assert result.failed == 0, "".join(told)
