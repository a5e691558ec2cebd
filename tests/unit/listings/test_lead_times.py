"""The figures on lead times in docs/listings.md, from the record itself."""

from __future__ import annotations

import csv
import os
import statistics
from datetime import UTC, datetime
from pathlib import Path

import pytest

DATA = Path(os.environ.get("PENSTOCK_DATA", "../shared/data")) / "mexc" / "listing_events.csv"
PAGE = Path(__file__).resolve().parents[3] / "docs" / "listings.md"


def test_the_page_says_what_the_record_says() -> None:
    if not DATA.is_file():
        pytest.skip(f"needs {DATA.name} of PENSTOCK_DATA")
    with DATA.open() as file:
        rows = list(csv.DictReader(file))
    added = [row for row in rows if row["event"] == "ADD"]
    first_ms = datetime(2026, 7, 12, tzinfo=UTC).timestamp() * 1000
    leads = sorted(float(row["lead_min"]) for row in added if float(row["createTime_ms"]) >= first_ms)
    long_ones = sum(lead >= 210 for lead in leads)
    coins = [row for row in added if row["type"] == "1"]
    closed = sum(row["apiAllowed"] == "False" for row in coins)
    turned = sum(row["event"] == "API_ALLOWED_True" for row in rows)
    text = " ".join(PAGE.read_text().split())
    assert f"Of the {len(leads)} contracts" in text
    assert f"a median of {statistics.median(leads):.0f} minutes" in text
    assert f"90 % have under {leads[int(0.9 * len(leads))]:.0f}," in text
    assert f"{long_ones} ({100 * long_ones / len(leads):.1f} %) have 3.5 hours or more" in text
    assert f"Of the {len(coins)} added contracts for coins, {closed} ({100 * closed // len(coins)} %)" in text
    assert f"{turned} contracts turned to true" in text
