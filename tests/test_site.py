"""The site: a page for each notebook, every link leads somewhere, and all of it works offline."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

import drlcore
from drlcore.paper.experiments import EXPERIMENTS

pytest.importorskip("sphinx", reason="the site's tools are not installed: pip install -e '.[site]'")

ROOT = Path(__file__).resolve().parent.parent
DIAL = (ROOT / "figures" / "laptop" / "dial.html").is_file()
LOADED = {"img": "src", "script": "src", "iframe": "src", "link": "href"}  # by the page itself


class Page(HTMLParser):
    """What a page leads to, what it loads, and where in it a link can lead."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.images = self.errors = 0
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        self.images += tag == "img"
        self.errors += tag == "merror"
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag in LOADED and LOADED[tag] in given:
            self.loaded.add(given[LOADED[tag]])


def build(folder: Path, repository: str = "", only: Sequence[str] = ()) -> Path:
    """As 'make site' does; of ``only`` some pages, whose links to the others are then broken."""
    command = [sys.executable, "-m", "sphinx", "-q", "-E"]
    command += ["-D", f"include_patterns={','.join(only)}"] if only else ["-W", "--keep-going"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), "docs", str(folder / "html")],
        cwd=ROOT,
        env={**os.environ, "REPOSITORY": repository, "COMMIT": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert only or done.stderr == ""
    return folder / "html"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = build(tmp_path_factory.mktemp("site"))
    assert sum(path.stat().st_size for path in built.rglob("*") if path.is_file()) < 40e6  # bytes
    return built


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def broken(site: Path, pages: dict[Path, Page]) -> list[str]:
    """Links and files within the site that lead nowhere."""
    found = []
    for path, page in pages.items():
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme or link == "#":
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.is_file() or site.resolve() not in target.resolve().parents:
                found.append(f"{path.relative_to(site)}: {link}")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                found.append(f"{path.relative_to(site)}: {link}: no such place")
    return found


def test_no_link_is_broken(site: Path, pages: dict[Path, Page]) -> None:
    assert broken(site, pages) == []


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "b.html").write_text("<h1 id='here'></h1><a href='a.html'></a>")
    text = "<a href='b.html#there'></a><img src='c.png'><a href='b.html#here'></a>"
    (tmp_path / "a.html").write_text(text)
    pages = {path: Page(path) for path in sorted(tmp_path.glob("*.html"))}
    assert sorted(broken(tmp_path, pages)) == [
        "a.html: b.html#there: no such place",
        "a.html: c.png",
    ]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_notebook_has_a_page_with_its_outputs(site: Path, name: str) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    figures = sum("image/png" in output.get("data", {}) for output in outputs)
    page = Page(site / "notebooks" / f"{name}.html")
    assert page.images == figures
    assert f"notebooks/{name}.html" in Page(site / "index.html").links
    code = sum(cell.cell_type == "code" for cell in notebook.cells)
    assert len(re.findall(r'class="cell_input ', page.text)) == code
    assert page.errors == 0 and "$" not in re.sub(
        r"(?s)<pre.*?</pre>|<script.*?</script>", "", page.text
    )


def test_front_door_has_every_name_and_leads_to_it(site: Path) -> None:
    page = Page(site / "api" / "index.html")
    ends = {link.partition("#")[2].rpartition(".")[2] for link in page.links}
    assert set(drlcore.__all__) <= ends | {a.rpartition(".")[2] for a in page.anchors}


def test_every_module_has_a_place(pages: dict[Path, Page]) -> None:
    anchors = {anchor for page in pages.values() for anchor in page.anchors}
    package = ROOT / "drlcore"
    files = [f.relative_to(ROOT).with_suffix("").parts for f in package.rglob("*.py")]
    modules = {".".join(parts).removesuffix(".__init__") for parts in files}
    missing = {f"module-{module}" for module in modules - {"drlcore", "drlcore.__main__"}} - anchors
    assert missing == set()


def test_each_equation_leads_to_its_function(site: Path, pages: dict[Path, Page]) -> None:
    notebook = site / "notebooks" / "00_start_here.html"
    source = (ROOT / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8")
    named = set(re.findall(r"\[`([\w.]+)`\]\(\.\./(drlcore/[\w/]+)\.py\)", source))
    assert len(named) > 50
    anchors = {f"{path.replace('/', '.')}.{name}" for name, path in named}
    assert anchors <= {link.partition("#")[2] for link in pages[notebook].links}
    index = "00_start_here.html#where-each-equation-lives"
    assert f"notebooks/{index}" in pages[site / "index.html"].links
    assert index in Page(site / "notebooks" / "04_noise_dial.html").links


def test_nothing_is_loaded_from_the_network(pages: dict[Path, Page]) -> None:
    loaded = {what for page in pages.values() for what in page.loaded}
    assert [what for what in loaded if urlsplit(what).scheme not in ("", "data")] == []


def test_no_path_of_this_machine(site: Path) -> None:
    for path in site.rglob("*"):
        if path.suffix in (".html", ".js", ".css", ".inv"):
            content = path.read_text(encoding="utf-8", errors="replace")
            assert str(ROOT) not in content and str(site.parent) not in content, path
            assert not re.search(r"(?<![\w./:])/(?:home|Users|root|work|tmp)/\w", content), path


def test_the_dial_is_there_or_leaves_no_trace(site: Path, pages: dict[Path, Page]) -> None:
    assert (site / "figures" / "laptop" / "dial.html").is_file() == DIAL
    assert (site / "turn_the_dial.html").is_file() == DIAL
    assert ("figures/laptop/dial.html" in pages[site / "index.html"].loaded) == DIAL
    assert ("Turn the dial" in pages[site / "index.html"].text) == DIAL


def test_with_an_address_all_of_it_is_filled_in(tmp_path: Path) -> None:
    site = build(tmp_path, "someone/something", only=["*.md", "notebooks/04_noise_dial.ipynb"])
    start, dial = Page(site / "index.html"), Page(site / "notebooks" / "04_noise_dial.html")
    assert "https://github.com/someone/something/blob/HEAD/Snakefile" in start.links
    assert "git clone https://github.com/someone/something drl" in re.sub("<.*?>", "", start.text)
    for host in ("colab.research.google.com/github", "mybinder.org/v2/gh", "github.com"):
        assert any(link.startswith(f"https://{host}/someone/something") for link in dial.links)
    assert not any("&lt;owner&gt;" in path.read_text() for path in site.rglob("*.html"))
