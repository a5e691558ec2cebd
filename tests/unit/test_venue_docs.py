"""What docs/venue.md says of the local venue is what there is: faults, tests, outcomes, its example."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

from adapters.mexc.venue import faults
from adapters.mexc.venue.cli import resolve
from adapters.mexc.venue.config import FaultName
from adapters.mexc.venue.config_symbols import Outcome

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "venue.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_fault_is_on_the_page_in_the_code_and_in_a_test() -> None:
    names = set(get_args(FaultName))
    rows = re.findall(r"^\| (`[^|]+) \|", section("Faults"), re.M)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == names
    assert set(re.findall(r"^\| (\w+) \|", faults.__doc__ or "", re.M)) - {"name"} == names
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "e2e").glob("test_venue_*.py"))
    assert {name for name in names if f'"{name}"' not in tests} == set()


def test_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"\btest_venue_\w+", PAGE))
    assert (
        named and {name for name in named if not (ROOT / "tests" / "e2e" / f"{name}.py").is_file()} == set()
    )


def test_every_outcome_is_on_the_page() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", section("Listings"), re.M)
    found = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert found - {"outcome"} == set(get_args(Outcome))


def test_the_example_is_a_config(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    path = tmp_path / "venue.toml"
    path.write_text(example)
    config = resolve(path, {}, None, None, None, [])
    assert [listing.symbol for listing in config.listings] == ["NEWUSDT", "LATEUSDT"]
    assert len(config.all_listings()) == 2 + tomllib.loads(example)["generated_listings"]["count"]
