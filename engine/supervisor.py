"""The supervisor of a run: starts venue and core, restarts a core that crashed, shows the view, ends everything.

It is one thread around poll(2): process descriptors tell of children that ended, a pipe tells of signals, and the
view is drawn in between. Exit codes: 0 the run ended well, 1 something went wrong, 2 it could not be started, 130 it was
interrupted before the core began.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import select
import signal
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import tomli_w

from engine.children import Child, how_it_ended
from engine.config import Config
from engine.console.status import Status, decode
from engine.console.status_page import StatusPage
from engine.doctor_venue import examine_venue
from engine.errors import UserError
from engine.run_dir import VENUE_KEY_ENV, VENUE_SECRET_ENV, RunDir, write_atomically

logger = logging.getLogger("penstock.supervisor")

VIEW_INTERVAL_S = 0.25
STOP_DEADLINE_S = 30.0  # longer than the core waits for its orders and the requests under way
VENUE_START_S = 30.0
VENUE_STOP_S = 5.0
MAX_RESTARTS = 5
RESTART_WINDOW_S = 300.0
BACKOFF_S = 0.5
BACKOFF_MAX_S = 8.0
CORE_REFUSED = 2
INTERRUPTED = 130


class StartError(UserError):
    """The run could not be started; the text says why and what to do."""


class View(Protocol):
    """What shows a run to people."""

    def show(self, status: Status | None, note: str) -> None:
        """Draw the newest status; `note` is the supervisor's own line."""

    def close(self) -> None:
        """Give the terminal back."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended; `summary` is the core's, or None where it left none."""

    exit_code: int
    summary: dict[str, Any] | None
    restarts: int
    reason: str


