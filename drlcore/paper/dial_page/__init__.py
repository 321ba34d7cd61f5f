"""Turn the dial: notebook 04 as one page to play with, without server, network or library.

``levels_of`` gathers what an experiment has stored, ``dial_page`` makes a page of it, ``save_page``
writes that beside the figures, and ``frame`` shows the file in a notebook.
"""

from __future__ import annotations

from drlcore.paper.dial_page.gather import levels_of, read_by
from drlcore.paper.dial_page.level import Level, of_the_nearest
from drlcore.paper.dial_page.page import dial_page, embedded
from drlcore.paper.dial_page.saved import frame, save_page

__all__ = [
    "Level",
    "dial_page",
    "embedded",
    "frame",
    "levels_of",
    "of_the_nearest",
    "read_by",
    "save_page",
]
