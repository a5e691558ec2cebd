"""Signed requests from templates, for compiled callers."""

from libc.stdint cimport int64_t, uint64_t

from native.hashing cimport HmacSha256, hmac_key_t


cdef extern from "native/mexc_request.h" nogil:
    enum:
        REQUEST_ROOM
        REQUEST_TEXT_MOST
        REQUEST_FILLED_MOST
    char *request_put(char *out, const void *text, size_t size)
    char *request_put_number(char *out, uint64_t value)
    char *request_put_decimal(char *out, uint64_t value, unsigned decimals)
    char *request_put_encoded(char *out, const char *text, size_t size)
    char *request_sign(char *out, const char *query, const hmac_key_t *key, const char *window, size_t window_size,
                       int64_t timestamp_ms)


cdef class RequestTemplate:
    cdef HmacSha256 signer
    cdef bytes target
    cdef bytes head
    cdef bytes window
    cdef Py_ssize_t query_at
    cdef unsigned size_decimals
    cdef unsigned price_decimals

    cdef char *seal(self, const char *request, char *out, int64_t timestamp_ms) noexcept
    cdef char *put_order(self, char *request, int64_t size_lots, int64_t price_ticks, const char *name, size_t size,
                         int64_t timestamp_ms) noexcept
    cdef char *put_naming(self, char *request, const char *parameter, size_t parameter_size, const char *text, size_t size,
                          int64_t timestamp_ms) noexcept
