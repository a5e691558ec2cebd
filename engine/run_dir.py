"""A run's directory: its name, its files, and whether the run is still going on.

| file | what it is |
|---|---|
| `run.json` | run id, time of creation, version |
| `config.toml` | the config in force, complete, without secrets |
| `venue.json` | addresses of the embedded venue, while there is one |
| `journal/`, `tape/` | what happened (engine.journal) |
| `summary.json` | written by the core when it ends |
| `status.page`, `halt.flag`, `control.sock` | how others look at the core and speak to it |
| `penstock.log`, `core.out`, `venue.out` | logs, and what the children said on standard output and error |
| `run.lock` | locked while a supervisor looks after the run |
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from engine.config import Config, ConfigError, Problem, config_hash, load, to_toml
from engine.errors import UserError

RUN_ID_CHARS = 12
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
VENUE_KEY_ENV = "PENSTOCK_VENUE_API_KEY"
VENUE_SECRET_ENV = "PENSTOCK_VENUE_API_SECRET"


class RunDirError(UserError):
    """The run directory cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run directory that exists; `run_id` is 12 characters of [0-9a-z]."""

    path: Path
    run_id: str

    @property
    def journal(self) -> Path:
        """Folder of the journal's segments."""
        return self.path / "journal"

    @property
    def tape(self) -> Path:
        """Folder of the tape's segments."""
        return self.path / "tape"

    @property
    def config_file(self) -> Path:
        """The config in force, TOML."""
        return self.path / "config.toml"

    @property
    def summary_file(self) -> Path:
        """The core's summary, JSON."""
        return self.path / "summary.json"

    @property
    def venue_file(self) -> Path:
        """Addresses of the embedded venue, JSON."""
        return self.path / "venue.json"

    @property
    def is_restart(self) -> bool:
        """Whether there is a journal from before."""
        return self.journal.is_dir() and any(self.journal.iterdir())

    @property
    def is_active(self) -> bool:
        """Whether a supervisor looks after this run now."""
        try:
            with self.locked():
                return False
        except RunDirError:
            return True

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run; raises RunDirError where another process holds it."""
        file = os.open(self.path / "run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunDirError(
                    f"{self.path} is in use by a running penstock: stop that one first"
                ) from None
            yield
        finally:
            os.close(file)

    def write_config(self, config: Config) -> None:
        """Keep the config in force; raises RunDirError where the run was started with another one."""
        if self.config_file.exists() and self.is_restart:
            before, now = config_hash(load(self.config_file)), config_hash(config)
            if before != now:
                raise RunDirError(
                    f"{self.path} was started with another config ({before[:12]}, not {now[:12]}): restart it without "
                    "--config, or start a new run without --run-dir"
                )
        write_atomically(self.config_file, to_toml(config).encode())


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace the file's content as a whole, durably: readers see the old or the new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with open(os.open(temporary, flags, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def create(base: Path | str) -> RunDir:
    """A new run directory `<UTC stamp>-<run id>` in `base`, mode 0700."""
    run_id = "".join(secrets.choice(_ALPHABET) for _ in range(RUN_ID_CHARS))
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return create_at(Path(base) / f"{stamp}-{run_id}", run_id)


def create_at(path: Path | str, run_id: str = "") -> RunDir:
    """A run directory at `path`, with a new run id unless one is given."""
    path = Path(path)
    run_id = run_id or "".join(secrets.choice(_ALPHABET) for _ in range(RUN_ID_CHARS))
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        facts = {"run_id": run_id, "created": created, "version": version()}
        write_atomically(path / "run.json", json.dumps(facts).encode() + b"\n")
    except OSError as error:
        raise RunDirError(f"the run directory {path} cannot be made: {error.strerror or error}") from None
    return RunDir(path.resolve(), run_id)


def open_at(path: Path | str) -> RunDir:
    """The run directory at `path`; raises RunDirError where it is none."""
    path = Path(path)
    try:
        facts = json.loads((path / "run.json").read_bytes())
        run_id = facts["run_id"]
    except FileNotFoundError:
        raise RunDirError(f"{path} is no run directory: it has no run.json") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirError(f"{path}/run.json cannot be read: {error}") from None
    if not isinstance(run_id, str) or len(run_id) != RUN_ID_CHARS or not set(run_id) <= set(_ALPHABET):
        raise RunDirError(f"{path}/run.json holds no run id of {RUN_ID_CHARS} characters of [0-9a-z]")
    return RunDir(path.resolve(), run_id)


def newest_active(base: Path | str) -> RunDir:
    """The youngest run in `base` that is still going on; raises RunDirError where there is none."""
    folders = sorted(Path(base).glob("*/run.json"), reverse=True)
    for facts in folders[:1000]:
        with contextlib.suppress(RunDirError):
            found = open_at(facts.parent)
            if found.is_active:
                return found
    raise RunDirError(
        f"no run is going on in {base}: start one with 'penstock run', or name one with --run-dir"
    )


def adapter_options(config: Config, run: RunDir) -> dict[str, Any]:
    """The adapter's own settings in force: the config's, and the embedded venue's addresses and key names.

    Raises ConfigError where the venue's addresses are missing.
    """
    options = config.adapter.options
    if not config.venue.embedded:
        return options
    try:
        venue = json.loads(run.venue_file.read_bytes())
        options |= {"rest_url": str(venue["rest_url"]), "ws_url": str(venue["ws_url"])}
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            str(run.venue_file),
            [
                Problem(
                    "venue", f"its addresses cannot be read: {error}", "Start the run with 'penstock run'."
                )
            ],
        ) from None
    if VENUE_KEY_ENV in os.environ:
        options |= {"api_key_env": VENUE_KEY_ENV, "api_secret_env": VENUE_SECRET_ENV}
    return options


def version() -> str:
    """The installed version; `0+source` where penstock runs without being installed."""
    try:
        return metadata.version("penstock")
    except metadata.PackageNotFoundError:
        return "0+source"
