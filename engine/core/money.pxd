"""Exact money: signed 128-bit integers in units of 10^-20 of an asset (engine/core/money.h)."""

from cpython.number cimport PyNumber_Index
from libc.stdint cimport int64_t, uint32_t, uint64_t


cdef extern from "engine/core/money.h" nogil:
    # Cython has no 128-bit integer; the C compiler knows the real width. Mix widths only through these functions.
    ctypedef long long int128_t
    ctypedef struct money_t:
        uint64_t low
        int64_t high
    const int MONEY_DECIMALS
    int128_t money_get(money_t words)
    money_t money_put(int128_t amount)
    int128_t money_limit()
    int128_t power_of_ten(uint32_t exponent)
    int128_t notional(int64_t price_ticks, int64_t size_lots, int128_t unit)
    int128_t share_up(int128_t amount, int64_t parts, int64_t whole)
    int128_t share_of(int128_t amount, int64_t parts, int64_t whole)
    int128_t ratio(int128_t part, int128_t whole, int64_t scale)
    int128_t money_abs(int128_t amount)
    int128_t money_max(int128_t a, int128_t b)
    int128_t money_add(int128_t a, int128_t b)
    int128_t money_sub(int128_t a, int128_t b)
    int128_t money_of(int64_t amount)
    int128_t money_times(int128_t amount, int64_t count)
    bint money_less(int128_t a, int128_t b)


cdef inline object money_int(int128_t amount):
    """The amount as a Python int."""
    cdef money_t words = money_put(amount)
    return (<object>words.high << 64) + <object>words.low


cdef inline int64_t whole(object value) except? -1:
    """An integer of any kind; TypeError for a float or Decimal, which Cython would cut to one."""
    return PyNumber_Index(value)


cdef inline money_t money_words(object amount) except *:
    """A Python int as two words; TypeError for a float, OverflowError beyond 127 bits."""
    cdef money_t words
    amount = PyNumber_Index(amount)
    words.low = <uint64_t>(amount & 0xFFFFFFFFFFFFFFFF)
    words.high = <int64_t>(amount >> 64)
    return words
