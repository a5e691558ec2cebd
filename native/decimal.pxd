"""Decimal text to integers: exact or refused."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from "native/decimal.h" nogil:
    # Really 128 bits wide: the C compiler knows. Cython must never turn one into a Python object, which would
    # cut it; int128_to_python below does not.
    ctypedef long long int128_t
    enum:
        DECIMAL_MAX_DECIMALS
        DECIMAL_MONEY_DECIMALS
        DECIMAL_OK
        DECIMAL_EMPTY
        DECIMAL_MALFORMED
        DECIMAL_SIGNED
        DECIMAL_EXPONENT
        DECIMAL_OUT_OF_SCALE
        DECIMAL_OVERFLOW
        DECIMAL_ROUNDED
    int decimal_parse(const char *text, size_t length, unsigned decimals, int64_t *out)
    int decimal_parse_money(const char *text, size_t length, int128_t *out)
    int decimal_money_to_units(int128_t money, unsigned decimals, int64_t *out)
    uint64_t int128_low(int128_t value)
    int64_t int128_high(int128_t value)
    int128_t int128_join(uint64_t low, int64_t high)


cdef inline object int128_to_python(int128_t value):
    """A Python int of the same value."""
    return (<object>int128_high(value) << 64) | int128_low(value)
