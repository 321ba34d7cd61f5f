"""What the estimator is given, as tensors; and what it gives back, in the form it was given."""

from __future__ import annotations
