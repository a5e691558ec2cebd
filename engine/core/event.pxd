"""Events and actions: one flat header, then a body whose shape follows from the kind.

Inputs (kinds below 64) come in from the rim; outputs (64 and above) are what the core answers. Both are plain
bytes in one layout, so that the tape, the journal, a backtest and a live socket all feed the same core.
Body structs have only fixed-width fields and explicit padding: their bytes are hashed.
"""

from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t

from engine.core.money cimport money_t
from native.level cimport level_t

cdef enum EventKind:
    # market data: on the tape
    EVENT_HEARTBEAT = 1        # a frame that carries nothing for us; proves that the feed is alive
    EVENT_MALFORMED = 2        # a frame that could not be decoded; body malformed_t
    EVENT_BOOK_DELTA = 3       # book_t, then asks, then bids
    EVENT_BOOK_SNAPSHOT = 4    # book_t, then asks, then bids
    EVENT_TRADES = 5           # trades_t, then trade_t each
    EVENT_QUOTE = 6            # quote_t
    EVENT_TIMER = 7            # timer_t
    EVENT_FEED = 8             # feed_t
    EVENT_HEALTH = 9           # health_t
    EVENT_LISTING = 10         # listing_t: what one source says of one symbol that is, or may be, listed
    EVENT_CONFLATION = 11      # conflation_t: a feed fell so far behind that frames of it are left out, or has caught up
    # durable inputs: in the journal
    EVENT_START = 32           # start_t: a session of the run begins; books are RESYNCING, in-flight orders UNKNOWN
    EVENT_CONFIG = 33          # the resolved config as JSON bytes
    EVENT_INSTRUMENT = 34      # instrument_t
    EVENT_COMMAND = 35         # command_t
    EVENT_ORDER_UPDATE = 36    # order_update_t
    EVENT_FILL = 37            # fill_t
    EVENT_BALANCE = 38         # balance_t
    EVENT_RECONCILED = 39      # no body: venue and core agree again, trading may go on
    # outputs: in the journal
    ACTION_PLACE = 64          # place_t: approved; the journal has it before any byte leaves
    ACTION_CANCEL = 65         # cancel_t
    ACTION_DENIED = 66         # denied_t
    ACTION_SET_TIMER = 67      # timer_t
    ACTION_RESYNC = 68         # resync_t: fetch a snapshot of this book
    ACTION_QUERY = 69          # cancel_t: ask the venue what became of an UNKNOWN order
    ACTION_BREAKER = 70        # breaker_t
    ACTION_EQUITY = 71         # equity_t
    ACTION_ALERT = 72          # alert_t
    ACTION_STRATEGY_STOPPED = 73  # alert_t
    ACTION_WATCH = 74          # watch_t: keep, or no longer keep, the book of a symbol that the config does not name
    ACTION_MEMO = 75           # memo_t, then the value: what a strategy must know after a restart
    # notes of the rim in the journal, no part of a replay
    NOTE_SNAPSHOT = 96         # a state snapshot was written: JSON bytes
    NOTE_SEALED = 97           # the run ended in order: JSON bytes
    NOTE_RESTARTED = 98        # a session took over the durable state of the one before: JSON bytes
    # on the tape only: what a decoder turns into one of the market data kinds above
    TAPE_FRAME = 120           # a raw websocket frame
    TAPE_DOCUMENT = 121        # a raw REST answer about one instrument

cdef enum Side:
    SIDE_BUY = 1
    SIDE_SELL = 2

cdef enum OrderType:
    ORDER_LIMIT = 1
    ORDER_MARKET = 2
    ORDER_LIMIT_MAKER = 3
    ORDER_IOC = 4
    ORDER_FOK = 5

cdef enum OrderReport:
    REPORT_WORKING = 1             # accepted, or partly filled
    REPORT_FILLED = 2
    REPORT_CANCELED = 3            # with whatever was filled before
    REPORT_REJECTED = 4            # the venue refused it: nothing was or will be executed
    REPORT_AMBIGUOUS = 5           # no answer, or one that proves nothing: the order is UNKNOWN
    REPORT_NEVER_ACCEPTED = 6      # evidence that the venue never took it and no longer can
    REPORT_CANCEL_REJECTED = 7     # the cancel was refused; the order's own state is as before
    REPORT_NOT_YET = 8             # refused because the symbol is not open yet: nothing was executed, no fault of ours

