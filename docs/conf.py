"""The site: README, committed notebooks and docstrings, read where they are; nothing is executed.

Sphinx reads this file: ``make site``. Two things can be told from outside, in the environment:

- ``REPOSITORY=owner/name``, where the project is on GitHub. Links to files that have no page then
  lead there, and notebook pages can be opened in Colab and Binder. Without it they are plain text.
- ``COMMIT``, what these links name; ``HEAD``, the default branch, unless told.

All links are written as they are in the repository, so that they work there too: a notebook's page
is called as its file, and ``repository.py`` says what the others become.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from drlcore.paper.experiments import EXPERIMENTS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))  # for the extensions beside this file

from repository import DIAL  # noqa: E402

project = "DRL companion"
author = "The DRL companion authors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
    "modules",
    "repository",
]

# A user's own notebooks lie in the same folder, so pages are named one by one.
include_patterns = ["*.md", "api/*.md", *(f"notebooks/{name}.ipynb" for name in EXPERIMENTS)]
exclude_patterns = []
if not (ROOT / DIAL).is_file():
    exclude_patterns.append("turn_the_dial.md")

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # scripts of the network's; progress bars of a training are no result
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # an override means what its base says, once
# pydantic's; and scikit-learn's, one for each method with an argument of its own
_THEIRS = [
    "model_config",
    "model_post_init",
    "set_transform_request",
    "set_inverse_transform_request",
]
autodoc_default_options = {"exclude-members": ", ".join(_THEIRS)}
autodoc_type_aliases = {"DRL": "drlcore.estimator.drl.DRL"}  # the method has that name too
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
add_module_names = False
viewcode_follow_imported_members = False
python_maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_use_ivar = True
default_role = "code"

nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!drlcore\.).*"),  # what others document
    ("py:.*", r".*\.(_\w+|Part|Content)"),  # what has no page: private names, type variables
]

html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
templates_path = ["_templates"]
html_copy_source = False
html_show_sphinx = html_show_copyright = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/equations.html",
        "sidebar/navigation.html",
        "sidebar/scroll-end.html",
    ]
}
