"""What turns a venue's raw bytes into one event. Adapters fill this slot; replay runs the same code."""


cdef class FrameDecoder:
    """Base of all decoders: pure, no clock, no input or output; state only from the instruments it was given."""

    cdef int decode(self, const char* frame, size_t length, event_t* header, char* body, size_t capacity) except -1:
        """Decode one frame: fills kind, instrument, ts_event_ns and length of the header, and at most capacity bytes of body.

        Whatever the bytes are, this answers with an event: EVENT_MALFORMED or EVENT_HEARTBEAT where there is no other.
        """
        raise TypeError(f"{type(self).__name__} decodes no frames")

    def add_instrument(self, index: int, symbol: str, price_decimals: int, size_decimals: int) -> None:
        """Make a symbol known under its index in the core."""
        raise TypeError(f"{type(self).__name__} takes no instruments")

    def decode_document(self, instrument: int, document: bytes) -> bytes:
        """Turn a REST order book into a BOOK_SNAPSHOT event (header and body); raises ValueError on a body that is none."""
        raise TypeError(f"{type(self).__name__} decodes no documents")