cdef enum Tradable:
    TRADABLE_NO = 0
    TRADABLE_YES = 1
    TRADABLE_OPENING = 2           # not confirmed: listed, and paused until it opens

cdef enum CommandKind:
    COMMAND_HALT = 1
    COMMAND_RESUME = 2
    COMMAND_CANCEL_ALL = 3
    COMMAND_REDUCE_ONLY = 4
    COMMAND_CANCEL = 5
    COMMAND_STOP = 6           # the session ends in order: nothing new is approved until the next one begins
    COMMAND_FLATTEN = 7        # sell or buy back what is held: of the header's instrument, or of all (-1)

cdef enum HealthField:
    HEALTH_JOURNAL = 1        # value 1 writable, 0 not
    HEALTH_CLOCK_SKEW = 2     # value: our clock minus the venue's, ns
    HEALTH_DISK = 3           # value 0 fine, 1 low: reduce only, 2 out: halt

cdef enum ListingSource:
    LISTING_CALENDAR = 1       # a calendar of new symbols
    LISTING_WEB = 2            # the web site's list of symbols, with its state codes
    LISTING_EXCHANGE_INFO = 3  # the API's list of symbols
    LISTING_SELF = 4           # the symbols that this key may trade
    LISTING_ANNOUNCEMENT = 5
    LISTING_OFFLINE = 6        # the list of symbols that were, or will be, taken off
    LISTING_MARKET_DATA = 7    # its first ticker, trade or book
    LISTING_FUTURES = 8        # a contract on it

cdef enum ListingChange:
    LISTING_SEEN = 1           # told for the first time, or anew with other values
    LISTING_GONE = 2           # the source had it, and has it no longer
    LISTING_SOURCE_DOWN = 3    # the source is blocked, silent or of another shape: its word is old; no symbol
    LISTING_SOURCE_UP = 4

ctypedef struct event_t:      # 40 bytes
    uint64_t seq
    int64_t ts_event_ns       # the venue's clock, raw; 0 where it gave none
    int64_t ts_recv_ns        # ours
    uint16_t kind
    uint16_t source           # inputs: the feed; outputs: the strategy
    int32_t instrument        # -1: none
    uint32_t length           # bytes of the body
    uint32_t reserved

ctypedef struct malformed_t:
    uint32_t reason           # native.mexc_protobuf's error code
    uint32_t integrity        # 1: a book delta may be lost, its book resyncs

ctypedef struct book_t:       # 32 bytes
    int64_t from_version
    int64_t to_version        # of a snapshot: its lastUpdateId
    uint32_t n_asks
    uint32_t n_bids
    uint32_t depth_limit      # of a snapshot: a side with this many levels is cut there, and beyond is unknown
    uint32_t reserved

ctypedef struct trades_t:
    uint32_t n_trades
    uint32_t reserved

ctypedef struct trade_t:      # 32 bytes
    int64_t price_ticks
    int64_t size_lots
    int64_t ts_event_ns
    uint32_t side             # of the taker
    uint32_t reserved

ctypedef struct quote_t:      # 40 bytes; a price of 0 is an empty side
    int64_t bid_ticks
    int64_t bid_lots
    int64_t ask_ticks
    int64_t ask_lots
    int64_t version

ctypedef struct timer_t:
    uint32_t timer_id
    uint32_t strategy
    int64_t due_ns

ctypedef struct feed_t:
    uint32_t up               # 1 subscribed and confirmed, 0 down
    uint32_t private_         # 1: carries our own orders; after a gap on it venue and core must be reconciled

ctypedef struct conflation_t: # 24 bytes
    uint32_t on               # 1: from here on frames are left out, 0: no longer
    uint32_t reserved
    uint64_t frames           # left out since it began
    int64_t lag_ns            # how far behind the feed is

ctypedef struct health_t:
    uint32_t field
    uint32_t reserved
    int64_t value

ctypedef struct start_t:
    uint32_t session          # 0 for the first
    uint32_t live             # 1 live, 0 paper
    int64_t seed
    char run_id[16]           # ASCII, zero padded

