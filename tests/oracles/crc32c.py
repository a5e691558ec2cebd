"""CRC-32C bit by bit (RFC 3720, appendix B.4; polynomial 0x1EDC6F41, reflected)."""

from __future__ import annotations

REFLECTED_POLYNOMIAL = 0x82F63B78


def crc32c(data: bytes, crc: int = 0) -> int:
    """CRC-32C of `data`, continuing `crc`."""
    state = crc ^ 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = (state >> 1) ^ (REFLECTED_POLYNOMIAL if state & 1 else 0)
    return state ^ 0xFFFFFFFF
