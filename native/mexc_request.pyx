"""MEXC's order requests, whole and signed, from templates; oracle: tests/oracles/mexc_request.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint64_t

from native.decimal cimport DECIMAL_MAX_DECIMALS


cdef class RequestTemplate:
    """One kind of signed request to one endpoint.

    signer: the account's HMAC. target: method, path, `?` and the parameters that never change (`POST /api/v3/order?symbol=
    MXUSDT&side=BUY&type=LIMIT`), encoded. head: everything from ` HTTP/1.1` to the empty line. Sizes are lots of
    10^-size_decimals, prices ticks of 10^-price_decimals (0 to 18). ValueError for what makes no request.
    """

    def __init__(self, HmacSha256 signer not None, bytes target not None, bytes head not None, int recv_window_ms, *,
                 int size_decimals=0, int price_decimals=0):
        if target.count(b"?") != 1 or b" " not in target or target.strip() != target or target.endswith(b"?"):
            raise ValueError(f"{target!r} is no method and path with parameters")
        if not head.startswith(b" HTTP/1.1\r\n") or not head.endswith(b"\r\n\r\n") or head.count(b"\r\n\r\n") != 1:
            raise ValueError("a head begins with ' HTTP/1.1' and ends with the one empty line")
        if not (0 <= size_decimals <= DECIMAL_MAX_DECIMALS and 0 <= price_decimals <= DECIMAL_MAX_DECIMALS):
            raise ValueError(f"decimals must be 0 to {DECIMAL_MAX_DECIMALS}")
        if len(target) + len(head) + REQUEST_FILLED_MOST > REQUEST_ROOM:
            raise ValueError(f"a request of more than {REQUEST_ROOM} bytes")
        self.signer = signer
        self.target = target
        self.head = head
        self.window = b"&recvWindow=%d&timestamp=" % recv_window_ms
        self.query_at = target.index(b"?") + 1
        self.size_decimals = size_decimals
        self.price_decimals = price_decimals

    cdef char *seal(self, const char *request, char *out, int64_t timestamp_ms) noexcept:
        """Sign what is between the template's `?` and `out`, and end the request; its end."""
        out = request_sign(out, request + self.query_at, &self.signer.key, PyBytes_AS_STRING(self.window),
                           PyBytes_GET_SIZE(self.window), timestamp_ms)
        return request_put(out, PyBytes_AS_STRING(self.head), PyBytes_GET_SIZE(self.head))

    cdef char *put_order(self, char *request, int64_t size_lots, int64_t price_ticks, const char *name, size_t size,
                         int64_t timestamp_ms) noexcept:
        """Write a whole new order into REQUEST_ROOM bytes; its end, or NULL for a size or name that cannot be."""
        cdef char *out
        if size_lots <= 0 or price_ticks < 0 or timestamp_ms < 0 or not 0 < size <= REQUEST_TEXT_MOST:
            return NULL
        out = request_put(request, PyBytes_AS_STRING(self.target), PyBytes_GET_SIZE(self.target))
        out = request_put(out, b"&quantity=", 10)
        out = request_put_decimal(out, <uint64_t>size_lots, self.size_decimals)
        if price_ticks:
            out = request_put(out, b"&price=", 7)
            out = request_put_decimal(out, <uint64_t>price_ticks, self.price_decimals)
        out = request_put(out, b"&newClientOrderId=", 18)
        out = request_put_encoded(out, name, size)
        return self.seal(request, out, timestamp_ms)

    cdef char *put_naming(self, char *request, const char *parameter, size_t parameter_size, const char *text, size_t size,
                          int64_t timestamp_ms) noexcept:
        """Write a whole request about an order that exists into REQUEST_ROOM bytes; its end, or NULL for what cannot be."""
        cdef char *out
        if not 0 < size <= REQUEST_TEXT_MOST or not 0 < parameter_size <= 32 or timestamp_ms < 0:
            return NULL
        out = request_put(request, PyBytes_AS_STRING(self.target), PyBytes_GET_SIZE(self.target))
        out = request_put(out, b"&", 1)
        out = request_put_encoded(out, parameter, parameter_size)
        out = request_put(out, b"=", 1)
        out = request_put_encoded(out, text, size)
        return self.seal(request, out, timestamp_ms)

    def order(self, int64_t size_lots, int64_t price_ticks, str client_order_id not None, int64_t timestamp_ms) -> bytes:
        """A new order; without a price where price_ticks is 0. ValueError for a size or name that cannot be."""
        cdef char request[REQUEST_ROOM]
        cdef Py_ssize_t size
        cdef const char *name = PyUnicode_AsUTF8AndSize(client_order_id, &size)
        if size_lots <= 0 or price_ticks < 0 or timestamp_ms < 0:
            raise ValueError(f"{size_lots} lots at {price_ticks} ticks is no order")
        if not 0 < size <= REQUEST_TEXT_MOST:
            raise ValueError(f"a client order id of {size} characters")
        cdef char *end = self.put_order(request, size_lots, price_ticks, name, <size_t>size, timestamp_ms)
        return PyBytes_FromStringAndSize(request, end - request)

    def naming(self, str parameter not None, str value not None, int64_t timestamp_ms) -> bytes:
        """A request about an order that exists, by one parameter. ValueError for a name that cannot be."""
        cdef char request[REQUEST_ROOM]
        cdef Py_ssize_t size, parameter_size
        cdef const char *name = PyUnicode_AsUTF8AndSize(parameter, &parameter_size)
        cdef const char *text = PyUnicode_AsUTF8AndSize(value, &size)
        cdef char *end = self.put_naming(request, name, <size_t>parameter_size, text, <size_t>size, timestamp_ms)
        if end == NULL:
            raise ValueError(f"a name of {size} characters")
        return PyBytes_FromStringAndSize(request, end - request)
