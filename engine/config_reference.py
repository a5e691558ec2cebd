"""Writes docs/configuration.md from the models: `python -m engine.config_reference > docs/configuration.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.config_models import (
    AdapterConfig,
    Config,
    LogConfig,
    Money,
    RiskConfig,
    RunConfig,
    StrategyConfig,
    VenueConfig,
    format_money,
)

SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("Top level", "", Config),
    ("`[run]`", "run", RunConfig),
    ("`[adapter]`", "adapter", AdapterConfig),
    ("`[venue]`", "venue", VenueConfig),
    ("`[[strategy]]`", "strategy", StrategyConfig),
    ("`[risk]`", "risk", RiskConfig),
    ("`[log]`", "log", LogConfig),
)

HEAD = """\
# Configuration

One TOML file describes a run. Unknown keys are refused, with a suggestion; `penstock config check FILE` lists
everything that is wrong with a file, and every run directory holds the config in force as `config.toml`.

Units are in the names: `_ms` milliseconds, `_s` seconds, `_mb` 2^20 bytes, `_bps` hundredths of a percent.
Money is a decimal string or a whole number and is read exactly, with up to 20 decimals; a TOML float is refused.
Secrets are never written here: a key that ends in `_env` names an environment variable, one that ends in `_file`
a file that only its owner can read.

This page is generated from the models: `python -m engine.config_reference > docs/configuration.md`.
"""

MONEY_METADATA = get_args(Money)[1]


def render() -> str:
    """The whole reference, Markdown."""
    parts, documented = [HEAD], set[type[BaseModel]]()
    for title, model in _sections():
        doc = (model.__doc__ or "").strip().splitlines()[0]
        known = {name for base in model.__mro__[1:] if base in documented for name in base.model_fields}
        documented.add(model)
        fields = ((name, field) for name, field in model.model_fields.items() if name not in known)
        rows = [_row(name, field) for name, field in fields if not _is_section(field)]
        parts.append(
            f"## {title}\n\n{doc}\n\n| key | type | default | bounds | meaning |\n|---|---|---|---|---|\n"
            + "\n".join(rows)
            + "\n"
        )
    return "\n".join(parts)


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Our own sections and, after `[adapter]`, what Penstock's own adapters add to it."""
    for title, path, model in SECTIONS:
        yield title, model
        if path == "adapter":
            for point in sorted(metadata.entry_points(group="penstock.adapters")):
                if point.dist is not None and point.dist.name == "penstock":
                    settings = point.load().config_type
                    yield f'`[adapter]` with `name = "{point.name}"`', settings
                    if settings.__base__ is BaseModel:
                        yield from _nested("adapter", settings)


def _nested(path: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield f"`[{path}.{name}]`", field.annotation
            yield from _nested(f"{path}.{name}", field.annotation)


def _is_section(field: FieldInfo) -> bool:
    nested = [field.annotation, *get_args(field.annotation)]
    return any(isinstance(item, type) and issubclass(item, BaseModel) for item in nested)


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{_default(field)}`"
    return f"| `{name}` | {_type(field)} | {default} | {_bounds(field)} | {field.description or ''} |"


def _is_money(field: FieldInfo) -> bool:
    return MONEY_METADATA in field.metadata


def _default(field: FieldInfo) -> str:
    value = field.default
    if _is_money(field):
        return f'"{format_money(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return str(list(value)).replace("'", '"')
    return f'"{value}"' if isinstance(value, str) else str(value)


def _type(field: FieldInfo) -> str:
    if _is_money(field):
        return "money"
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return " or ".join(f'`"{choice}"`' for choice in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of strings"
    if get_origin(annotation) is dict:
        return "table"
    return {str: "string", int: "integer", float: "number", bool: "true or false"}[annotation]


def _bounds(field: FieldInfo) -> str:
    words = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}
    found = []
    for item in field.metadata:
        for attribute, word in words.items():
            value = getattr(item, attribute, None)
            if value is not None:
                found.append(word.format(f"{value:,}".replace(",", " ")))
    return ", ".join(found)


if __name__ == "__main__":
    sys.stdout.write(render())