@dataclass(slots=True)
class Supervisor:
    """Looks after one run; `run` blocks until it is over."""

    config: Config
    run_dir: RunDir
    view: View
    seconds: float | None = None
    live: bool = False
    core_module: str = "engine.daemon"
    venue_module: str = ""
    stop_deadline_s: float = STOP_DEADLINE_S
    backoff_s: float = BACKOFF_S
    _venue: Child | None = None
    _core: Child | None = None
    _page: StatusPage | None = None
    _signals: deque[int] = field(default_factory=deque)
    _wake: int = -1
    _env: dict[str, str] = field(default_factory=lambda: {"PENSTOCK_SUPERVISED": "1"})
    _crashes: deque[float] = field(default_factory=deque)
    _restarts: int = 0
    _note: str = "starting"
    _ends_at: float | None = None
    _stop_by: float | None = None
    _stop_signal: int = 0
    _venue_lost: bool = False

    def run(self) -> Result:
        """Start, watch and end everything; raises StartError where the venue or the core cannot be started."""
        with contextlib.ExitStack() as held:
            held.enter_context(self.run_dir.locked())
            self._examine_venue()
            held.enter_context(self._signals_caught())
            try:
                self.run_dir.summary_file.unlink(missing_ok=True)
                if self.config.venue.embedded:
                    self._start_venue()
                self._start_core()
                code, reason = self._watch()
            finally:
                self._end_children()
                self.view.close()
        summary = self._summary()
        if code == 0 and summary is None:
            code, reason = 1, "the core ended without a summary"
        return Result(code, summary, self._restarts, reason)

    # Starting

    def _examine_venue(self) -> None:
        """A live run starts only with a venue and a key that pass the doctor; a crash later on restarts without."""
        if self.config.mode != "live":
            return
        self.view.show(None, "examining venue and key")
        try:
            findings = examine_venue(self.config)
        except BaseException:  # raised again: the terminal must be given back first
            self.view.close()
            raise
        # What a run that goes on holds must be looked after, whatever became of its symbols.
        spared = {"symbols"} if self.run_dir.is_restart else set()
        for finding in findings:
            if finding.level != "ok":
                logger.warning("%s: %s. %s", finding.check, finding.text, finding.remedy)
        failures = [each for each in findings if each.level == "failure" and each.check not in spared]
        if failures:
            self.view.close()
            lines = "\n".join(f"  {each.check}: {each.text}\n    → {each.remedy}" for each in failures)
            raise StartError(f"venue and key were examined, and a live run is refused:\n{lines}")

    def _start_venue(self) -> None:
        module = self.venue_module or venue_module(self.config.adapter.name)
        self._note = "starting the local venue"
        self.view.show(None, self._note)
        key, secret = f"mx0{secrets.token_hex(8)}", secrets.token_hex(32)
        settings = self.run_dir.path / "venue.toml"
        write_atomically(
            settings, tomli_w.dumps(venue_settings(self.config, key, secret)).encode(), mode=0o600
        )
        arguments = ["--config", str(settings), *venue_arguments(self.config)]
        try:
            self._venue = Child("venue", module, arguments, self.run_dir.path / "venue.out", self._env)
            line = self._venue.first_line(VENUE_START_S)
        finally:
            settings.unlink()
        try:
            facts = json.loads(line or "")
            addresses = {"rest_url": str(facts["rest_url"]), "ws_url": str(facts["ws_url"])}
        except (ValueError, KeyError, TypeError):
            raise StartError(f"the local venue did not start:\n{self._venue.tail()}") from None
        self._env |= {VENUE_KEY_ENV: key, VENUE_SECRET_ENV: secret}
        write_atomically(self.run_dir.venue_file, json.dumps(addresses).encode() + b"\n")
        logger.info("the local venue listens", extra=addresses)

    def _start_core(self) -> None:
        arguments = ["--run-dir", str(self.run_dir.path), "--config", str(self.run_dir.config_file)]
        arguments += ["--live"] if self.live else []
        if self.seconds is not None:
            now = time.monotonic()
            self._ends_at = now + self.seconds if self._ends_at is None else self._ends_at
            arguments += ["--for", f"{max(0.0, self._ends_at - now):.3f}"]
        self._core = Child("core", self.core_module, arguments, self.run_dir.path / "core.out", self._env)
        self._note = "running" if not self._restarts else f"running since restart {self._restarts}"
        logger.info("the core runs", extra={"core_pid": self._core.pid, "restarts": self._restarts})

    # Watching

    def _watch(self) -> tuple[int, str]:
        """Until the run is over: the exit code and the reason."""
        while True:
            self._wait()
            self._forward_signals()
            self.view.show(self._status(), self._note)
            self._check_venue()
            self._check_deadline()
            core = self._core
            code = None if core is None else core.exit_code
            if core is None or code is None:
                continue
            core.close()
            if self._stop_by is not None or code == 0:
                return self._final(code)
            if code == CORE_REFUSED:
                raise StartError(f"the core did not start:\n{core.tail()}")
            if not self._may_restart(core, code):
                again = f"penstock run --run-dir {self.run_dir.path}"
                return (
                    1,
                    f"the core {how_it_ended(code)} too often; start it again with: {again}\n{core.tail()}",
                )
            if self._backoff():
                return 1, f"the core {how_it_ended(code)}, and the run was stopped before it was restarted"
            self._start_core()

    def _wait(self) -> None:
        """Until something happens, or it is time to draw the view."""
        children = [
            child.descriptor for child in (self._venue, self._core) if child and child.descriptor >= 0
        ]
        select.select([self._wake, *children], [], [], VIEW_INTERVAL_S)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 512)

    def _forward_signals(self) -> None:
        """The first signal goes to the core, the second ends it at once: its journal makes that safe."""
        while self._signals:
            number = self._signals.popleft()
            if self._stop_by is None:
                self._ask_to_stop(number, f"stopping on {signal.Signals(number).name}")
            elif self._core is not None:
                self._note = "killing the core on a second signal"
                self._core.signal(signal.SIGKILL)

    def _ask_to_stop(self, number: int, note: str) -> None:
        self._note = note
        self._stop_signal = number
        self._stop_by = time.monotonic() + self.stop_deadline_s
        logger.info(note)
        if self._core is not None:
            self._core.signal(number)

    def _check_venue(self) -> None:
        if self._venue is None or self._venue_lost or self._venue.exit_code is None:
            return
        self._venue_lost = True
        logger.error("the local venue %s", how_it_ended(self._venue.exit_code))
        if self._stop_by is None:
            self._ask_to_stop(signal.SIGTERM, "stopping: the local venue died")

    def _check_deadline(self) -> None:
        now = time.monotonic()
        late = self._ends_at is not None and now > self._ends_at + self.stop_deadline_s
        if late and self._stop_by is None:
            self._ask_to_stop(signal.SIGTERM, "stopping: the core did not end by itself in time")
        if self._stop_by is not None and now > self._stop_by and self._core is not None:
            self._note = f"killing the core: it did not end within {self.stop_deadline_s:g} s"
            self._core.signal(signal.SIGKILL)

    def _final(self, code: int) -> tuple[int, str]:
        if self._venue_lost and self._venue is not None:
            return 1, f"the local venue died:\n{self._venue.tail()}"
        if code == 0:
            return 0, "ended"
        assert self._core is not None
        if code == -self._stop_signal:
            # It was still loading: a session answers a signal by ending in order.
            return INTERRUPTED, "stopped before the core began"
        return 1, f"the core {how_it_ended(code)}\n{self._core.tail()}"

    # Restarting

    def _may_restart(self, core: Child, code: int) -> bool:
        now = time.monotonic()
        while self._crashes and now - self._crashes[0] > RESTART_WINDOW_S:
            self._crashes.popleft()
        self._crashes.append(now)
        logger.error("the core %s", how_it_ended(code), extra={"output": core.tail()})
        return len(self._crashes) <= MAX_RESTARTS

    def _backoff(self) -> bool:
        """Wait before a restart; whether the run is to be stopped instead."""
        delay_s = min(BACKOFF_MAX_S, self.backoff_s * 2 ** (len(self._crashes) - 1))
        self._restarts += 1
        self._note = f"the core crashed; restart {self._restarts} in {delay_s:g} s"
        until = time.monotonic() + delay_s
        while not self._signals and time.monotonic() < until:
            select.select([self._wake], [], [], min(VIEW_INTERVAL_S, max(0.0, until - time.monotonic())))
            self.view.show(self._status(), self._note)
        return bool(self._signals)

    # Ending

    def _end_children(self) -> None:
        """Core first, so that it can still cancel its orders at the venue."""
        for child, deadline_s in ((self._core, self.stop_deadline_s), (self._venue, VENUE_STOP_S)):
            if child is not None:
                child.end(deadline_s)
        self.run_dir.venue_file.unlink(missing_ok=True)
        if self._page is not None:
            self._page.close()
            self._page = None

    def _summary(self) -> dict[str, Any] | None:
        try:
            summary = json.loads(self.run_dir.summary_file.read_bytes())
        except (OSError, ValueError):
            return None
        return summary if isinstance(summary, dict) else None

    def _status(self) -> Status | None:
        """The core's newest status; None while there is none."""
        try:
            if self._page is None:
                self._page = StatusPage.open(self.run_dir.path)
            payload = self._page.read()
            return None if payload is None else decode(payload)
        except (FileNotFoundError, ValueError):
            return None

    @contextlib.contextmanager
    def _signals_caught(self) -> Iterator[None]:
        """Signals are queued, and wake the loop through a pipe."""
        self._wake, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        wakeup_before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup_before)
            os.close(self._wake)
            os.close(told)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals.append(signal.SIGTERM if number == signal.SIGHUP else number)


