"""The house rules, held by a test: lengths, purity of the core, direction of imports, no floats in money paths, docs.

The rules are in tidy_rules.py; each is shown to be able to fail by a snippet that breaks it.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from tests.tidy_rules import PRODUCT, RULES, Source

ROOT = Path(__file__).resolve().parent.parent

# Compiled modules without a .pyi beside them, each with its reason.
WITHOUT_STUB: dict[str, str] = {}
# C that is written by hand, and inputs that are no text.
HAND_WRITTEN_C = ("tests/fuzz/c/", "benchmarks/tick_to_trade/")
NOT_TEXT = "tests/fuzz/corpus/"


# The tree as it is.


def tracked() -> list[str]:
    """The files of the repository; outside of one, those that a source distribution would have."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        return sorted(path for path in set(listed.stdout.splitlines()) if (ROOT / path).is_file())
    skipped = {".venv", "build", "dist", "runs", "__pycache__", ".git"}
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return sorted(
        str(path) for path in found if not skipped & set(path.parts) and path.suffix not in (".so", ".pyc")
    )


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    texts = []
    for path in tracked():
        if path.startswith(NOT_TEXT):
            continue
        raw = (ROOT / path).read_bytes()
        if b"\0" not in raw:
            texts.append(Source(path, raw.decode()))
    return texts


@pytest.mark.parametrize("name", RULES)
def test_rule_holds(name: str, sources: list[Source]) -> None:
    check, applies = RULES[name]
    found = [f"{each.path}:{line}: {text}" for each in sources if applies(each) for line, text in check(each)]
    assert not found, "\n".join(found)


def test_every_compiled_module_has_a_stub(sources: list[Source]) -> None:
    paths = {source.path for source in sources}
    compiled = {path for path in paths if path.endswith(".pyx") and path.startswith(PRODUCT)}
    missing = {path for path in compiled if path.removesuffix("x") + "i" not in paths}
    assert sorted(missing - set(WITHOUT_STUB)) == []
    assert set(WITHOUT_STUB) <= missing, "listed as without a stub, and has one"


def test_only_sources_are_tracked(sources: list[Source]) -> None:
    built = {".so", ".c", ".cpp", ".o", ".pyc", ".log", ".html"}
    found = [path for path in tracked() if PurePosixPath(path).suffix in built]
    assert [path for path in found if not path.startswith(HAND_WRITTEN_C)] == []


def test_links_in_the_docs_lead_somewhere() -> None:
    dead = []
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)|(?:src|srcset)=\"([^\"]+)\"", text):
            link = target[0] or target[1]
            if "://" not in link and not (page.parent / link).exists():
                dead.append(f"{page.relative_to(ROOT)}: {link}")
    assert dead == []


def test_every_page_is_listed_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert sorted(page for page in pages if f"({page})" not in index) == []


def test_the_changelog_has_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


# Each rule can fail.

