"""Links as the repository has them, to pages where there is one, else to the repository.

A link is resolved against the place of the file that it is written in: the docname of a notebook
is its path, and the start page includes README, which lies at the root.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from pathlib import Path
from urllib.parse import unquote

from docutils import nodes
from sphinx.addnodes import download_reference, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util.nodes import make_refnode

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = os.environ.get("REPOSITORY", "")
COMMIT = os.environ.get("COMMIT") or "HEAD"
DIAL = "figures/laptop/dial.html"  # one page in itself; the site has it if it is there
FRAME = """
## Turn the dial

<iframe class="dial" src="figures/laptop/dial.html" title="The noise dial" loading="lazy"></iframe>

"""


class RepositoryLinks(SphinxTransform):
    """Takes links to files over from MyST, before it copies what they lead to."""

    default_priority = 5

    def apply(self, **kwargs: object) -> None:
        folder = posixpath.dirname(self.env.docname)
        for kind in (pending_xref, download_reference):
            for node in list(self.document.findall(kind)):
                if node.get("reftype") != "myst":
                    continue
                target = node["reftarget"]
                if node.get("refdomain") == "doc":  # MyST has found a page
                    target = posixpath.relpath(target, folder or ".")
                if target.startswith("#"):
                    continue
                target, _, anchor = unquote(target).partition("#")
                link = pending_xref(
                    "",
                    *node.children,
                    refdomain="",
                    reftype="repository",
                    reftarget=posixpath.normpath(posixpath.join(folder, target)),
                    anchor=node.get("reftargetid") or anchor,
                    refdoc=self.env.docname,
                    refwarn=True,
                )
                node.replace_self(link)


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    if node["reftype"] != "repository":
        return None
    path, here = node["reftarget"], node["refdoc"]
    page = "docs/turn_the_dial" if path == DIAL else path.removesuffix(".ipynb")
    page = page.removesuffix(".md").removeprefix("docs/")
    if page in env.found_docs:
        return make_refnode(app.builder, here, page, node["anchor"], content)
    if not (ROOT / path).exists():
        return None  # a warning, and so an error
    if path.split("/")[0] == "drlcore":
        module = path.removesuffix(".py").replace("/", ".")
        objects = env.domains["py"].objects  # type: ignore[attr-defined]
        for name in (f"{module}.{content.astext()}", module):
            if name in objects:
                found = objects[name]
                return make_refnode(app.builder, here, found.docname, found.node_id, content, name)
    if REPOSITORY:
        url = f"https://github.com/{REPOSITORY}/blob/{COMMIT}/{path}"
        return nodes.reference("", "", content, refuri=url, internal=False)
    return content


def _say_where(content: list[str]) -> None:
    """The address, in texts that have a place for it."""
    address = (
        f"https://github.com/{REPOSITORY}" if REPOSITORY else "<the address of the repository>"
    )
    text = content[0].replace("<the address of this page>", address)
    content[0] = text.replace("<owner>/<name>", REPOSITORY or "<owner>/<name>")


def _page(app: Sphinx, docname: str, source: list[str]) -> None:
    _say_where(source)
    if docname == app.config.root_doc and not (ROOT / DIAL).is_file():
        source[0] = source[0].replace("turn_the_dial\n", "")


def _readme(app: Sphinx, path: Path, docname: str, content: list[str]) -> None:
    """README as the start page, with the dial before its second section."""
    _say_where(content)
    if (ROOT / DIAL).is_file():
        content[0] = content[0].replace("\n## ", f"{FRAME}\n## ", 1)


class Launch(SphinxTransform):
    """Below the title of a notebook, where else it can be opened."""

    default_priority = 400

    def apply(self, **kwargs: object) -> None:
        if not (REPOSITORY and self.env.docname.startswith("notebooks/")):
            return
        path = f"{self.env.docname}.ipynb"
        at = f"{REPOSITORY}/blob/{COMMIT}/{path}"
        where = {
            "Colab": f"https://colab.research.google.com/github/{at}",
            "Binder": f"https://mybinder.org/v2/gh/{REPOSITORY}/{COMMIT}?labpath={path}",
            "GitHub": f"https://github.com/{at}",
        }
        line = nodes.paragraph("", "Open in ", classes=["launch"])
        for name, url in where.items():
            line += [nodes.reference("", name, refuri=url, internal=False), nodes.Text(" · ")]
        line.pop()
        title = next(self.document.findall(nodes.title))
        title.parent.insert(title.parent.index(title) + 1, line)


def _dial(app: Sphinx, exception: Exception | None) -> None:
    """The dial's page where notebook 04 looks for it."""
    if exception is None and (ROOT / DIAL).is_file():
        target = Path(app.outdir) / DIAL
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / DIAL, target)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_transform(RepositoryLinks)
    app.add_transform(Launch)
    app.connect("missing-reference", _resolve)
    app.connect("include-read", _readme)
    app.connect("source-read", _page)
    app.connect("build-finished", _dial)
    return {"parallel_read_safe": True}
