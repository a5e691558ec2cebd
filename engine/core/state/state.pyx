"""The core's state: flat arrays that only the core writes. `State` owns the memory and its canonical bytes."""

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset, strncmp, strncpy

from engine.core.event cimport TRADABLE_OPENING
from engine.core.money cimport money_limit, money_of, money_get, money_less, power_of_ten
from engine.core.state.portfolio cimport refresh_exposure, total_equity

import hashlib

cdef size_t MEMO_HEAD = 5                  # strategy, length of the key, length of the value

# Instruments and assets in use, then the arrays that are saved whole, in this order.
cdef size_t FIXED_BYTES = (
    sizeof(limits_t) + sizeof(strategy_t) * MAX_STRATEGIES + sizeof(uint64_t) * 128 + sizeof(int64_t) * SEND_SLOTS
    + 2 * sizeof(int64_t) * OUTCOME_SLOTS + 3 * sizeof(recent_set_t) + 32
)


cdef inline char* _put(char* to, const void* source, size_t length) noexcept nogil:
    memcpy(to, source, length)
    return to + length


cdef inline char* _take(char* source, void* target, size_t length) noexcept nogil:
    memcpy(target, source, length)
    return source + length


cdef int check_name(const char* name, size_t room) except -1:
    """A name of a symbol or asset: printable ASCII, ended by a zero within its room."""
    cdef size_t i
    for i in range(room):
        if not name[i] and i:
            return 0
        if not b" " < name[i] <= b"~":
            break
    raise ValueError(f"{name[:room]!r} is no name of 1 to {room - 1} printable ASCII characters")


cdef int check_instrument(const instrument_t* given) except -1:
    """What the gate's arithmetic takes for granted; ValueError names what is wrong."""
    if given.price_decimals > 18 or given.size_decimals > 20 or given.price_decimals + given.size_decimals > 20:
        raise ValueError("price decimals exceed 18, or price and size decimals together the 20 decimals of money")
    check_name(given.symbol, 32)
    check_name(given.base, 16)
    check_name(given.quote, 16)
    if given.source >= MAX_SOURCES:
        raise ValueError(f"there are {MAX_SOURCES} feeds, and no feed {given.source}")
    if given.tradable > TRADABLE_OPENING or given.opens_ns < 0:
        raise ValueError("it is tradable in no way that there is, or opens at no possible time")
    if given.tick_step <= 0 or given.lot_step <= 0:
        raise ValueError("ticks and lots step by at least 1")
    if not 0 <= given.taker_fee_ppm <= 1_000_000 or not -1_000_000 <= given.maker_fee_ppm <= 1_000_000:
        raise ValueError("a fee rate is beyond the whole amount, or a taker is paid")
    if given.band_up_ppm < 0 or given.band_down_ppm < 0:
        raise ValueError("a price band cannot be negative")
    if money_less(money_get(given.min_notional), money_of(0)) or money_less(money_limit(), money_get(given.min_notional)):
        raise ValueError("the least notional is none that can be")
    return 0


cdef extern from *:
    """
    /* Write to every page, so that no order waits for the system to make the one that its place in a table is on. */
    static void fault_in(void *memory, size_t size) {
        volatile char *bytes = memory;
        for (size_t at = 0; at < size; at += 4096) bytes[at] = 0;
    }
    """
    void fault_in(void *memory, size_t size) nogil


