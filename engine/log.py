"""Structured logging that never blocks the caller and never lets a secret out.

Records go through a bounded queue to a thread that writes `penstock.log` in the run directory as JSON lines, with
rotation, and lines for people on standard error. A full queue drops the record and counts it. The hot path does not
log at all: what happens there is counted and journaled.
"""

from __future__ import annotations

import contextlib
import json
import logging
import logging.handlers
import queue
import re
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, TextIO

FILE_NAME = "penstock.log"
MAX_FILE_BYTES = 16 << 20
BACKUP_FILES = 4
QUEUE_RECORDS = 8192
MIN_SECRET_CHARS = 4
MAX_MESSAGE_CHARS = 8192
HIDDEN = "***"

# What looks like a secret even where nobody has registered it: key=value, "key": "value", and authorization headers.
_LOOKS_SECRET = re.compile(
    r"""(?ix) ( (?: api[_-]?key | api[_-]?secret | secret(?:[_-]?key)? | password | passphrase | private[_-]?key
        | listenkey | signature | token | authorization )
        ["']? \s* [:=] \s* (?: bearer \s+ )? ["']? ) ( [^\s"'&,;}\]]+ )"""
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Redaction(logging.Filter):
    """Replaces secrets in a record's text, arguments, extra fields and traceback, before anything else sees it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets: tuple[str, ...] = ()
        for secret in secrets:
            self.hide(secret)

    def hide(self, secret: str) -> None:
        """From now on `secret` is replaced wherever it appears; shorter than 4 characters is refused."""
        if len(secret) < MIN_SECRET_CHARS:
            raise ValueError(f"a secret of less than {MIN_SECRET_CHARS} characters cannot be hidden")
        self._secrets = tuple(sorted({*self._secrets, secret}, key=len, reverse=True))

    def clean(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _LOOKS_SECRET.sub(rf"\g<1>{HIDDEN}", text)

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; the record is changed in place to plain, clean, bounded text."""
        record.msg = self.clean(record.getMessage()[:MAX_MESSAGE_CHARS])
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        record.exc_info = None
        if record.exc_text:
            record.exc_text = self.clean(record.exc_text)
        for key, value in vars(record).items():
            if key not in _STANDARD and not isinstance(value, bool | int | float | None):
                setattr(record, key, self._clean_field(key, value))
        return True

    def _clean_field(self, key: str, value: object) -> str:
        named = self.clean(f"{key}={value}")
        return HIDDEN if named.endswith(f"={HIDDEN}") else self.clean(str(value)[:MAX_MESSAGE_CHARS])


class JsonLines(logging.Formatter):
    """One JSON object a line: ts (UTC), level, logger, message, then the extra fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "ts": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line, ensure_ascii=False, default=str)


class HumanLines(logging.Formatter):
    """Time, level, message and extra fields, for standard error."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, followed by its traceback."""
        stamp = time.strftime("%H:%M:%S", time.gmtime(record.created))
        extra = "".join(f" {key}={value}" for key, value in vars(record).items() if key not in _STANDARD)
        line = f"{stamp} {record.levelname.lower():7} {record.name}: {record.getMessage()}{extra}"
        return f"{line}\n{record.exc_text}" if record.exc_text else line


class BoundedQueueHandler(logging.handlers.QueueHandler):
    """Puts records into a bounded queue without waiting; `dropped` counts those that found it full."""

    def __init__(self, records: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(records)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """The record itself: the redaction filter has already made it plain text."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue the record, or count it as dropped."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class Logging:
    """Logging as it is set up for one process: what may be hidden later, what was dropped, and how to end it."""

    def __init__(self, handler: BoundedQueueHandler, redaction: Redaction) -> None:
        self._handler = handler
        self._redaction = redaction

    @property
    def dropped(self) -> int:
        """Records that were lost because the queue was full."""
        return self._handler.dropped

    def hide(self, secret: str) -> None:
        """Never let `secret` appear in a log line from now on."""
        self._redaction.hide(secret)


@contextlib.contextmanager
def logging_to(
    run_dir: Path | str | None,
    *,
    level: str = "info",
    form: Literal["text", "json"] = "text",
    stderr: TextIO | None = None,
    secrets: Iterable[str] = (),
    queue_records: int = QUEUE_RECORDS,
    file_name: str = FILE_NAME,
    quiet: bool = False,
) -> Iterator[Logging]:
    """Log to `run_dir`/`file_name` and standard error while the context lasts; flushed at its end.

    `quiet` leaves only errors on standard error.
    """
    redaction = Redaction(secrets)
    records: queue.Queue[logging.LogRecord] = queue.Queue(queue_records)
    handler = BoundedQueueHandler(records)
    handler.addFilter(redaction)
    people = logging.StreamHandler(sys.stderr if stderr is None else stderr)
    people.setFormatter(JsonLines() if form == "json" else HumanLines())
    people.setLevel(logging.ERROR if quiet else logging.NOTSET)
    sinks: list[logging.Handler] = [people]
    if run_dir is not None:
        path = Path(run_dir) / file_name
        file = logging.handlers.RotatingFileHandler(
            path, maxBytes=MAX_FILE_BYTES, backupCount=BACKUP_FILES, delay=True
        )
        file.setFormatter(JsonLines())
        sinks.append(file)
    listener = logging.handlers.QueueListener(records, *sinks, respect_handler_level=True)
    root = logging.getLogger()
    level_before = root.level
    root.addHandler(handler)
    root.setLevel(level.upper())
    listener.start()
    try:
        yield Logging(handler, redaction)
    finally:
        root.removeHandler(handler)
        root.setLevel(level_before)
        _drain(listener, records)
        if handler.dropped:
            people.handle(_note(f"{handler.dropped} log records were dropped: the queue was full"))
        for sink in sinks[1:]:
            sink.close()


def _drain(listener: logging.handlers.QueueListener, records: queue.Queue[logging.LogRecord]) -> None:
    """End the listener's thread once it has written what is queued; its end mark needs a free place in the queue."""
    records.join()
    listener.stop()


def _note(text: str) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"name": "penstock", "levelno": logging.WARNING, "levelname": "WARNING", "msg": text}
    )