ctypedef struct listing_t:    # 288 bytes; -1 is "not said"
    char symbol[32]
    char listing_id[40]       # the venue's own id of the coin or contract
    uint32_t source           # ListingSource
    uint32_t change           # ListingChange
    int64_t open_time_ms
    int32_t status            # 1 online, 2 paused, 3 offline
    int32_t api_allowed
    int32_t trade_side_type   # 1 both, 2 buy, 3 sell, 4 none
    int32_t order_types       # bit per OrderType: 1 << type
    int32_t venue_codes[3]    # the web site's state codes, as they are
    int32_t price_decimals
    int32_t size_decimals
    uint32_t fields           # what the source's row had: bit 0 listing id, 1 contract address, 2 price scale, 3 size scale
    int64_t band_up_ppm
    int64_t band_down_ppm
    money_t price             # a reference price, 0: not said
    char text[128]            # an announcement's title, or why the source is down

ctypedef struct watch_t:
    char symbol[32]
    uint32_t on
    uint32_t reserved

ctypedef struct memo_t:       # the value follows; an empty one takes the memo away
    char key[48]

ctypedef struct instrument_t: # 200 bytes
    char symbol[32]
    char base[16]
    char quote[16]
    uint32_t price_decimals
    uint32_t size_decimals
    uint32_t tradable         # by API: 0 no, 1 yes, 2 perhaps: it is about to open
    uint32_t sides            # bit 0 buy, bit 1 sell
    uint32_t order_types      # bit per OrderType: 1 << type
    uint32_t base_asset       # index, given by the core
    uint32_t quote_asset
    uint32_t source           # the feed that carries its book
    int64_t tick_step         # a price is a multiple of this many ticks
    int64_t lot_step
    int64_t min_lots
    int64_t max_lots
    int64_t band_up_ppm       # the venue's price band in millionths; 0: none
    int64_t band_down_ppm
    int64_t maker_fee_ppm
    int64_t taker_fee_ppm
    money_t min_notional
    money_t max_notional
    int64_t opens_ns          # when it opens, by the venue's clock; 0: it is open, or nobody knows

ctypedef struct command_t:    # 56 bytes
    uint32_t command
    uint32_t at_intent        # a halt seen between two intents of one event: the intent that met it, from 1
    uint64_t order_no
    char idempotency_id[40]

ctypedef struct told_t:       # a command whole
    event_t header
    command_t command

ctypedef struct order_update_t:   # 152 bytes
    uint64_t order_no
    uint32_t report
    int32_t venue_code        # the venue's error code, 0 where none
    int64_t cumulative_lots   # -1: not said
    int64_t reserved
    money_t cumulative_money
    char venue_order_id[48]
    char text[56]

ctypedef struct fill_t:       # 136 bytes
    uint64_t order_no
    int64_t price_ticks
    int64_t size_lots
    uint32_t is_maker
    uint32_t side
    money_t money             # price times size, quote
    money_t fee
    char fee_asset[16]
    char trade_id[56]

ctypedef struct balance_t:
    char asset[16]
    uint32_t absolute         # 1: from a reconciliation, replaces what the core holds; 0: for comparison only
    uint32_t reserved
    money_t free
    money_t locked

ctypedef struct place_t:
    uint64_t order_no
    uint32_t side
    uint32_t order_type
    int64_t price_ticks       # 0 for a market order
    int64_t size_lots
    int64_t expires_ns        # not to be sent after this
    uint64_t halt_epoch
    uint64_t intent_hash
    uint64_t intent_no
    uint64_t key              # the proposer's idempotency key, 0 where none
    int64_t reserve_ticks     # the price its exposure counts at
    money_t notional          # what it was judged by

ctypedef struct cancel_t:
    uint64_t order_no
    uint64_t intent_no

ctypedef struct denied_t:
    uint64_t intent_no
    uint32_t side
    uint32_t order_type
    int64_t price_ticks
    int64_t size_lots
    uint32_t reason
    uint32_t reserved
    money_t limit
    money_t value

ctypedef struct resync_t:
    uint32_t reason
    uint32_t attempt

ctypedef struct breaker_t:
    uint32_t breaker
    uint32_t open
    money_t limit
    money_t value

ctypedef struct equity_t:
    money_t equity
    money_t peak
    money_t day_start
    int64_t day

ctypedef struct alert_t:
    uint32_t code
    uint32_t reserved
    char text[120]
