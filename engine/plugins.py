"""Adapters and strategies by name: found through entry points, ours and other people's alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.core.operator import Operator
from engine.core.strategy import Strategy
from engine.errors import UserError

if TYPE_CHECKING:
    from engine.adapter import Adapter
    from engine.core.engine import Engine

ADAPTERS = "penstock.adapters"
STRATEGIES = "penstock.strategies"


class PluginError(UserError):
    """A name that nothing is installed under, or settings that it does not take."""


def load(group: str, name: str) -> Any:
    """What an entry point names; PluginError lists what there is."""
    known = {point.name: point for point in metadata.entry_points(group=group)}
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise PluginError(f"nothing of the name {name!r} is installed in {group}; there are: {names}")
    return known[name].load()


def make_adapter(name: str, options: Mapping[str, Any], run_id: str, seed: int) -> Adapter:
    """An adapter with its own settings; PluginError where it does not take them."""
    kind = load(ADAPTERS, name)
    try:
        settings = kind.config_type(**options)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise PluginError(f"adapter {name} does not take its settings: {problems}") from None
    adapter: Adapter = kind(settings, run_id=run_id, seed=seed)
    return adapter


def config_of(document: bytes) -> dict[str, Any]:
    """The resolved config from its CONFIG record."""
    config: dict[str, Any] = json.loads(document)
    return config


def attach_strategies(core: Engine, config: Mapping[str, Any]) -> list[Strategy]:
    """Make the config's strategies and give them their desks; PluginError where one cannot be made."""
    made = []
    for settings in config.get("strategy", ()):
        kind = load(STRATEGIES, settings["name"])
        if not (isinstance(kind, type) and issubclass(kind, Strategy)):
            raise PluginError(f"strategy {settings['name']!r} is no engine.Strategy")
        try:
            strategy = kind(**settings.get("params", {}))
            core.attach(strategy, settings["id"], list(settings["symbols"]))
        except (TypeError, ValueError) as error:
            raise PluginError(f"strategy {settings['id']}: {error}") from error
        made.append(strategy)
    core.attach_operator(Operator(core))
    return made


def check_limits(strategies: Sequence[Strategy], config: Mapping[str, Any]) -> None:
    """Let each strategy compare its parameters with the config's limits; PluginError with the first that cannot work."""
    for strategy in strategies:
        try:
            strategy.check_limits(config["risk"])
        except ValueError as error:
            raise PluginError(f"strategy {strategy.name}: {error}") from error
