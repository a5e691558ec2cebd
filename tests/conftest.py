"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The recorded data beside the project: $PENSTOCK_DATA, default ../shared/data; skips where it is absent."""
    path = Path(os.environ.get("PENSTOCK_DATA") or ROOT.parent / "shared" / "data")
    if not path.is_dir():
        pytest.skip(f"no recorded data at {path}: set PENSTOCK_DATA")
    return path
