"""MEXC's frames as events, for cimport."""

from libc.stdint cimport int32_t, int64_t, uint32_t

from engine.core.decoder cimport FrameDecoder
from engine.core.event cimport event_t
from native.mexc_protobuf cimport mexc_frame_t, symbol_t, symbol_table_t


cdef class MexcDecoder(FrameDecoder):
    cdef symbol_table_t symbols
    cdef mexc_frame_t frame
    cdef int32_t* core_index      # by symbol, the instrument's index in the core
    cdef bytes client_prefix      # "<run_id>-"
    cdef uint32_t depth_limit
    cdef readonly int64_t foreign
    cdef readonly int64_t rounded

    cdef int decode_into(self, event_t* header, char* body, size_t capacity) noexcept
    cdef int put_order(self, event_t* header, char* body, size_t capacity) noexcept
    cdef int put_fill(self, event_t* header, char* body, size_t capacity) noexcept
    cdef int put_balance(self, event_t* header, char* body, size_t capacity) noexcept
    cdef int put_malformed(self, event_t* header, char* body, size_t capacity, int reason) except -1
    cdef int price_decimals(self) noexcept
    cdef int size_decimals(self) noexcept
    cdef symbol_t* symbol_of(self, int instrument) except NULL
