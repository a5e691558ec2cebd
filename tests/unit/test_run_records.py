"""`penstock orders`, `fills`, `positions`, `listings` and `flatten` on a run whose records a real core wrote."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import cli, run_dir
from engine.adapter import AdapterStatus, SourceStatus
from engine.console.publish import Publisher
from engine.console.status import Order, Position, Source, Status, encode
from engine.console.status_page import StatusPage
from engine.control import CommandRefused, Reply, Request
from engine.control_server import ControlServer
from engine.core import event
from engine.core.decoder import FrameDecoder
from engine.core.engine import Engine
from engine.core.enums import ListingChange, ListingSource, OrderReport
from engine.journal.records import JOURNAL_STEM, TAPE_STEM
from engine.journal.restart import restore, take_snapshot, write_snapshot
from engine.rim import Rim
from engine.run_dir import RunDir
from engine.sequencer import Sequencer
from native.log_writer import LogWriter
from tests.core_session import BUY, COIN, MONEY, SELL, WIDE, Puppet

pytestmark = pytest.mark.xdist_group("supervisor")

Capture = pytest.CaptureFixture[str]
OPEN_MS = 1_750_000_000_000


class Documents(FrameDecoder):
    """A document is the snapshot event itself."""

    def add_instrument(self, index: int, symbol: str, price_decimals: int, size_decimals: int) -> None:
        """Nothing to learn."""

    def decode_document(self, instrument: int, document: bytes) -> bytes:
        return document


class Life:
    """A run's directory and the session that writes into it."""

    def __init__(self, place: RunDir) -> None:
        self.place, self.core, self.puppet = place, Engine(), Puppet()
        for log in (place.journal, place.tape):
            log.mkdir()
        settings: dict[str, Any] = {"run_id": place.run_id, "segment_bytes": 1 << 20}
        self.journal = LogWriter(place.journal, stem=JOURNAL_STEM, chained=True, sync=True, **settings)
        self.tape = LogWriter(place.tape, stem=TAPE_STEM, chained=False, sync=False, **settings)
        self.sequencer = Sequencer(self.core, Documents(), Rim(), self.journal, self.tape)
        document = {"mode": "paper", "risk": WIDE, "strategy": [{"id": "ready"}]}
        for each in (
            event.start(place.run_id, 0, False, 1),
            event.config(json.dumps(document).encode()),
            event.instrument(COIN),
            event.balance("AAA", 10**6 * MONEY, 0, True),
            event.balance("USDT", 10**6 * MONEY, 0, True),
        ):
            self.sequencer.ingest(each)
        self.core.attach(self.puppet, "ready", ["AAAUSDT"])
        self.sequencer.ingest(event.reconciled())
        self.sequencer.ingest(event.feed(0, True))
        self.sequencer.ingest_document(0, 0, event.snapshot(0, 1, [(10_010, 10**6)], [(9_990, 10**6)]))

    def act(self, todo: Callable[[Puppet], Any]) -> Any:
        self.puppet.todo = todo
        self.sequencer.ingest(event.timer(1, 0, 0))
        return self.puppet.result

    def memo(self, symbol: str, **values: Any) -> None:
        value = json.dumps(values).encode() if values else b""
        self.act(lambda puppet: puppet.memo(symbol, value))

    def place_order(self, side: int, price: int, lots: int) -> int:
        act = (lambda one: one.buy(0, price, lots)) if side == BUY else (lambda one: one.sell(0, price, lots))
        number: int = self.act(act)
        assert number
        return number

    def fill(self, number: int, lots: int, price: int, trade_id: str) -> None:
        side = self.core.order(number).side  # type: ignore[union-attr]
        self.sequencer.ingest(
            event.fill(
                number, instrument=0, side=side, price_ticks=price, size_lots=lots, money=COIN.notional(price, lots),
                fee=MONEY // 100, fee_asset="USDT", is_maker=False, trade_id=trade_id,
            )
        )  # fmt: skip

    def tell(self, source: ListingSource, **more: Any) -> None:
        self.sequencer.ingest(event.listing(source, ListingChange.SEEN, "NEWUSDT", **more))

    def snapshot(self) -> None:
        taken = take_snapshot(self.core, self.journal, bytearray())
        assert self.journal.wait_durable(5000)
        write_snapshot(self.place.journal, taken)

    def close(self) -> None:
        self.journal.close()
        self.tape.close()


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(run_dir.create(tmp_path / "runs"))
    yield made
    made.close()


