"""SHA-256, HMAC-SHA256 (cached key pads) and CRC-32C; oracles: hashlib, hmac, tests/oracles/crc32c.py."""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef extern from "native/sha256.h" nogil:
    int sha256_has_extensions()
    const uint32_t* SHA256_INITIAL
    void sha256_blocks_portable(uint32_t* state, const uint8_t* data, size_t blocks)


cdef inline const uint8_t* _pointer(const uint8_t[::1] data) noexcept nogil:
    return &data[0] if data.shape[0] else NULL


def accelerated() -> bool:
    """Whether this processor's SHA extensions are in use."""
    return bool(sha256_has_extensions())


def sha256(const uint8_t[::1] data not None) -> bytes:
    """The 32-byte SHA-256 of `data`."""
    cdef uint8_t digest[32]
    cdef size_t size = data.shape[0]
    with nogil:
        sha256_digest(_pointer(data), size, digest)
    return <bytes>digest[:32]


def sha256_portable(bytes data not None) -> bytes:
    """The same by the portable routine, whatever the processor has; for tests."""
    cdef uint32_t state[8]
    cdef bytes padded = data + b"\x80" + bytes((119 - len(data) % 64) % 64) + (8 * len(data)).to_bytes(8, "big")
    cdef const uint8_t* blocks = padded
    memcpy(state, SHA256_INITIAL, sizeof(state))
    sha256_blocks_portable(state, blocks, len(padded) // 64)
    return b"".join(int(state[i]).to_bytes(4, "big") for i in range(8))


def crc32c_of(const uint8_t[::1] data not None, uint32_t crc=0) -> int:
    """CRC-32C of `data`, continuing `crc`."""
    return crc32c(crc, _pointer(data), data.shape[0])


cdef class Sha256:
    """A running SHA-256."""

    def __cinit__(self):
        sha256_init(&self.hash)

    cdef void update_raw(self, const void* data, size_t size) noexcept nogil:
        sha256_update(&self.hash, data, size)

    cdef void digest_raw(self, uint8_t* digest) noexcept nogil:
        cdef sha256_t spent = self.hash
        sha256_final(&spent, digest)

    def update(self, const uint8_t[::1] data not None) -> None:
        """Takes `data` in."""
        self.update_raw(_pointer(data), data.shape[0])

    def digest(self) -> bytes:
        """The 32-byte hash of everything so far; more may follow."""
        cdef uint8_t digest[32]
        self.digest_raw(digest)
        return <bytes>digest[:32]

    def hexdigest(self) -> str:
        """`digest()` as 64 lower-case hex digits."""
        return self.digest().hex()

    def copy(self) -> Sha256:
        """An independent hash that starts from the same state."""
        cdef Sha256 other = Sha256()
        other.hash = self.hash
        return other


cdef class HmacSha256:
    """HMAC-SHA256 (RFC 2104) under one key, whose pads are hashed once."""

    def __cinit__(self, const uint8_t[::1] key not None):
        hmac_key_init(&self.key, _pointer(key), key.shape[0])

    cdef void sign_raw(self, const void* data, size_t size, uint8_t* digest) noexcept nogil:
        hmac_digest(&self.key, data, size, digest)

    cdef void sign_hex_raw(self, const void* data, size_t size, char* text) noexcept nogil:
        """Writes 64 hex digits, no terminator."""
        cdef uint8_t digest[32]
        hmac_digest(&self.key, data, size, digest)
        hex_encode(digest, 32, text)

    def digest(self, const uint8_t[::1] data not None) -> bytes:
        """The 32-byte authentication code of `data`."""
        cdef uint8_t digest[32]
        self.sign_raw(_pointer(data), data.shape[0], digest)
        return <bytes>digest[:32]

    def hex(self, const uint8_t[::1] data not None) -> str:
        """The code as 64 lower-case hex digits, as venues want it."""
        cdef char text[64]
        self.sign_hex_raw(_pointer(data), data.shape[0], text)
        return text[:64].decode("ascii")
