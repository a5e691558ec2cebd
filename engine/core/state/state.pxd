"""The core's state: flat arrays that only the core writes. `State` owns the memory and its canonical bytes."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from engine.core.event cimport event_t, instrument_t, memo_t
from engine.core.money cimport int128_t, money_t

cdef extern from "native/recent_set.h" nogil:
    ctypedef struct recent_set_t:
        pass
    void recent_clear(recent_set_t* set)
    bint recent_has(const recent_set_t* set, uint64_t key)
    bint recent_add(recent_set_t* set, uint64_t key)
    void recent_expect(const recent_set_t* set)
    uint64_t recent_key(const char* text, size_t length)

cdef enum:
    MAX_INSTRUMENTS = 4096
    MAX_ASSETS = 4096
    MAX_SOURCES = 64
    MAX_STRATEGIES = 64
    MAX_MEMOS = 4096
    ORDER_SLOTS = 2048         # live and recent orders; a power of two
    SEND_SLOTS = 1024          # times of the newest sends; also the largest rate limit
    OUTCOME_SLOTS = 256        # times of the newest errors and rejects; their largest limit is one less
    NO_STRATEGY = 0xFFFF

cdef extern from *:
    """
    /* The most lots that a position and all that is open on it may come to: their sums stay in 64 bits. */
    #define LOTS_MOST ((int64_t)1 << 61)
    """
    const int64_t LOTS_MOST

cdef enum IntentState:
    DRAFT = 0
    PROPOSED = 1
    APPROVED = 2               # journaled, on its way: bytes may have left
    EXECUTING = 3              # the venue has it
    COMPLETED = 4              # filled, or ended with what was filled before
    FAILED = 5                 # refused by the venue, or proven never to have reached it
    UNKNOWN = 6                # no proof either way; its exposure counts in full
    DENIED = 7
    EXPIRED = 8

cdef enum BookTrust:
    TRUST_RESYNCING = 0
    TRUST_STALE = 1
    TRUST_LIVE = 2

cdef enum BreakerKind:
    BREAKER_DAILY_LOSS = 0
    BREAKER_DRAWDOWN = 1
    BREAKER_ERRORS = 2
    BREAKER_REJECTS = 3
    BREAKER_VOLATILITY = 4     # per instrument
    BREAKER_COUNT = 5

ctypedef struct market_t:      # what the gate needs of a book; not durable
    int64_t bid_ticks          # 0: empty side
    int64_t bid_lots
    int64_t ask_ticks
    int64_t ask_lots
    int64_t last_trade_ticks
    int64_t updated_ns
    int64_t volatility_low     # bounds of the running window, in ticks of twice the mid; 0: no window yet
    int64_t volatility_high
    int64_t volatility_since_ns
    uint32_t trust             # BookTrust
    uint32_t reserved
    int128_t gross             # this instrument's part of the sums in state_t, at its mark
    int128_t net_long
    int128_t net_short

ctypedef struct source_t:      # a feed; not durable
    int64_t last_recv_ns
    int64_t lag_ns             # how much later than the quickest event of late, by our clock
    int64_t offset_ns          # least ts_recv - ts_event of this window and the one before
    int64_t offset_next_ns
    int64_t window_since_ns
    uint64_t frames
    uint32_t up
    uint32_t private_

ctypedef struct exposure_t:    # one instrument's position and what is open on it
    int64_t position_lots      # sum of our fills
    int64_t buy_lots           # open, in flight and unknown
    int64_t sell_lots
    int32_t open_orders
    int32_t unknown_orders
    int32_t first_order        # chain of open orders by slot; -1 ends
    uint32_t volatility_open   # this instrument's volatility breaker
    int128_t cost              # of the open position; negative for a short one
    int128_t realised          # profit and loss of closed quantity, before fees

ctypedef struct asset_t:
    char name[16]
    int128_t total             # free and locked
    int128_t reserved          # by open orders
    int128_t fees              # paid in this asset
    int128_t venue_total       # the venue's last word, for comparison

ctypedef struct order_t:
    uint64_t order_no
    uint64_t intent_hash
    uint64_t halt_epoch
    int64_t price_ticks
    int64_t size_lots
    int64_t filled_lots
    int64_t reported_lots      # by order reports
    int64_t dealt_lots         # by single fills
    int64_t reserve_ticks      # the price its exposure counts at
    int64_t placed_ns
    int64_t updated_ns
    int64_t expires_ns
    int32_t instrument
    int32_t next_open
    int32_t previous_open
    int32_t venue_code
    uint16_t strategy
    uint8_t side
    uint8_t order_type
    uint8_t state              # IntentState
    uint8_t cancel_pending     # no other cancel goes: whoever drops or fails one owes a report of CANCEL_REJECTED or AMBIGUOUS
    uint8_t canceled
    uint8_t open_              # in the chain: its exposure counts
    char venue_order_id[48]
    int128_t filled_money
    int128_t reported_money
    int128_t dealt_money
    int128_t fees              # in fee_asset of its newest fill
    int128_t base_fees         # of them, what was paid in the base asset
    int128_t reserved_money    # of the quote (buy) or base (sell) asset
    char fee_asset[16]

ctypedef struct strategy_t:
    char name[48]
    uint32_t stopped
    uint32_t reserved
    int64_t budget_since_ns
    int128_t budget_used

ctypedef struct totals_t:      # durable scalars
    uint64_t next_order_no
    uint64_t intents
    uint64_t approved
    uint64_t cancels
    uint64_t halt_epoch
    uint64_t fills
    int64_t open_orders
    uint64_t sends             # ever; the newest times stand in sends_ns
    uint64_t errors
    uint64_t rejects
    uint32_t halted
    uint32_t reduce_only
    uint32_t session
    uint32_t live
    uint32_t breakers          # bit per BreakerKind but volatility
    uint32_t instruments
    uint32_t assets
    uint32_t strategies
    int64_t seed
    int64_t day
    char run_id[16]
    int128_t fees_today        # their worth in quote currency, since the UTC day began
    int128_t fees_total
    int128_t capital           # quote currency at the first reconciliation
    int128_t equity_peak
    int128_t equity_day_start
    uint64_t actions           # outputs ever, chained in actions_hash
    uint64_t capital_known
    uint64_t orphan_fills      # of orders that nobody here knows: booked bare
    uint64_t repeated_fills    # told before, though their trade ids are forgotten: not booked
    uint64_t newest_forgotten  # the highest number that left the table of orders
    uint64_t unvalued_fees
    uint64_t memo_bytes        # of the memos in their canonical form

ctypedef struct limits_t:      # from the config; engine/core/risk/limits.py says what each means
    int128_t max_order_notional
    int128_t max_position_notional
    int128_t max_gross_exposure
    int128_t max_net_exposure
    int128_t max_fees_per_day
    int128_t max_daily_loss
    int128_t max_drawdown
    int128_t proposer_budget_notional
    int64_t max_concentration_bps
    int64_t max_open_orders
    int64_t max_open_orders_per_instrument
    int64_t max_orders_per_second
    int64_t max_orders_per_window
    int64_t order_window_ns
    int64_t price_collar_bps
    int64_t max_slippage_bps
    int64_t max_errors_per_window
    int64_t max_rejects_per_window
    int64_t breaker_window_ns
    int64_t max_volatility_bps
    int64_t volatility_window_ns
    int64_t max_feed_silence_ns
    int64_t max_feed_lag_ns
    int64_t max_clock_skew_ns
    int64_t proposer_window_ns
    int64_t intent_ttl_ns
    int64_t opening_early_ns
    uint32_t cancel_on_strategy_error
    uint32_t live
    char currency[16]

ctypedef struct state_t:
    totals_t totals
    limits_t limits
    instrument_t instruments[MAX_INSTRUMENTS]
    int128_t units[MAX_INSTRUMENTS]       # money per tick times lot
    int128_t lot_units[MAX_INSTRUMENTS]   # base money per lot
    exposure_t exposures[MAX_INSTRUMENTS]
    asset_t assets[MAX_ASSETS]
    order_t orders[ORDER_SLOTS]
    strategy_t strategies[MAX_STRATEGIES]
    uint64_t denied[128]                  # by reason
    int64_t sends_ns[SEND_SLOTS]
    int64_t errors_ns[OUTCOME_SLOTS]
    int64_t rejects_ns[OUTCOME_SLOTS]
    recent_set_t trade_ids
    recent_set_t intent_keys
    recent_set_t command_ids
    uint8_t actions_hash[32]
    # from here on: not durable
    market_t markets[MAX_INSTRUMENTS]
    source_t sources[MAX_SOURCES]
    int64_t now_ns
    uint64_t seq
    int128_t gross_exposure    # sum of worst cases, either way
    int128_t net_long          # sum of positions if every open buy fills and no sell
    int128_t net_short         # sum of positions if every open sell fills and no buy
    int128_t equity
    int32_t currency_asset     # -1: none of that name yet
    uint32_t reconcile_pending
    uint32_t journal_broken
    uint32_t stopping
    uint32_t disk_state
    int64_t clock_skew_ns


cdef class State:
    cdef state_t* c
    cdef readonly dict memos   # (strategy, key) -> value: what strategies must know after a restart
    cdef size_t durable_most(self) noexcept
    cpdef bytes durable_bytes(self)
    cdef Py_ssize_t put_durable(self, char* to) except -1
    cdef bytes memo_bytes(self)
    cdef int load_durable(self, bytes saved) except -1
    cdef int64_t asset_index(self, const char* name) except -1
    cdef int keep_memo(self, uint16_t strategy, const memo_t* memo, const char* value, size_t length) except -1
    cdef int load_memos(self, bytes saved) except -1
    cdef int32_t add_instrument(self, const instrument_t* given) except -1
    cdef void reset_volatile(self) noexcept
    cdef void _scale(self, uint32_t i) noexcept