def penstock(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def said(capsys: Capture, *arguments: object, code: int = 0) -> Any:
    assert penstock(*arguments, "--json") == code
    return json.loads(capsys.readouterr().out)


def traded(life: Life) -> tuple[int, int, int]:
    """One order filled, one open, one of unknown fate."""
    filled, resting = life.place_order(BUY, 10_010, 500), life.place_order(BUY, 9_000, 200)
    life.sequencer.ingest(event.order_update(filled, OrderReport.WORKING, venue_order_id="V1"))
    life.fill(filled, 200, 10_000, "t1")
    life.fill(filled, 200, 10_000, "t1")
    life.fill(filled, 300, 10_010, "t2")
    life.sequencer.ingest(event.order_update(filled, OrderReport.FILLED, cumulative_lots=500))
    life.sequencer.ingest(event.order_update(resting, OrderReport.WORKING, venue_order_id="V2"))
    unknown = life.place_order(SELL, 11_000, 100)
    life.sequencer.ingest(event.order_update(unknown, OrderReport.AMBIGUOUS))
    return filled, resting, unknown


@pytest.mark.parametrize("snapshot", [False, True])
def test_orders_fills_and_positions_of_a_run(life: Life, capsys: Capture, snapshot: bool) -> None:
    filled, resting, unknown = traded(life)
    if snapshot:
        life.snapshot()
    place = life.place.path
    rows = said(capsys, "orders", place, code=1)
    assert [(row["order_no"], row["state"]) for row in rows] == [(resting, "EXECUTING"), (unknown, "UNKNOWN")]
    rows = said(capsys, "orders", place, "--all", code=1)
    assert [row["order_no"] for row in rows] == [filled, resting, unknown]
    first = rows[0]
    assert (first["state"], first["filled"], first["strategy"], first["venue_order_id"], first["fees"]) == (
        "COMPLETED", "0.500", "ready", "V1", "0.02000000",
    )  # fmt: skip
    rows = said(capsys, "fills", place)
    assert [(row["trade_id"], row["price"], row["size"], row["order_no"]) for row in rows] == [
        ("t1", "100.00", "0.200", filled),
        ("t2", "100.10", "0.300", filled),
    ]
    assert rows[0]["strategy"] == "ready"
    answer = said(capsys, "positions", place)
    assert answer["source"] == "journal"
    (position,) = answer["positions"]
    assert (position["symbol"], position["size"], position["average_price"]) == ("AAAUSDT", "0.500", "100.06")
    for command in ("orders", "fills", "positions"):
        assert penstock(command, "--run-dir", place) in (0, 1)
        shown = capsys.readouterr().out
        assert "AAAUSDT" in shown
        # As it was named before --run-dir was taken everywhere.
        assert penstock(command, place) in (0, 1)
        assert capsys.readouterr().out == shown


@pytest.mark.parametrize("command", ["listings", "orders", "fills", "positions"])
def test_a_run_is_named_in_one_way(command: str, life: Life, capsys: Capture) -> None:
    assert said(capsys, command, "--run-dir", life.place.path) == said(capsys, command, life.place.path)
    assert penstock(command, life.place.path, "--run-dir", life.place.path) == 2
    assert "--run-dir" in capsys.readouterr().err
    assert penstock(command, "--help") == 0
    shown = capsys.readouterr().out
    assert "--run-dir" in shown
    assert "[RUN]" not in shown
    assert "Arguments" not in shown


def test_what_a_restart_does_not_know_is_shown_as_unknown(life: Life, capsys: Capture) -> None:
    number = life.place_order(BUY, 9_000, 200)
    assert said(capsys, "orders", life.place.path)[0]["state"] != "UNKNOWN"
    life.sequencer.ingest(event.start(life.place.run_id, 1, False, 1))
    (row,) = said(capsys, "orders", life.place.path, code=1)
    assert (row["order_no"], row["state"]) == (number, "UNKNOWN")


def test_a_run_that_never_traded(life: Life, capsys: Capture) -> None:
    for command, word in (("orders", "no open orders"), ("fills", "no fills"), ("positions", "no positions")):
        assert penstock(command, life.place.path) == 0
        told = capsys.readouterr()
        assert told.out == ""
        assert word in told.err
    assert penstock("listings", life.place.path) == 0
    assert "no listings" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["orders", "fills", "positions", "listings", "flatten"])
