"""Who hears what: strategies, the instruments they trade or watch, and the listings they are told of."""

from libc.stdint cimport int32_t

from engine.core.desk cimport TradingDesk
from engine.core.event cimport event_t, instrument_t, listing_t
from engine.core.strategy cimport Listing, Strategy


cdef class Audience(TradingDesk):
    cdef readonly list errors            # (strategy, slot, exception) since the rim last looked: for its log
    cdef readonly bint started
    cdef list listeners                  # by instrument: the strategies that hear of it
    cdef list told_early                 # listings that came before the strategies started
    cdef object operator

    cdef int add_books(self) except -1
    cdef int start_strategies(self) except -1
    cdef int on_listing(self, const event_t* event, const listing_t* listing) except -1
    cdef int tell_listing(self, Listing listing) except -1
    cdef int on_instrument(self, const instrument_t* given) except -1
    cdef int stop(self, Strategy strategy, str slot, error) except -1
