"""Reads one TOML file into a checked, immutable `Config`; says everything that is wrong with it at once."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import tomli_w
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from engine.config_models import (
    AdapterConfig,
    Config,
    LogConfig,
    RiskConfig,
    RunConfig,
    StrategyConfig,
    VenueConfig,
    format_money,
    parse_money,
)
from engine.errors import UserError

__all__ = [
    "AdapterConfig",
    "Config",
    "ConfigError",
    "LogConfig",
    "Problem",
    "RiskConfig",
    "RunConfig",
    "StrategyConfig",
    "VenueConfig",
    "config_hash",
    "format_money",
    "load",
    "parse",
    "parse_money",
    "read_secret",
    "resolve",
    "to_toml",
]

MAX_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where in the TOML, what, and what to do about it."""

    path: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}. {self.remedy}" if self.remedy else f"{self.path}: {self.what}."


class ConfigError(UserError):
    """The configuration cannot be used; `problems` lists every reason."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        count = len(self.problems)
        lines = [f"{self.source}: {count} problem{'s' if count > 1 else ''}"]
        return "\n".join(lines + [f"  {problem}" for problem in self.problems])


def load(path: Path | str) -> Config:
    """The config in the TOML file `path`; raises ConfigError with every problem found."""
    source = str(path)
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(source, [Problem("file", f"cannot be read: {reason}", "Check the path.")]) from None
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError(
            source, [Problem("file", "is larger than 1 MiB", "A config is a few hundred lines.")]
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            source, [Problem("file", f"is not UTF-8 at byte {error.start}", "Save it as UTF-8.")]
        ) from None
    return parse(text, source)


def parse(text: str, source: str = "config") -> Config:
    """The config in `text`, TOML; raises ConfigError with every problem found."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(source, [Problem("file", f"is not TOML: {error}", "Mend that line.")]) from None
    try:
        return Config.model_validate(document)
    except ValidationError as error:
        raise ConfigError(source, [_problem(details) for details in error.errors()]) from None


def resolve(config: Config) -> dict[str, Any]:
    """Everything that is in force, defaults included, as plain TOML types; there is never a secret in it."""
    resolved: dict[str, Any] = config.model_dump(mode="json")
    return resolved


def to_toml(config: Config) -> str:
    """The resolved config as TOML; `parse(to_toml(config)) == config`."""
    return tomli_w.dumps(resolve(config))


def config_hash(config: Config) -> str:
    """SHA-256 in hex of the resolved config as canonical JSON (sorted keys, no spaces, UTF-8)."""
    canonical = json.dumps(
        resolve(config), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def read_secret(options: Mapping[str, Any], key: str, section: str = "adapter") -> SecretStr | None:
    """The secret whose place is named by `<key>_env` or `<key>_file`; None where neither is named.

    Raises ConfigError where the named place is empty, or a file that is not ours alone: mode 0600, our own user.
    """
    env_name, file_name = options.get(f"{key}_env"), options.get(f"{key}_file")
    if env_name:
        value = os.environ.get(str(env_name), "")
        if not value:
            what = f"the environment variable {env_name} is not set"
            raise ConfigError(section, [Problem(f"{section}.{key}_env", what, f"Export {env_name} first.")])
        return SecretStr(value)
    if file_name:
        return _secret_file(section, f"{section}.{key}_file", Path(str(file_name)).expanduser())
    return None


def _secret_file(section: str, where: str, path: Path) -> SecretStr:
    try:
        with path.open("rb") as file:
            facts = os.fstat(file.fileno())
            value = file.read(65_536).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            section, [Problem(where, f"{path} cannot be read: {error}", "Check the path.")]
        ) from None
    if facts.st_uid != os.geteuid():
        what = f"{path} belongs to another user (uid {facts.st_uid})"
        raise ConfigError(section, [Problem(where, what, "Make a file of your own, mode 0600.")])
    mode = stat.S_IMODE(facts.st_mode)
    if mode != 0o600:
        what = f"{path} has mode {mode:04o}, not 0600" + (": others may read it" if mode & 0o077 else "")
        raise ConfigError(section, [Problem(where, what, f"Run: chmod 600 {path}")])
    if not value:
        raise ConfigError(section, [Problem(where, f"{path} is empty", "Put the secret into it.")])
    return SecretStr(value)


def _problem(details: ErrorDetails) -> Problem:
    location = details["loc"]
    path = _toml_path(location)
    match details["type"]:
        case "extra_forbidden":
            return Problem(path, "unknown key", _suggestion(location))
        case "missing":
            return Problem(path, "is missing", _expectation(location) or "Add it.")
        case "value_error":
            return Problem(path or "config", str(details["ctx"]["error"]), "")
        case _:
            what = details["msg"][:1].lower() + details["msg"][1:]
            return Problem(
                path or "config", f"{what}, not {_shown(path, details['input'])}", _expectation(location)
            )


def _shown(path: str, value: object) -> str:
    """The refused value, shortened; never shown where it may be the adapter's secret."""
    if path.startswith("adapter"):
        return type(value).__name__
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _toml_path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model that the key before the last belongs to."""
    model: type[BaseModel] = Config
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        nested = [] if field is None else [field.annotation, *get_args(field.annotation)]
        found = [item for item in nested if isinstance(item, type) and issubclass(item, BaseModel)]
        if not found:
            return None
        model = found[0]
    return model


def _suggestion(location: tuple[int | str, ...]) -> str:
    model, key = _model_at(location), str(location[-1])
    known = list(model.model_fields) if model else []
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    return f"Did you mean {close[0]}?" if close else f"Known keys here: {', '.join(known)}."


def _expectation(location: tuple[int | str, ...]) -> str:
    """What the field is, from the reference; empty where the place is no field."""
    model = _model_at(location)
    field = model.model_fields.get(str(location[-1])) if model else None
    return f"It is: {field.description}" if field is not None and field.description else ""