def venue_module(adapter: str) -> str:
    """The module of an adapter's local venue, `<adapter's module>.venue`; raises StartError for an unknown adapter."""
    known = {point.name: point for point in metadata.entry_points(group="penstock.adapters")}
    if adapter not in known:
        names = ", ".join(sorted(known)) or "none"
        raise StartError(
            f"there is no adapter {adapter!r}; installed are: {names}. Set [adapter] name, or install it."
        )
    module = f"{known[adapter].module}.venue"
    if find_spec(module) is None:
        raise StartError(f"the adapter {adapter} comes without a local venue: set [venue] embedded = false")
    return module


def venue_arguments(config: Config) -> list[str]:
    """The command line of the local venue for this config."""
    venue = config.venue
    arguments = ["--json", "--die-with-parent", "--market", venue.market, "--seed", str(venue.seed)]
    arguments += ["--symbols", ",".join(venue.symbols), "--speed", f"{venue.speed:g}"]
    if venue.data:
        arguments += ["--data", str(Path(venue.data).expanduser())]
    return arguments


def venue_settings(config: Config, api_key: str, api_secret: str) -> dict[str, Any]:
    """What the local venue reads from a file: its own options, the faults, and an account of this run's own."""
    settings = dict(config.venue.options)
    account, *others = settings.get("accounts") or [{}]
    settings["accounts"] = [account | {"api_key": api_key, "secret": api_secret}, *others]
    faults = [
        {"name": name} | (value if isinstance(value, dict) else {"probability": value})
        for name, value in config.venue.faults.items()
    ]
    settings["faults"] = [*settings.get("faults", []), *faults]
    return settings
