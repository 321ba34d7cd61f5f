"""The page in a browser: it turns, it fits, it asks for nothing. Skipped where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PATIENCE
from dial_levels import EVIL, THREE, level, pixels

from drlcore.paper.dial_page import dial_page, embedded

pytestmark = pytest.mark.browser


def opened(browser: Any, text: str, path: Path) -> tuple[Any, list[str]]:
    """The page in a window, and what it complained of or asked for."""
    path.write_text(text, encoding="utf-8")
    window = browser.new_page(viewport={"width": 1200, "height": 900})
    window.set_default_timeout(PATIENCE)
    said: list[str] = []
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.on("request", lambda r: said.append(r.url) if r.url.startswith("http") else None)
    window.goto(path.as_uri())
    return window, said


def drawn(window: Any, selector: str) -> np.ndarray:
    """The pixels of a canvas, (H, W) of a grey one."""
    url = window.eval_on_selector(selector, "canvas => canvas.toDataURL()")
    return pixels(url.split(",")[1])[..., 0]


def test_turned_it_shows_the_next_level(browser: Any, tmp_path: Path) -> None:
    window, said = opened(
        browser, dial_page(THREE, EVIL, class_names=[EVIL] * 4), tmp_path / "a.html"
    )
    window.wait_for_selector("#page:not([hidden])")
    assert window.inner_text("#sigma") == "1"  # the middle one
    for key, k in (("Home", 0), ("ArrowRight", 1), ("End", 2), ("ArrowRight", 2), ("ArrowDown", 1)):
        window.press("#slider", key)
        assert window.inner_text("#sigma") == f"{THREE[k].sigma:g}"
        seen = drawn(window, "#erased figure:last-child canvas")
        np.testing.assert_array_equal(seen, THREE[k].noisy[0, 0])
    window.check("#pictures label:nth-of-type(3) input", force=True)
    np.testing.assert_array_equal(
        drawn(window, "#nearest canvas:nth-child(2)"), THREE[1].neighbours[2, 1, 0]
    )
    samples = THREE[1].samples
    assert samples is not None
    np.testing.assert_array_equal(drawn(window, "#samples canvas"), samples[2, 0, 0])
    before = drawn(window, "#cloud")
    window.click("#legend button")
    assert window.get_attribute("#legend button", "aria-pressed") == "true"
    assert (drawn(window, "#cloud") != before).any()
    window.fill("#slider", "900")  # dragged to near the end: the nearest stop
    assert window.inner_text("#sigma") == "10"
    assert said == []


def test_nothing_is_wider_than_the_window(browser: Any, tmp_path: Path) -> None:
    many = [level(s, k=12, shape=(3, 64, 64)) for s in np.geomspace(0.0123, 45.6, 20)]
    text = dial_page(many, "about " * 40, class_names=["a class with a long name" * 3] * 4)
    window, said = opened(browser, text, tmp_path / "a.html")
    window.wait_for_selector("#page:not([hidden])")
    for width in (1200, 800, 480, 360):
        window.set_viewport_size({"width": width, "height": 900})
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        columns = window.eval_on_selector(
            ".panels", "e => getComputedStyle(e).gridTemplateColumns.split(' ').length"
        )
        assert columns == (1 if width <= 480 else 2)
    assert said == []


def test_two_in_one_notebook_do_not_clash(browser: Any, tmp_path: Path) -> None:
    both = embedded(dial_page(THREE, "")) + embedded(dial_page([THREE[0]], ""))
    window, said = opened(browser, f"<!doctype html>{both}", tmp_path / "a.html")
    frames = window.frames[1:]
    for each in frames:
        each.wait_for_selector("#page:not([hidden])")
    frames[0].press("#slider", "End")
    assert [each.inner_text("#sigma") for each in frames] == ["10", "0.1"] and said == []


def test_without_javascript_it_says_where_to_look(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(dial_page(THREE, ""), encoding="utf-8")
    window = browser.new_context(java_script_enabled=False).new_page()
    window.goto((tmp_path / "a.html").as_uri())
    assert "needs JavaScript" in window.inner_text("body")
    assert not window.is_visible("#page")