cdef class State:
    """Owns the core's memory. All durable parts are a function of the journal alone (DESIGN 2.5)."""

    def __cinit__(self):
        self.c = <state_t*>calloc(1, sizeof(state_t))
        if self.c == NULL:
            raise MemoryError("the core's state does not fit into memory")
        fault_in(self.c, sizeof(state_t))
        self.c.totals.next_order_no = 1
        self.c.currency_asset = -1
        self.memos = {}

    def __dealloc__(self):
        free(self.c)

    cdef void reset_volatile(self) noexcept:
        """Forget what a new session cannot know: books, feeds, health. The sums follow from what stays."""
        cdef uint32_t i
        memset(self.c.markets, 0, sizeof(market_t) * MAX_INSTRUMENTS)
        memset(self.c.sources, 0, sizeof(source_t) * MAX_SOURCES)
        self.c.gross_exposure = self.c.net_long = self.c.net_short = self.c.equity = money_of(0)
        for i in range(self.c.totals.instruments):
            refresh_exposure(self.c, <int32_t>i)
        self.c.equity = total_equity(self.c)
        self.c.reconcile_pending = 1
        self.c.journal_broken = 0
        self.c.stopping = 0
        self.c.disk_state = 0
        self.c.clock_skew_ns = 0

    cdef int64_t asset_index(self, const char* name) except -1:
        """The index of an asset, which is added where it is new."""
        cdef uint32_t i
        check_name(name, 16)
        for i in range(self.c.totals.assets):
            if strncmp(self.c.assets[i].name, name, 16) == 0:
                return i
        if self.c.totals.assets == MAX_ASSETS:
            raise OverflowError(f"more than {MAX_ASSETS} assets")
        i = self.c.totals.assets
        strncpy(self.c.assets[i].name, name, 15)
        self.c.totals.assets += 1
        return i

    cdef int32_t add_instrument(self, const instrument_t* given) except -1:
        """Add an instrument, or renew one of the same symbol; answers its index."""
        cdef uint32_t i
        cdef instrument_t* kept
        check_instrument(given)
        for i in range(self.c.totals.instruments):
            if strncmp(self.c.instruments[i].symbol, given.symbol, 32) == 0:
                kept = &self.c.instruments[i]
                if kept.price_decimals != given.price_decimals or kept.size_decimals != given.size_decimals:
                    raise ValueError("an instrument's scale cannot change within a run: its orders and position count in it")
                if strncmp(kept.base, given.base, 16) or strncmp(kept.quote, given.quote, 16):
                    raise ValueError("an instrument's assets cannot change within a run")
                break
        else:
            i = self.c.totals.instruments
            if i == MAX_INSTRUMENTS:
                raise OverflowError(f"more than {MAX_INSTRUMENTS} instruments")
            self.c.totals.instruments += 1
            self.c.exposures[i].first_order = -1
        kept = &self.c.instruments[i]
        memcpy(kept, given, sizeof(instrument_t))
        kept.base_asset = <uint32_t>self.asset_index(kept.base)
        kept.quote_asset = <uint32_t>self.asset_index(kept.quote)
        self._scale(i)
        return <int32_t>i

    cdef int keep_memo(self, uint16_t strategy, const memo_t* memo, const char* value, size_t length) except -1:
        """Keep, replace or, with an empty value, take away a strategy's memo."""
        key = (strategy, memo.key[:sizeof(memo.key)].split(b"\0", 1)[0])
        old = self.memos.pop(key, None)
        if old is not None:
            self.c.totals.memo_bytes -= MEMO_HEAD + len(key[1]) + len(old)
        if not length:
            return 0
        if len(self.memos) >= MAX_MEMOS:
            raise OverflowError(f"more than {MAX_MEMOS} memos")
        self.memos[key] = value[:length]
        self.c.totals.memo_bytes += MEMO_HEAD + len(key[1]) + length
        return 0

    cdef int load_memos(self, bytes saved) except -1:
        """Take over memos in their canonical form; ValueError where they are none."""
        cdef size_t at = 0, end = len(saved), key_end, value_end
        self.memos.clear()
        while at < end:
            if end - at < MEMO_HEAD:
                raise ValueError("a saved memo is shorter than its header")
            key_end = at + MEMO_HEAD + saved[at + 2]
            value_end = key_end + int.from_bytes(saved[at + 3:at + MEMO_HEAD], "little")
            if value_end > end:
                raise ValueError("a saved memo does not have the length that its header says")
            self.memos[int.from_bytes(saved[at:at + 2], "little"), saved[at + MEMO_HEAD:key_end]] = saved[key_end:value_end]
            at = value_end
        return 0

    cdef void _scale(self, uint32_t i) noexcept:
        cdef instrument_t* kept = &self.c.instruments[i]
        self.c.units[i] = power_of_ten(20 - kept.price_decimals - kept.size_decimals)
        self.c.lot_units[i] = power_of_ten(20 - kept.size_decimals)

    cdef size_t durable_most(self) noexcept:
        """Bytes of the durable state in canonical form with every order's place taken."""
        return (sizeof(totals_t) + FIXED_BYTES + self.c.totals.instruments * (sizeof(instrument_t) + sizeof(exposure_t))
                + self.c.totals.assets * sizeof(asset_t) + self.c.totals.memo_bytes + ORDER_SLOTS * sizeof(order_t))

    cpdef bytes durable_bytes(self):
        """The durable state in canonical form: the same history gives the same bytes."""
        return bytes(self.durable_copy(bytearray(), b""))

    def durable_copy(self, bytearray kept not None, bytes before not None) -> memoryview:
        """The same behind some bytes, in memory that is kept for the next time: new memory would have to be made page by page,
        and what comes in waits meanwhile. It holds until the next copy."""
        cdef size_t most = len(before) + self.durable_most()
        if <size_t>len(kept) < most:
            kept[:] = b"\0" * (most + most // 4)
        kept[:len(before)] = before
        return memoryview(kept)[:<Py_ssize_t>len(before) + self.put_durable(<char*>kept + len(before))]

    cdef Py_ssize_t put_durable(self, char* to) except -1:
        """Writes the durable state where there is room for the most of it; answers its bytes. What comes in waits for it, and
        the orders' slots are a good part of a megabyte: they are gone through once."""
        cdef const char* first = to
        cdef state_t* c = self.c
        cdef uint32_t slot
        to = _put(to, &c.totals, sizeof(totals_t))
        to = _put(to, &c.limits, sizeof(limits_t))
        to = _put(to, c.instruments, sizeof(instrument_t) * c.totals.instruments)
        to = _put(to, c.exposures, sizeof(exposure_t) * c.totals.instruments)
        to = _put(to, c.assets, sizeof(asset_t) * c.totals.assets)
        to = _put(to, c.strategies, sizeof(strategy_t) * MAX_STRATEGIES)
        to = _put(to, c.denied, sizeof(uint64_t) * 128)
        to = _put(to, c.sends_ns, sizeof(int64_t) * SEND_SLOTS)
        to = _put(to, c.errors_ns, sizeof(int64_t) * OUTCOME_SLOTS)
        to = _put(to, c.rejects_ns, sizeof(int64_t) * OUTCOME_SLOTS)
        to = _put(to, &c.trade_ids, sizeof(recent_set_t))
        to = _put(to, &c.intent_keys, sizeof(recent_set_t))
        to = _put(to, &c.command_ids, sizeof(recent_set_t))
        to = _put(to, c.actions_hash, 32)
        memos = self.memo_bytes()
        to = _put(to, <const char*>memos, len(memos))
        for slot in range(ORDER_SLOTS):
            if c.orders[slot].order_no:
                to = _put(to, &c.orders[slot], sizeof(order_t))
        return to - first

    cdef bytes memo_bytes(self):
        """The memos in canonical form, totals.memo_bytes of them."""
        parts = []
        for (strategy, key), value in sorted(self.memos.items()):
            parts.append(strategy.to_bytes(2, "little") + len(key).to_bytes(1, "little") + len(value).to_bytes(2, "little"))
            parts += [key, value]
        return b"".join(parts)

    cdef int load_durable(self, bytes saved) except -1:
        """Take over bytes from durable_bytes() of the same build; ValueError where they are none."""
        cdef state_t* c = self.c
        cdef char* source = saved
        cdef size_t left = len(saved), need
        cdef uint32_t i
        cdef totals_t totals
        cdef order_t order
        if left < sizeof(totals_t):
            raise ValueError("a saved state is shorter than its header")
        source = _take(source, &totals, sizeof(totals_t))
        if totals.instruments > MAX_INSTRUMENTS or totals.assets > MAX_ASSETS or totals.strategies > MAX_STRATEGIES:
            raise ValueError("a saved state names more instruments, assets or strategies than there can be")
        need = (sizeof(totals_t) + FIXED_BYTES + totals.assets * sizeof(asset_t)
                + totals.instruments * (sizeof(instrument_t) + sizeof(exposure_t)))
        if totals.memo_bytes > left:
            raise ValueError("a saved state names more memos than it holds")
        need += totals.memo_bytes
        if left < need or (left - need) % sizeof(order_t):
            raise ValueError("a saved state does not have the length that its header says")
        c.totals = totals
        source = _take(source, &c.limits, sizeof(limits_t))
        source = _take(source, c.instruments, sizeof(instrument_t) * c.totals.instruments)
        source = _take(source, c.exposures, sizeof(exposure_t) * c.totals.instruments)
        source = _take(source, c.assets, sizeof(asset_t) * c.totals.assets)
        source = _take(source, c.strategies, sizeof(strategy_t) * MAX_STRATEGIES)
        source = _take(source, c.denied, sizeof(uint64_t) * 128)
        source = _take(source, c.sends_ns, sizeof(int64_t) * SEND_SLOTS)
        source = _take(source, c.errors_ns, sizeof(int64_t) * OUTCOME_SLOTS)
        source = _take(source, c.rejects_ns, sizeof(int64_t) * OUTCOME_SLOTS)
        source = _take(source, &c.trade_ids, sizeof(recent_set_t))
        source = _take(source, &c.intent_keys, sizeof(recent_set_t))
        source = _take(source, &c.command_ids, sizeof(recent_set_t))
        source = _take(source, c.actions_hash, 32)
        self.load_memos(source[:totals.memo_bytes])
        source += totals.memo_bytes
        memset(c.orders, 0, sizeof(order_t) * ORDER_SLOTS)
        for i in range((left - need) // sizeof(order_t)):
            source = _take(source, &order, sizeof(order_t))
            c.orders[order.order_no & (ORDER_SLOTS - 1)] = order
        for i in range(c.totals.instruments):
            check_instrument(&c.instruments[i])
            self._scale(i)
        self.reset_volatile()
        return 0

    def durable_hash(self) -> str:
        """SHA-256 of the durable state, in hex: the restart promise."""
        return hashlib.sha256(self.durable_bytes()).hexdigest()