LONG_PY = "def f():\n" + "    pass\n" * 70
LONG_PYX = "cdef int f(\n        int a,\n) except -1:\n" + "    a += 1\n\n" * 40
LONG_C = "static inline int f(int a) {\n" + "    a++;\n" * 70 + "}\n"
BAD = [
    ("file_is_short", "engine/a.py", "x = 1\n" * 501),
    ("lines_are_short", "native/a.h", "/* " + "a" * 130 + " */\n"),
    ("functions_are_short", "engine/a.py", LONG_PY),
    ("functions_are_short", "engine/core/a.pyx", LONG_PYX),
    ("functions_are_short", "native/a.h", LONG_C),
    ("core_imports_only_native_and_itself", "engine/core/a.py", "def f():\n    import time\n"),
    ("core_imports_only_native_and_itself", "engine/core/a.py", "from engine.config import Config\n"),
    ("core_imports_only_native_and_itself", "engine/core/a.pyx", "from libc.time cimport time\n"),
    ("core_imports_only_native_and_itself", "engine/core/a.pyx", 'cdef extern from "time.h":\n    pass\n'),
    ("core_imports_only_native_and_itself", "engine/core/a.h", "#include <stdio.h>\n"),
    ("core_is_pure", "engine/core/a.py", "with open('x') as f:\n    pass\n"),
    ("core_is_pure", "engine/core/a.pyx", "cdef int f():\n    return clock_gettime(0, &now)\n"),
    ("core_is_pure", "engine/core/a.pyx", "x = hash('seeded per process')\n"),
    ("imports_run_down", "native/a.py", "from engine.errors import UserError\n"),
    ("imports_run_down", "native/a.h", '#include "engine/core/money.h"\n'),
    ("imports_run_down", "engine/a.py", "import adapters.mexc\n"),
    ("imports_run_down", "engine/a.pyx", "from strategies.a cimport B\n"),
    ("imports_run_down", "strategies/a.py", "from adapters.mexc import MexcAdapter\n"),
    ("imports_run_down", "adapters/mexc/a.py", "from backtest.exchange import Exchange\n"),
    ("money_is_integers", "backtest/a.py", "price = float(text)\n"),
    ("money_is_integers", "backtest/a.py", "half = total / 2\n"),
    ("money_is_integers", "backtest/a.py", "fee = amount * 0.001\n"),
    ("money_is_integers", "engine/core/a.pyx", "cdef double price\n"),
    ("money_is_integers", "engine/core/a.pyx", "x = y / 2\n"),
    ("money_is_integers", "engine/core/a.h", "static float f(void) { return 0; }\n"),
    ("no_error_is_swallowed_unseen", "engine/a.py", "try:\n    f()\nexcept:\n    pass\n"),
    ("no_error_is_swallowed_unseen", "engine/a.pyx", "try:\n    f()\nexcept Exception as e:\n    pass\n"),
    ("no_error_is_swallowed_unseen", "engine/a.py", "try:\n    f()\nexcept (OSError, BaseException):\n    pass\n"),
    ("no_print", "engine/a.py", "print('x')\n"),
    ("no_print", "native/a.h", 'static void f(void) { printf("x"); }\n'),
    ("nothing_is_left_over", "docs/a.md", "TO" "DO: write this\n"),
    ("nothing_names_this_machine", "docs/a.md", "see /ho" "me/someone/notes\n"),
    ("nothing_names_this_machine", "Makefile", "pip install -i https://py" "pi.org/simple x\n"),
    ("public_names_have_docstrings", "engine/a.py", "x = 1\n"),
    ("public_names_have_docstrings", "engine/a.py", '"""A."""\ndef f():\n    return 1\n'),
    ("public_names_have_docstrings", "engine/a.py", '"""A."""\nclass A:\n    """A."""\n    def f(self): ...\n'),
    ("public_names_have_docstrings", "engine/a.pyx", '"""A."""\ndef f(int a,\n      b=(1, 2)):\n    return 1\n'),
    ("public_names_have_docstrings", "engine/a.pyx", '"""A."""\ncdef class A:\n    cdef int b\n'),
]  # fmt: skip

GOOD = [
    ("functions_are_short", "engine/core/a.pyx", "cdef extern from *:\n    int f(int a)\n" + "x = 1\n" * 80),
    ("core_imports_only_native_and_itself", "engine/core/a.pyx", "from native.level cimport level_t\nimport json\n"),
    ("core_is_pure", "engine/core/a.pyx", '"""open(x) in words"""\ncdef int64_t now(self): return self.time_ns\n'),
    ("imports_run_down", "adapters/mexc/venue/a.py", "from backtest.exchange import Exchange\n"),
    ("money_is_integers", "engine/core/a.pyx", "x = y // 2  # a / b\nz = 0xCBF29CE484222325u\n"),
    ("money_is_integers", "engine/core/a.h", "static int f(int a) { return a / 2; }\n"),
    ("no_error_is_swallowed_unseen", "engine/a.py", "try:\n    f()\nexcept Exception as e:  # told above\n    raise\n"),
    ("nothing_names_this_machine", "docs/a.md", "https://example.test/home/page and ~/penstock\n"),
    ("public_names_have_docstrings", "engine/a.pyx", '"""A."""\ndef f(int a,\n      b=(1, 2)):\n    """A."""\n'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "path", "text"), BAD)
def test_rule_can_fail(name: str, path: str, text: str) -> None:
    check, applies = RULES[name]
    source = Source(path, text)
    assert applies(source)
    assert list(check(source))


@pytest.mark.parametrize(("name", "path", "text"), GOOD)
def test_rule_lets_pass(name: str, path: str, text: str) -> None:
    check, applies = RULES[name]
    source = Source(path, text)
    assert not applies(source) or not list(check(source))


def test_every_rule_is_shown_to_fail() -> None:
    assert {name for name, _, _ in BAD} == set(RULES)
