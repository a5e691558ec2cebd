"""Decimal text to integers and back, for the edges of the house; the hot path uses decimal.h directly."""

from cpython.number cimport PyNumber_Index
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

DECIMAL_PLACES_OF_MONEY = DECIMAL_MONEY_DECIMALS

cdef dict REASONS = {
    DECIMAL_EMPTY: "is empty",
    DECIMAL_MALFORMED: "is not a decimal number",
    DECIMAL_SIGNED: "has a sign",
    DECIMAL_EXPONENT: "has an exponent",
    DECIMAL_OUT_OF_SCALE: "has more decimals than its scale allows",
    DECIMAL_OVERFLOW: "is too large",
    DECIMAL_ROUNDED: "has more than 20 decimals",
}


cdef bytes encoded(text):
    """The text as bytes; characters beyond ASCII stay non-digits and are refused later."""
    return <bytes>text if isinstance(text, bytes) else (<str?>text).encode()


def parse_decimal(text, int decimals):
    """The value of a decimal text in units of 10^-decimals (0 to 18), exactly.

    Raises ValueError where the text is empty, malformed, signed, out of scale, too large or has an exponent.
    """
    if not 0 <= decimals <= DECIMAL_MAX_DECIMALS:
        raise ValueError(f"decimals must be 0 to {DECIMAL_MAX_DECIMALS}, not {decimals}")
    cdef bytes raw = encoded(text)
    cdef int64_t value = 0
    cdef int status = decimal_parse(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), decimals, &value)
    if status != DECIMAL_OK:
        raise ValueError(f"{text!r} {REASONS[status]} (scale {decimals})")
    return value


def parse_money(text):
    """An amount in units of 10^-20, exactly; one leading minus is allowed.

    Raises ValueError as parse_decimal does, and for more than 20 decimals: rounding is for the core to count.
    """
    cdef bytes raw = encoded(text)
    cdef int128_t value = 0
    cdef int status = decimal_parse_money(PyBytes_AS_STRING(raw), PyBytes_GET_SIZE(raw), &value)
    if status != DECIMAL_OK:
        raise ValueError(f"{text!r} {REASONS[status]}")
    return int128_to_python(value)


def format_decimal(value, int decimals, bint trim=True):
    """An integer in units of 10^-decimals as decimal text; trim drops zeros at the end of the fraction.

    Raises ValueError for negative decimals, TypeError for a value that is no integer.
    """
    value = PyNumber_Index(value)
    if decimals < 0:
        raise ValueError(f"decimals must not be negative, not {decimals}")
    digits = str(abs(value)).rjust(decimals + 1, "0")
    sign = "-" if value < 0 else ""
    if decimals == 0:
        return sign + digits
    whole, fraction = digits[:-decimals], digits[-decimals:]
    if trim:
        fraction = fraction.rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else sign + whole
