"""The L2 order book in integer ticks and lots, for cimport."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from native.level cimport level_t


cdef extern from "native/order_book.h" nogil:
    enum:
        BOOK_BID
        BOOK_ASK
        BOOK_OK
        BOOK_BAD_PRICE
        BOOK_BAD_SIZE
        BOOK_BAD_SETTING
        BOOK_NO_MEMORY
        BOOK_DEFAULT_WINDOW_TICKS
        BOOK_DEFAULT_MAX_OVERFLOW
    const int64_t BOOK_MAX_PRICE_TICKS
    ctypedef struct book_side_t:
        uint32_t n_window
        uint32_t n_overflow
        uint64_t recentred
        uint64_t dropped
    ctypedef struct order_book_t:
        book_side_t bids
        book_side_t asks
    ctypedef struct book_cursor_t:
        pass
    ctypedef void (*book_sink_t)(void *context, const void *bytes, size_t length) noexcept nogil

    int book_init(order_book_t *book, uint32_t window_ticks, uint32_t max_overflow)
    void book_free(order_book_t *book)
    void book_clear(order_book_t *book)
    void book_let_go(order_book_t *book)
    int book_set(order_book_t *book, int side, int64_t price_ticks, int64_t size_lots)
    int book_apply(order_book_t *book, const level_t *levels, uint32_t n, int side)
    int book_holds(const order_book_t *book, const level_t *levels, uint32_t n, int side)
    int book_load(order_book_t *book, const level_t *asks, uint32_t n_asks, const level_t *bids,
                  uint32_t n_bids, uint32_t depth_limit)
    int book_empty(const order_book_t *book, int side)
    int64_t book_best_ticks(const order_book_t *book, int side)
    int64_t book_best_lots(const order_book_t *book, int side)
    int book_crossed(const order_book_t *book)
    uint32_t book_count(const order_book_t *book, int side)
    int64_t book_size_at(const order_book_t *book, int side, int64_t price_ticks)
    int book_knows(const order_book_t *book, int side, int64_t price_ticks)
    int64_t book_known_limit_ticks(const order_book_t *book, int side)
    void book_set_known_limit(order_book_t *book, int side, int64_t price_ticks)
    book_cursor_t book_cursor(const order_book_t *book, int side)
    int book_cursor_next(book_cursor_t *cursor, level_t *out)
    uint32_t book_copy(const order_book_t *book, int side, level_t *out, uint32_t max_levels)
    int book_level(const order_book_t *book, int side, uint32_t nth, level_t *out)
    void book_digest(const order_book_t *book, book_sink_t sink, void *context)


cdef class OrderBook:
    cdef order_book_t c
