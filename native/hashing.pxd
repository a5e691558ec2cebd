"""SHA-256, HMAC-SHA256 and CRC-32C for compiled callers."""

from libc.stdint cimport uint8_t, uint32_t


cdef extern from "native/sha256.h" nogil:
    ctypedef struct sha256_t:
        pass

    ctypedef struct hmac_key_t:
        pass

    void sha256_init(sha256_t* hash)
    void sha256_update(sha256_t* hash, const void* data, size_t size)
    void sha256_final(sha256_t* hash, uint8_t* digest)
    void sha256_digest(const void* data, size_t size, uint8_t* digest)
    void hmac_key_init(hmac_key_t* key, const void* secret, size_t size)
    void hmac_digest(const hmac_key_t* key, const void* data, size_t size, uint8_t* digest)
    void hex_encode(const uint8_t* data, size_t size, char* text)


cdef extern from "native/crc32c.h" nogil:
    uint32_t crc32c(uint32_t crc, const void* data, size_t size)


cdef class Sha256:
    cdef sha256_t hash
    cdef void update_raw(self, const void* data, size_t size) noexcept nogil
    cdef void digest_raw(self, uint8_t* digest) noexcept nogil


cdef class HmacSha256:
    cdef hmac_key_t key
    cdef void sign_raw(self, const void* data, size_t size, uint8_t* digest) noexcept nogil
    cdef void sign_hex_raw(self, const void* data, size_t size, char* text) noexcept nogil
