"""The enumerations of events and state for Python. Compiled code has them in event.pxd and state.pxd; a test holds both equal."""

from __future__ import annotations

from enum import IntEnum


class EventKind(IntEnum):
    """What a record is: below 64 an input, from there an output, 96 and up a note (layout: event.pxd)."""

    HEARTBEAT = 1
    MALFORMED = 2
    BOOK_DELTA = 3
    BOOK_SNAPSHOT = 4
    TRADES = 5
    QUOTE = 6
    TIMER = 7
    FEED = 8
    HEALTH = 9
    LISTING = 10
    CONFLATION = 11
    START = 32
    CONFIG = 33
    INSTRUMENT = 34
    COMMAND = 35
    ORDER_UPDATE = 36
    FILL = 37
    BALANCE = 38
    RECONCILED = 39
    PLACE = 64
    CANCEL = 65
    DENIED = 66
    SET_TIMER = 67
    RESYNC = 68
    QUERY = 69
    BREAKER = 70
    EQUITY = 71
    ALERT = 72
    STRATEGY_STOPPED = 73
    WATCH = 74
    MEMO = 75
    NOTE_SNAPSHOT = 96
    NOTE_SEALED = 97
    NOTE_RESTARTED = 98
    TAPE_FRAME = 120
    TAPE_DOCUMENT = 121


class Side(IntEnum):
    """Of an order, or of a trade's taker."""

    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """How an order executes; time in force is part of it."""

    LIMIT = 1
    MARKET = 2
    LIMIT_MAKER = 3
    IOC = 4
    FOK = 5


class OrderReport(IntEnum):
    """What the venue, or the lack of its answer, says of an order."""

    WORKING = 1
    FILLED = 2
    CANCELED = 3
    REJECTED = 4
    AMBIGUOUS = 5
    NEVER_ACCEPTED = 6
    CANCEL_REJECTED = 7
    NOT_YET = 8


class CommandKind(IntEnum):
    """What an operator may say."""

    HALT = 1
    RESUME = 2
    CANCEL_ALL = 3
    REDUCE_ONLY = 4
    CANCEL = 5
    STOP = 6
    FLATTEN = 7


class HealthField(IntEnum):
    """What the core's checks need to know of the rim."""

    JOURNAL = 1
    CLOCK_SKEW = 2
    DISK = 3


class ListingSource(IntEnum):
    """Where a piece of evidence of a listing comes from."""

    CALENDAR = 1
    WEB = 2
    EXCHANGE_INFO = 3
    SELF = 4
    ANNOUNCEMENT = 5
    OFFLINE = 6
    MARKET_DATA = 7
    FUTURES = 8


class ListingChange(IntEnum):
    """What happened to it; the last two are of a whole source."""

    SEEN = 1
    GONE = 2
    SOURCE_DOWN = 3
    SOURCE_UP = 4


class Tradable(IntEnum):
    """Whether the venue takes orders for an instrument by API."""

    NO = 0
    YES = 1
    OPENING = 2


class IntentState(IntEnum):
    """The life of an intent, the same for all kinds."""

    DRAFT = 0
    PROPOSED = 1
    APPROVED = 2
    EXECUTING = 3
    COMPLETED = 4
    FAILED = 5
    UNKNOWN = 6
    DENIED = 7
    EXPIRED = 8


class BookTrust(IntEnum):
    """How far a book may be believed."""

    RESYNCING = 0
    STALE = 1
    LIVE = 2


class BreakerKind(IntEnum):
    """The circuit breakers."""

    DAILY_LOSS = 0
    DRAWDOWN = 1
    ERRORS = 2
    REJECTS = 3
    VOLATILITY = 4