def test_no_run_is_said(
    command: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--all"] if command == "flatten" else []
    assert penstock(command, *arguments) == 2
    assert "no run is going on" in capsys.readouterr().err
    named = ["--run-dir", tmp_path] if command == "flatten" else [tmp_path]
    assert penstock(command, *arguments, *named) == 2
    assert "no run directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["orders", "fills", "positions", "listings"])
def test_a_run_without_a_journal_is_said(command: str, tmp_path: Path, capsys: Capture) -> None:
    place = run_dir.create(tmp_path)
    assert penstock(command, place.path) == 2
    assert "cannot be read" in capsys.readouterr().err


def listed(life: Life) -> None:
    """One listing through its states to the end, one going on, one dropped, and a memo of another kind."""
    life.tell(ListingSource.CALENDAR, open_time_ms=OPEN_MS, listing_id="ab" * 16)
    life.tell(ListingSource.WEB, venue_codes=(2, 2, 4), price=MONEY * 5 // 100)
    life.sequencer.ingest(event.listing(ListingSource.WEB, ListingChange.SOURCE_DOWN, text="blocked"))
    life.memo("NEWUSDT", state="ANNOUNCED", open_ms=OPEN_MS, evidence={"CALENDAR": 1}, since_ms=1)
    life.memo("NEWUSDT", state="READY", open_ms=OPEN_MS, evidence={"CALENDAR": 1, "WEB": 2}, since_ms=2)
    life.memo("NEWUSDT", state="READY", open_ms=OPEN_MS, evidence={"CALENDAR": 1, "WEB": 2}, confidence=80)
    life.memo("NEWUSDT", state="CLOSED", open_ms=OPEN_MS, result="+1.20 USDT", note="took profit", since_ms=3)
    life.memo("NEXTUSDT", state="ARMED", open_ms=OPEN_MS + 5, attempts=2, entry={"price": "0.05"})
    life.memo("GONEUSDT", state="ANNOUNCED")
    life.memo("GONEUSDT")
    life.act(lambda puppet: puppet.memo("other", b"\x00\x01"))


def test_candidates_and_history(life: Life, capsys: Capture) -> None:
    listed(life)
    place = life.place.path
    (candidate,) = said(capsys, "listings", place)
    assert (candidate["symbol"], candidate["state"], candidate["attempts"]) == ("NEXTUSDT", "ARMED", 2)
    assert candidate["entry"] == {"price": "0.05"}
    assert penstock("listings", place) == 0
    assert "asked 0.05" in capsys.readouterr().out

    finished = said(capsys, "listings", place, "--history")
    assert [(row["symbol"], row["result"]) for row in finished] == [
        ("NEWUSDT", "+1.20 USDT"),
        ("GONEUSDT", ""),
    ]
    states = [change["state"] for change in finished[0]["changes"]]
    assert states == ["ANNOUNCED", "READY", "CLOSED"]
    assert [change["state"] for change in finished[1]["changes"]] == ["ANNOUNCED", "DROPPED"]
    assert finished[0]["changes"][0]["time"].endswith("Z")
    assert penstock("listings", place, "--history") == 0
    assert "took profit" in capsys.readouterr().out


def test_evidence_of_a_symbol(life: Life, capsys: Capture) -> None:
    listed(life)
    place = life.place.path
    answer = said(capsys, "listings", place, "--evidence", "newusdt")
    assert [(row["source"], row["change"]) for row in answer["evidence"]] == [
        ("CALENDAR", "SEEN"),
        ("WEB", "SEEN"),
    ]
    assert answer["evidence"][0]["said"] == {"listing_id": "ab" * 16, "open_time_ms": OPEN_MS}
    assert answer["evidence"][1]["said"] == {"venue_codes": [2, 2, 4], "price": "0.05"}
    assert answer["tape_begins"] <= answer["evidence"][0]["time"]
    assert penstock("listings", place, "--evidence", "ABSENTUSDT") == 1
    assert "no evidence of ABSENTUSDT; the tape begins" in capsys.readouterr().err
    assert penstock("listings", place, "--evidence", "NEWUSDT", "--history") == 2


def test_evidence_that_differs_in_its_price_alone_is_one_row(life: Life, capsys: Capture) -> None:
    for cents in range(7):
        life.tell(ListingSource.FUTURES, price=MONEY * (5 + cents) // 100, text="NEW_USDT")
        if cents == 3:
            life.tell(ListingSource.WEB, venue_codes=(2, 1, 2))
    life.tell(ListingSource.CALENDAR, listing_id="ab" * 16)
    life.tell(ListingSource.FUTURES, price=MONEY, text="NEW2_USDT")
    life.tell(ListingSource.FUTURES, price=MONEY, text="NEW_USDT")
    place = life.place.path
    every = said(capsys, "listings", place, "--evidence", "NEWUSDT")["evidence"]
    assert len(every) == 11

    assert penstock("listings", place, "--evidence", "NEWUSDT") == 0
    head, *rows = [row.split() for row in capsys.readouterr().out.splitlines()]
    assert head == ["time", "source", "change", "times", "since", "said"]
    assert [row[1] for row in rows] == ["WEB", "FUTURES", "CALENDAR", "FUTURES", "FUTURES"]
    newest = rows[1]
    assert newest[0] == every[7]["time"]
    assert newest[3:5] == ["7", every[0]["time"][11:19]]
    assert {"price=0.11", "text=NEW_USDT"} <= set(newest)
    assert "text=NEW2_USDT" in rows[3][3:5]  # once: neither a count nor a first time

    assert penstock("listings", place, "--evidence", "NEWUSDT", "--all") == 0
    assert len(capsys.readouterr().out.splitlines()) == 12
    assert penstock("listings", place, "--all") == 2


def test_a_countdown_ends_with_its_run(life: Life, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = time.time_ns()
    life.memo("NEXTUSDT", state="ARMED", open_ms=now_ns // 10**6 + 5_000_000)

    def shown() -> str:
        assert penstock("listings", life.place.path) == 0
        return capsys.readouterr().out.splitlines()[1].split()[2]

    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 4_000 * 10**9)
    assert shown().startswith(("1:23:", "1:22:"))
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 1_000 * 10**9)
    publish(life.place)  # its status is newer than its newest record
    monkeypatch.setattr(time, "time_ns", lambda: now_ns + 4_000 * 10**9)
    assert shown() == "1:06:40"
    with life.place.locked():
        assert shown() == "16:40"


def test_following_a_run_until_it_ends(life: Life, capsys: Capture) -> None:
    life.memo("NEWUSDT", state="ANNOUNCED")
    codes: list[int] = []
    with life.place.locked():
        follower = threading.Thread(
            target=lambda: codes.append(penstock("listings", life.place.path, "--follow", "--json"))
        )
        follower.start()
        # It tells what comes after its own beginning: another listing changes until it is heard of.
        states, heard, until = itertools.cycle(("READY", "ARMED")), "", time.monotonic() + 20
        while "PROBEUSDT" not in heard and time.monotonic() < until:
            life.memo("PROBEUSDT", state=next(states))
            heard += capsys.readouterr().out
            threading.Event().wait(0.02)
        life.memo("NEWUSDT", state="READY")
        life.memo("NEWUSDT", state="READY", confidence=9)
        life.memo("NEWUSDT", state="CLOSED", result="flat")
    follower.join(20)
    assert codes == [0]
    told = [json.loads(row) for row in (heard + capsys.readouterr().out).splitlines()]
    told = [each for each in told if each["symbol"] != "PROBEUSDT"]
    assert [(each["symbol"], each["state"], each["result"]) for each in told] == [
        ("NEWUSDT", "READY", ""),
        ("NEWUSDT", "CLOSED", "flat"),
    ]


@pytest.mark.parametrize("snapshot", [False, True])
def test_listings_are_published_again_after_a_restart(life: Life, snapshot: bool) -> None:
    listed(life)
    if snapshot:
        life.snapshot()
    core = Engine()
    restore(core, life.place.path, life.journal.records)
    publisher = Publisher(Sequencer(core, Documents(), Rim()), "paper", "USDT", 0)
    assert [each.symbol for each in publisher.document(None, 1.0, 1.0).listings] == ["NEXTUSDT", "NEWUSDT"]
    publisher.note_memo("ready", "NEXTUSDT", b"")
    assert [each.symbol for each in publisher.document(None, 1.0, 1.0).listings] == ["NEWUSDT"]


def test_sources_of_evidence_are_in_the_status(life: Life, capsys: Capture) -> None:
    publisher = Publisher(life.sequencer, "paper", "USDT", 0)
    told = [
        SourceStatus("calendar", "up", "", 5, 3, 0, 7, 0),
        SourceStatus("web", "down", "blocked: " + "no " * 500, 5, 0, 3, 0, 0),
    ]
    document = publisher.document(AdapterStatus("mexc", [], 0.0, 0.0, 0.0, {}, told), 1.0, 1.0)
    assert document.sources[0] == Source("calendar", "up")
    assert len(document.sources[1].reason) == 160
    publish(life.place, sources=document.sources)
    shown = said(capsys, "status", "--run-dir", life.place.path)
    assert [each["name"] for each in shown["sources"]] == ["calendar", "web"]
    assert penstock("status", "--run-dir", life.place.path) == 0
    assert "1 of 2 sources not ok: web blocked: no no" in capsys.readouterr().out


def publish(place: RunDir, **facts: Any) -> None:
    with StatusPage.create(place.path) as page:
        page.write(encode(Status(run_id=place.run_id, mode="paper", ts_ns=time.time_ns(), **facts)))


def test_positions_of_a_run_that_goes_on_are_as_of_its_books(life: Life, capsys: Capture) -> None:
    traded(life)
    publish(life.place, positions=[Position("AAAUSDT", "0.500", "100.06", "77", "0", "27")])
    assert said(capsys, "positions", life.place.path)["source"] == "journal"
    with life.place.locked():
        answer = said(capsys, "positions", life.place.path)
        assert answer["source"] == "status page"
        assert answer["positions"][0]["unrealised_pnl"] == "27"


def serve(place: RunDir, talk: Callable[[], None], handler: Callable[[Request], Reply]) -> None:
    async def answer(request: Request) -> Reply:
        return handler(request)

    async def main() -> None:
        server = ControlServer(place.path, answer)
        await server.start()
        try:
            await asyncio.to_thread(talk)
        finally:
            await server.close()

    asyncio.run(main())


def flattened(place: RunDir, handler: Callable[[Request], Reply], *arguments: object) -> int:
    codes: list[int] = []
    serve(place, lambda: codes.append(penstock("flatten", *arguments, "--run-dir", place.path)), handler)
    return codes[0]


def test_flatten_names_a_symbol_or_all(life: Life, capsys: Capture) -> None:
    asked: list[Request] = []

    def obey(request: Request) -> Reply:
        asked.append(request)
        return Reply(request.id, True, "flatten is in force", seq=9)

    place = life.place
    assert flattened(place, obey, "AAAUSDT") == 0
    assert capsys.readouterr().out == "flatten: AAAUSDT commanded, journaled as 9\n"
    assert flattened(place, obey, "--all", "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out)["seq"] == 9
    assert [(each.command, each.symbol) for each in asked] == [("flatten", "AAAUSDT"), ("flatten", "")]
    assert penstock("flatten", "--run-dir", place.path) == 2
    assert penstock("flatten", "AAAUSDT", "--all", "--run-dir", place.path) == 2
    assert "name one SYMBOL, or --all" in capsys.readouterr().err
    assert len(asked) == 2


def test_flatten_asks_a_terminal(life: Life, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def obey(request: Request) -> Reply:
        asked.append(request)
        return Reply(request.id, True, seq=9)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *words, **options: False)
    assert flattened(life.place, obey, "AAAUSDT") == 1
    assert "nothing was done" in capsys.readouterr().err
    assert not asked
    assert flattened(life.place, obey, "AAAUSDT", "--yes") == 0
    monkeypatch.setattr("typer.confirm", lambda *words, **options: True)
    assert flattened(life.place, obey, "AAAUSDT") == 0
    assert len(asked) == 2


def test_flatten_waits_until_it_is_flat(life: Life, capsys: Capture) -> None:
    place = life.place
    held = Position("AAAUSDT", "-0.500")
    other = Position("BBBUSDT", "3")

    def obey(request: Request) -> Reply:
        publish(place, seq=9, positions=[Position("AAAUSDT", "0.000"), other])
        return Reply(request.id, True, seq=9)

    publish(place, seq=8, positions=[held, other])
    assert flattened(place, obey, "AAAUSDT", "--wait", 10) == 0
    assert "AAAUSDT flat" in capsys.readouterr().out
    assert flattened(place, obey, "--all", "--wait", 0.3) == 1
    assert "still held after 0.3 s: BBBUSDT" in capsys.readouterr().err

    def stuck(request: Request) -> Reply:
        publish(place, seq=9, orders=[Order(1, "AAAUSDT", "SELL", "IOC", "1", "1", "0", "EXECUTING")])
        return Reply(request.id, True, seq=9)

    assert flattened(place, stuck, "AAAUSDT", "--wait", 0.3, "--json") == 1
    assert json.loads(capsys.readouterr().out)["held"] == ["AAAUSDT"]

    def refuse(request: Request) -> Reply:
        raise CommandRefused("the run has no instrument AAAUSDT")

    assert flattened(place, refuse, "AAAUSDT", "--wait", 5) == 1
    assert "has no instrument" in capsys.readouterr().err
