"""Numbers the paper prints, to stand beside ours."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pandas as pd

from drlcore.data import paths
from drlcore.errors import DataError


def published_table_1() -> pd.DataFrame:
    """Test accuracy of LaplaceNet with and without pretraining (DRL Table 1).

    Returns:
        Columns dataset, n_images, n_labels, method (none, drl, vdrl), mixup (off, on), accuracy
        in %. One number for each cell: no spread was published. VDRL has no cell with mixup.

    Raises:
        DataError: the checkout lacks the file.
    """
    path = paths.paper() / "table_1.csv"
    if not path.is_file():
        raise DataError(f"{path} is absent: it is part of the repository, restore it from git")
    return _read(path).copy()


@lru_cache
def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path)  # once: an experiment asks hundreds of times
