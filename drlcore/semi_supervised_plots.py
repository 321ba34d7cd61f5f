"""Figures of notebook 10."""

from drlcore.comparison_plots import METHOD_COLOURS  # noqa: F401
