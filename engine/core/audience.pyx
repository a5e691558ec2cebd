"""Who hears what: strategies, the instruments they trade or watch, and the listings they are told of."""

from engine.core.event cimport ACTION_STRATEGY_STOPPED, instrument_t
from engine.core.state.books cimport Book
from engine.core.state.orders cimport find_order
from engine.core.state.state cimport ORDER_SLOTS, TRUST_STALE, order_t
from engine.core.strategy cimport WANTS_INSTRUMENT, WANTS_LISTING, Listing, Strategy

cdef int LISTINGS_EARLY_MOST = 65536


cdef class Audience(TradingDesk):
    """The desk with its strategies."""

    def __cinit__(self):
        self.listeners = []
        self.errors = []
        self.told_early = []
        self.operator = None

    def attach(self, strategy: Strategy, name: str, symbols: list) -> None:
        """Give a strategy its desk, its index and its instruments; its id must stand in the config."""
        names = self.strategy_names()
        if name not in names:
            raise ValueError(f"no strategy of the id {name!r} in the config")
        strategy.desk = self
        strategy.name = name
        strategy.index = names.index(name)
        known = {(<Book>book).symbol: (<Book>book).instrument for book in self.books}
        missing = [symbol for symbol in symbols if symbol not in known]
        if missing:
            raise ValueError(f"strategy {name!r} wants {', '.join(missing)}, which the venue does not list")
        strategy.instruments[:] = [known[symbol] for symbol in symbols]
        for instrument in strategy.instruments:
            self.listeners[instrument].append(strategy)
        self.strategies.append(strategy)

    def attach_operator(self, operator: Strategy) -> None:
        """Give the operator's commands a hand (engine.core.operator)."""
        self.attach(operator, "operator", [])
        self.operator = operator

    def detach_all(self) -> None:
        """Let go of all strategies: a new session attaches new ones."""
        self.strategies.clear()
        self.watchers.clear()
        for listening in self.listeners:
            listening.clear()

    cdef int add_books(self) except -1:
        cdef int32_t i
        for i in range(len(self.books), <int32_t>self.c.totals.instruments):
            symbol = self.c.instruments[i].symbol[:32].split(b"\0", 1)[0].decode("ascii")
            book = Book(i, symbol)
            book.market = &self.c.markets[i]
            book.distrust(TRUST_STALE)
            self.books.append(book)
            self.listeners.append([])
        return 0

    cdef int start_strategies(self) except -1:
        if self.started:
            return 0
        self.started = True
        for item in self.strategies:
            strategy = <Strategy>item
            try:
                strategy.start_slot()
            except (Exception, SystemExit) as error:  # as in book_changed
                self.stop(strategy, "on_start", error)
        told, self.told_early = self.told_early, []
        for listing in told:
            self.tell_listing(listing)
        return 0

    cdef int on_listing(self, const event_t* event, const listing_t* listing) except -1:
        """Sources tell changes only: what comes before the strategies start is kept for them."""
        cdef Listing told = Listing.__new__(Listing)
        told.body = listing[0]
        told.ts_event_ns = event.ts_event_ns
        told.ts_recv_ns = event.ts_recv_ns
        if self.started:
            return self.tell_listing(told)
        if len(self.told_early) < LISTINGS_EARLY_MOST:
            self.told_early.append(told)
        return 0

    cdef int tell_listing(self, Listing listing) except -1:
        for item in self.strategies:
            strategy = <Strategy>item
            if strategy.wants & WANTS_LISTING and not self.c.strategies[strategy.index].stopped:
                try:
                    strategy.listing_slot(listing)
                except (Exception, SystemExit) as error:  # as in book_changed
                    self.stop(strategy, "on_listing", error)
        return 0

    cdef int on_instrument(self, const instrument_t* given) except -1:
        """An instrument is new or has changed. One that moved to another feed is believed again when that is up."""
        cdef Book book
        cdef str symbol = given.symbol[:32].split(b"\0", 1)[0].decode("ascii")
        self.add_books()
        book = <Book>self.books[self.instrument_of(symbol)]
        if not self.c.sources[given.source].up and book.market.trust != TRUST_STALE:
            book.distrust(TRUST_STALE)
        if not given.source and book.market.trust == TRUST_STALE:
            book.let_go()
        for strategy in list(self.watchers.get(symbol, ())):
            self.watching_changed(strategy, symbol, True)
            if (<Strategy>strategy).wants & WANTS_INSTRUMENT and not self.c.strategies[(<Strategy>strategy).index].stopped:
                try:
                    (<Strategy>strategy).instrument_slot(book.instrument)
                except (Exception, SystemExit) as error:  # as in book_changed
                    self.stop(strategy, "on_instrument", error)
        return 0

    cdef int watching_changed(self, Strategy strategy, str symbol, bint on) except -1:
        """Let a strategy hear of an instrument that it watches, or no longer."""
        cdef int32_t instrument = self.instrument_of(symbol)
        if instrument < 0:
            return 0
        heard = strategy in <list>self.listeners[instrument]
        if on and not heard:
            (<list>self.listeners[instrument]).append(strategy)
            strategy.instruments.append(instrument)
        elif heard and not on:
            (<list>self.listeners[instrument]).remove(strategy)
            strategy.instruments.remove(instrument)
        return 0

    cdef int stop(self, Strategy strategy, str slot, error) except -1:
        """A strategy that raises is out: the journal tells, its orders are cancelled by policy, the rest goes on."""
        cdef int at
        cdef order_t* order
        self.errors.append((strategy.name, slot, error))
        # The message may hold addresses of this process: only the type is the same in a replay.
        self.alert(0, f"{strategy.name}.{slot} raised {type(error).__name__}", -1, strategy.index, ACTION_STRATEGY_STOPPED)
        if not self.c.limits.cancel_on_strategy_error:
            return 0
        numbers = sorted(self.c.orders[at].order_no for at in range(ORDER_SLOTS)
                         if self.c.orders[at].open_ and self.c.orders[at].strategy == strategy.index)
        for number in numbers:
            order = find_order(self.c, number)
            if not order.cancel_pending:
                self.release_cancel(order)
        return 0
