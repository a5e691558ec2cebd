"""What is fuzzed: the targets in C and in Python, how long their inputs may be, and what a run of theirs watches."""

from __future__ import annotations

import dataclasses
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """One target. `language` of what it reaches: "c", with a harness in tests/fuzz/c; else a module in tests/fuzz/targets, which
    runs against extensions with sanitizers ("cython") or, where all that reads is Python, the installed package ("python")."""

    name: str
    language: str
    max_bytes: int
    what: str

    @property
    def corpus(self) -> Path:
        """Its committed inputs."""
        return FOLDER / "corpus" / self.name


TARGETS = (
    Target("protobuf", "c", 1024, "native/mexc_protobuf.h"),
    Target("tickers", "c", 1024, "native/mexc_tickers.h"),
    Target("decimal", "c", 128, "native/decimal.h"),
    Target("segment", "c", 1024, "native/log_format.h, log_copy.h, log_verify.h"),
    Target("recovery", "c", 512, "native/log_recovery.h on files"),
    Target("protobuf_oracle", "cython", 1024, "decoder and MexcDecoder against the plain-Python twin"),
    Target("tickers_oracle", "cython", 1024, "NewTickers against the plain-Python twin"),
    Target("order_book", "cython", 4096, "MexcDecoder.decode_document"),
    Target("rest_answers", "python", 4096, "orders, trades, balances, exchangeInfo, refusals"),
    Target("listings", "python", 4096, "the seven sources of listings"),
    Target("feed_texts", "python", 4096, "subscription replies, futures messages"),
    Target("http_answer", "python", 2048, "the order line's HTTP parser"),
    Target("journal", "cython", 64, "LogReader and verify on files"),
    Target("control", "cython", 4200, "the command socket, over the socket"),
    Target("events", "cython", 1024, "event bytes at the core's entries"),
)
BY_NAME = {target.name: target for target in TARGETS}
