"""One price level, as books, decoders and snapshots share it."""

from libc.stdint cimport int64_t


cdef extern from "native/level.h" nogil:
    ctypedef struct level_t:
        int64_t price_ticks
        int64_t size_lots
