"""Logging: structured lines, bounded, never a secret."""

from __future__ import annotations

import io
import json
import logging
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import log
from engine.log import Redaction, logging_to

logger = logging.getLogger("penstock.test")


def test_lines_are_json_in_the_file_and_text_for_people(tmp_path: Path) -> None:
    stderr = io.StringIO()
    with logging_to(tmp_path, stderr=stderr):
        logger.info("feed %s is up", "mexc", extra={"channel": "depth", "frames": 3})
        logger.debug("not shown")
    (line,) = [json.loads(line) for line in (tmp_path / log.FILE_NAME).read_text().splitlines()]
    assert line["message"] == "feed mexc is up"
    assert (line["level"], line["logger"], line["channel"], line["frames"]) == (
        "info",
        "penstock.test",
        "depth",
        3,
    )
    assert line["ts"].endswith("Z")
    assert "info    penstock.test: feed mexc is up channel=depth frames=3" in stderr.getvalue()


def test_json_on_standard_error(tmp_path: Path) -> None:
    stderr = io.StringIO()
    with logging_to(None, form="json", stderr=stderr):
        logger.warning("hello")
    assert json.loads(stderr.getvalue())["message"] == "hello"


def test_registered_secrets_are_hidden_everywhere(tmp_path: Path) -> None:
    stderr = io.StringIO()
    with logging_to(tmp_path, stderr=stderr, secrets=["hunter2hunter2"]) as setup:
        setup.hide("later-secret")
        logger.info(
            "sent %s and later-secret", {"deep": ["hunter2hunter2"]}, extra={"note": "x hunter2hunter2"}
        )
        try:
            raise ValueError("hunter2hunter2 in a message")
        except ValueError:
            logger.exception("failed")
    everything = stderr.getvalue() + (tmp_path / log.FILE_NAME).read_text()
    assert "hunter2" not in everything
    assert "later-secret" not in everything
    assert "Traceback" in everything


@pytest.mark.parametrize(
    "text",
    [
        "GET /api?apiKey=hunter2&signature=hunter2",
        '{"api_secret": "hunter2"}',
        "{'password': 'hunter2'}",
        "X-MEXC-APIKEY: hunter2",
        "Authorization: Bearer hunter2",
        "token = hunter2",
        "listenKey=hunter2",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    assert "hunter2" not in Redaction().clean(text)


def test_extra_fields_with_secret_names_are_hidden(tmp_path: Path) -> None:
    stderr = io.StringIO()
    with logging_to(None, stderr=stderr):
        logger.info("signed", extra={"api_secret": "hunter2", "symbol": "BTCUSDT"})
    assert "hunter2" not in stderr.getvalue()
    assert "symbol=BTCUSDT" in stderr.getvalue()


@given(
    st.text(st.characters(exclude_characters="*"), min_size=4, max_size=20),
    st.text(max_size=30),
    st.text(max_size=30),
)
def test_no_text_around_it_lets_a_secret_out(secret: str, before: str, after: str) -> None:
    cleaned = Redaction([secret]).clean(before + secret + after)
    assert secret not in cleaned


def test_a_secret_too_short_to_hide_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be hidden"):
        Redaction(["abc"])


def test_a_full_queue_drops_counts_and_tells() -> None:
    stderr = io.StringIO()

    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            gate.wait(10)
            return stderr.write(text)

    gate = threading.Event()
    with logging_to(None, stderr=Slow(), queue_records=2) as setup:
        for number in range(20):
            logger.info("line %d", number)
        dropped = setup.dropped
        gate.set()
    assert 15 <= dropped < 20
    assert f"{dropped} log records were dropped" in stderr.getvalue()


def test_logging_is_put_back_as_it_was() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    with logging_to(None, level="debug", stderr=io.StringIO()):
        assert root.level == logging.DEBUG
    assert (list(root.handlers), root.level) == before
