"""Checks the parts of a config that belong to others: the adapter's own keys, and the strategies' parameters."""

from __future__ import annotations

import difflib
from importlib import metadata
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from engine.config import Config, Problem, resolve
from engine.core.strategy import Strategy


def plugin_problems(config: Config) -> list[Problem]:
    """Everything that the adapter and the strategies would refuse; empty where they take it. Imports them."""
    problems = _adapter_problems(config)
    risk = resolve(config)["risk"]
    for index, strategy in enumerate(config.strategy):
        where = f"strategy[{index}]"
        kind = _load("penstock.strategies", strategy.name, f"{where}.name", problems)
        if kind is None:
            continue
        if not (isinstance(kind, type) and issubclass(kind, Strategy)):
            remedy = "An entry point in penstock.strategies has to name a subclass of it."
            problems.append(Problem(f"{where}.name", f"{strategy.name} is no engine.Strategy", remedy))
            continue
        try:
            made = kind(**strategy.params)
        except (TypeError, ValueError) as error:
            remedy = f"See the documentation of {strategy.name}."
            problems.append(
                Problem(f"{where}.params", f"{strategy.name} does not take them: {error}", remedy)
            )
            continue
        try:
            made.check_limits(risk)
        except ValueError as error:
            problems.append(Problem(f"{where}.params", str(error), ""))
    return problems


def _adapter_problems(config: Config) -> list[Problem]:
    problems: list[Problem] = []
    kind = _load("penstock.adapters", config.adapter.name, "adapter.name", problems)
    if kind is None:
        return problems
    try:
        kind.config_type(**config.adapter.options)
    except ValidationError as error:
        known = list(kind.config_type.model_fields)
        problems += [_problem(details, known) for details in error.errors()]
    return problems


def _load(group: str, name: str, where: str, problems: list[Problem]) -> Any:
    """What the entry point names, or None and a problem more."""
    points = {point.name: point for point in metadata.entry_points(group=group)}
    if name not in points:
        close = difflib.get_close_matches(name, points, n=1)
        known = ", ".join(sorted(points)) or "none"
        remedy = f"Did you mean {close[0]}?" if close else f"Installed are: {known}."
        problems.append(Problem(where, f"nothing of the name {name} is installed in {group}", remedy))
        return None
    try:
        return points[name].load()
    except (ImportError, AttributeError) as error:
        problems.append(
            Problem(where, f"{name} cannot be loaded: {error}", "Install or build it again: make setup")
        )
        return None


def _problem(details: ErrorDetails, known: list[str]) -> Problem:
    """A value is never repeated: it may be a secret in the wrong place."""
    path = ".".join(["adapter", *map(str, details["loc"])])
    if details["type"] != "extra_forbidden":
        return Problem(path, details["msg"], "")
    close = difflib.get_close_matches(str(details["loc"][-1]), known, n=1)
    return Problem(
        path, "unknown key", f"Did you mean {close[0]}?" if close else f"Known are: {', '.join(known)}."
    )
