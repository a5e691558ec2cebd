"""The house rules that one file can break: each takes a source and yields (line, what is wrong).

Python is parsed with ast, Cython and C line by line after comments and strings were blanked out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

PRODUCT = ("engine", "native", "strategies", "adapters", "backtest")
CODE = {".py", ".pyx", ".pxd", ".pyi", ".h", ".c"}
CYTHON = {".pyx", ".pxd"}
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_LINE = 500, 70, 130

_PY_BLANK = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*',
    re.S,
)
_C_BLANK = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
_HEADER = re.compile(r"^(\s*)(?:async\s+def|def|cdef|cpdef)\b(?!\s+class\b)[^=]*?\b(\w+)\s*\(")
_CLASS = re.compile(r"^(\s*)(?:cdef\s+)?class\s+(\w+)")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\b|c?import\s+([\w., ]+))", re.M)
_INCLUDE = re.compile(r'^\s*(?:#\s*include\s*|cdef\s+extern\s+from\s+)([<"][\w./]+[>"])', re.M)


@dataclass(frozen=True, repr=False)
class Source:
    """One tracked file: its path in the repository and its text."""

    path: str
    text: str

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix

    @property
    def package(self) -> str:
        return self.path.partition("/")[0]

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def code(self) -> str:
        """The text with comments and strings blanked out, every line where it was."""
        blank = _C_BLANK if self.suffix in (".h", ".c") else _PY_BLANK
        return blank.sub(lambda hit: re.sub(r"[^\n]", " ", hit[0]), self.text)

    def line_of(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1


Finding = tuple[int, str]
Rule = Callable[[Source], Iterator[Finding]]
RULES: dict[str, tuple[Rule, Callable[[Source], bool]]] = {}


def rule(applies: Callable[[Source], bool]) -> Callable[[Rule], Rule]:
    """Register a rule for the files that it applies to."""

    def register(check: Rule) -> Rule:
        RULES[check.__name__] = (check, applies)
        return check

    return register


def is_code(source: Source) -> bool:
    return source.suffix in CODE


def is_product(source: Source) -> bool:
    return source.package in PRODUCT and source.suffix in CODE


def is_core(source: Source) -> bool:
    return source.path.startswith("engine/core/") and source.suffix in CODE


def is_money_path(source: Source) -> bool:
    exact = source.path in (
        "adapters/mexc/numbers.py",
        "adapters/mexc/paper/market.py",
        "adapters/mexc/orders.py",
        "adapters/mexc/decoder.pyx",
    )
    return is_product(source) and (exact or source.path.startswith(("engine/core/", "backtest/")))


# Lengths.


@rule(is_code)
def file_is_short(source: Source) -> Iterator[Finding]:
    if len(source.lines) > MAX_FILE_LINES:
        yield len(source.lines), f"{len(source.lines)} lines, at most {MAX_FILE_LINES}"


@rule(is_code)
def lines_are_short(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        if len(line) > MAX_LINE:
            yield number, f"{len(line)} characters, at most {MAX_LINE}"


def balance(line: str) -> int:
    return line.count("(") - line.count(")")


def indented_blocks(source: Source, header: re.Pattern[str]) -> Iterator[tuple[int, int, int, str]]:
    """(first line, last line of the header, last line, name) of each Cython block whose header matches."""
    lines = source.code.splitlines()
    for first, line in enumerate(lines):
        found = header.match(line)
        if not found:
            continue
        end, depth = first, balance(lines[first])
        while depth > 0 and end < len(lines) - 1:
            end += 1
            depth += balance(lines[end])
        if not lines[end].rstrip().endswith(":"):
            continue  # a declaration
        last = end
        for at in range(end + 1, len(lines)):
            if lines[at].strip() and len(lines[at]) - len(lines[at].lstrip()) <= len(found[1]):
                break
            if source.lines[at].strip():
                last = at
        yield first + 1, end + 1, last + 1, found[2]


def functions(source: Source) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, name) of each function."""
    if source.suffix in (".py", ".pyi"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.lineno, node.end_lineno or node.lineno, node.name
    elif source.suffix in CYTHON:
        yield from ((first, last, name) for first, _, last, name in indented_blocks(source, _HEADER))
    else:
        start, name = 0, ""
        for number, line in enumerate(source.code.splitlines(), 1):
            if not start and (
                opened := re.match(r"(?!typedef|struct|enum|union)\w[^;={]*?\b(\w+)\s*\(", line)
            ):
                start, name = number, opened[1]
            if start and (line.startswith("}") or (re.search(r"[;}]\s*$", line) and number == start)):
                if not line.rstrip().endswith(";"):
                    yield start, number, name
                start = 0


@rule(is_code)
def functions_are_short(source: Source) -> Iterator[Finding]:
    for first, last, name in functions(source):
        if last - first + 1 > MAX_FUNCTION_LINES:
            yield first, f"{name} has {last - first + 1} lines, at most {MAX_FUNCTION_LINES}"


# The core is pure, and imports run down.


def imports(source: Source) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import and cimport, also those within functions."""
    if source.suffix in (".py", ".pyi"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.lineno, "." * node.level + (node.module or "")
        return
    for hit in _IMPORT.finditer(source.code):
        for name in (hit[1] or hit[2]).split(","):
            if name.strip():
                yield source.line_of(hit.start()), name.split(" as ")[0].strip()
    for hit in _INCLUDE.finditer(source.text):
        yield source.line_of(hit.start()), hit[1]


def is_within(module: str, *parents: str) -> bool:
    return any(module == parent or module.startswith(f"{parent}.") for parent in parents)


def imported_package(module: str) -> str:
    """The dotted name of what is imported; of a header, that of its folder."""
    return module.strip('<>"').removesuffix(".h").replace("/", ".") if module[0] in '<"' else module


CORE_MAY_IMPORT = (
    "native", "engine.core", "cython", "cpython.number", "libc.stdint", "libc.stddef", "libc.string", "libc.stdlib",
    "libc.limits", "cpython.bytes", "__future__", "collections", "dataclasses", "decimal", "enum", "hashlib", "json", "typing",
    "stdint", "stddef", "string", "string.h",
)  # fmt: skip
IMPURE_CALL = re.compile(
    r"(?<![\w.])(open|print|input|eval|exec|__import__|hash|id|time|clock|clock_gettime|gettimeofday|rand|srand|random"
    r"|getrandom|fopen|printf|getenv|system|sleep)\s*\("
)


@rule(is_core)
def core_imports_only_native_and_itself(source: Source) -> Iterator[Finding]:
    """But for what a module does when it is run as a program: that is no part of the core."""
    program = source.text.find('\nif __name__ == "__main__":')
    for line, module in imports(source):
        if program >= 0 and line > source.line_of(program):
            continue
        if not is_within(imported_package(module), *CORE_MAY_IMPORT):
            yield line, f"the core imports {module}"


@rule(is_core)
def core_is_pure(source: Source) -> Iterator[Finding]:
    """No clock, no random number, no input or output, and nothing that differs from process to process."""
    for hit in IMPURE_CALL.finditer(source.code):
        if not re.search(r"\b(?:def|cdef|cpdef)\b[^(]*$", source.code[: hit.start(1)].rpartition("\n")[2]):
            yield source.line_of(hit.start()), f"the core calls {hit[1]}()"


MAY_IMPORT = {
    "native": ("native",),
    "engine": ("engine", "native"),
    "strategies": ("strategies", "engine", "native"),
    "backtest": ("backtest", "engine", "native"),
    "adapters": ("adapters", "engine", "native"),
}


@rule(is_product)
def imports_run_down(source: Source) -> Iterator[Finding]:
    allowed = MAY_IMPORT[source.package]
    if "/venue/" in source.path or "/paper/" in source.path:
        allowed += (
            "backtest",
        )  # an adapter's local venue, and its paper fills, come from the one matching engine
    for line, module in imports(source):
        name = imported_package(module)
        if is_within(name, *PRODUCT, "tests", "benchmarks") and not is_within(name, *allowed):
            yield line, f"{source.package} imports {module}"


# Money.


@rule(is_money_path)
def money_is_integers(source: Source) -> Iterator[Finding]:
    """No float by name, literal or true division where prices, sizes and money are computed; refusing one is fine."""
    if source.suffix in (".py", ".pyi"):
        calls = (node for node in ast.walk(source.tree) if isinstance(node, ast.Call))
        tests = (
            call.args for call in calls if isinstance(call.func, ast.Name) and call.func.id == "isinstance"
        )
        refused = {name for args in tests for arg in args for name in ast.walk(arg)}
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Name) and node.id == "float" and node not in refused:
                yield node.lineno, "float"
            elif isinstance(node, ast.Constant) and isinstance(node.value, float):
                yield node.lineno, f"the float {node.value}"
            elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
                yield node.lineno, "true division"
        return
    for hit in re.finditer(r"\b(?:float|double)\b|(?<![\w.])\d+\.\d|\d[eE]-?\d", source.code):
        if not re.search(r"0[xX][\da-fA-F]*$", source.code[: hit.start() + 1]):
            yield source.line_of(hit.start()), hit[0]
    if source.suffix != ".h":
        for hit in re.finditer(r"(?<!/)/(?!/)", source.code):
            yield source.line_of(hit.start()), "true division"


# Errors, output, leftovers.


@rule(is_product)
def no_error_is_swallowed_unseen(source: Source) -> Iterator[Finding]:
    """No bare except; a wide one says why on its line."""
    for number, line in enumerate(source.lines, 1):
        if source.suffix == ".h" or not line.lstrip().startswith("except"):
            continue
        if re.match(r"\s*except\s*:", line):
            yield number, "bare except"
        elif re.match(r"\s*except\b[^:]*\b(?:Base)?Exception\b(?!Group)", line) and "#" not in line:
            yield number, "a wide except without a reason beside it"


@rule(is_product)
def no_print(source: Source) -> Iterator[Finding]:
    for hit in re.finditer(r"(?<![\w.])(?:print|pprint|breakpoint|printf|puts)\s*\(", source.code):
        yield source.line_of(hit.start()), hit[0].rstrip("( ")


LEFTOVER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|HA" r"CK)\b")
FOREIGN = re.compile(
    r"(?:py" r"pi\.org|python" r"hosted\.org|npm" r"js\.org|npm" r"js\.com|crates\.io|proxy\.golang\.org)"
    r"|(?<![\w.<>/-])/(?:home|root|work|Users)/\w"
)  # fmt: skip


@rule(lambda source: True)
def nothing_is_left_over(source: Source) -> Iterator[Finding]:
    for hit in LEFTOVER.finditer(source.text):
        yield source.line_of(hit.start()), hit[0]


@rule(lambda source: True)
def nothing_names_this_machine(source: Source) -> Iterator[Finding]:
    """No host of a package registry, no absolute path of a home or work folder."""
    for hit in FOREIGN.finditer(source.text):
        yield source.line_of(hit.start()), hit[0]


# Docstrings and stubs.


def is_public(name: str) -> bool:
    return not name.startswith("_")


def is_property(node: ast.AST) -> bool:
    names = {getattr(each, "id", getattr(each, "attr", "")) for each in getattr(node, "decorator_list", [])}
    return bool(names & {"property", "cached_property", "setter", "overload", "override"})


def undocumented(body: list[ast.stmt]) -> Iterator[Finding]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not is_public(
            node.name
        ):
            continue
        if ast.get_docstring(node) is None and not is_property(node):
            yield node.lineno, f"{node.name} has no docstring"
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body)


@rule(lambda source: is_product(source) and source.suffix in (".py", ".pyx"))
def public_names_have_docstrings(source: Source) -> Iterator[Finding]:
    """Modules, classes, functions and methods; a property is named after what it is, an empty module says nothing."""
    if not source.text.strip():
        return
    if not re.match(r'(?:#[^\n]*\n|\s)*[rR]?"""\s*\S', source.text):
        yield 1, "the module has no docstring"
    if source.suffix == ".py":
        yield from undocumented(source.tree.body)
        return
    for first, head, _, name in (*indented_blocks(source, _CLASS), *indented_blocks(source, _HEADER)):
        compiled_only = re.match(r"\s*cdef\b(?!\s+class)", source.lines[first - 1])
        above = source.lines[first - 2] if first > 1 else ""
        inside = next((line for line in source.lines[head:] if line.strip()), "")
        if is_public(name) and not compiled_only and "@property" not in above and '"""' not in inside:
            yield first, f"{name} has no docstring"
