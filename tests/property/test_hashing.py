"""Hashing against hashlib, hmac and a bit-by-bit CRC, on both SHA-256 routines."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from native.hashing import HmacSha256, Sha256, crc32c_of, sha256, sha256_portable
from tests.oracles.crc32c import crc32c

# Sizes around the block and padding boundaries matter most.
SIZES = [0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 1000, 4096]


@pytest.mark.parametrize("size", SIZES)
def test_both_routines_equal_hashlib_at_block_boundaries(size: int) -> None:
    data = bytes(i * 7 % 251 for i in range(size))
    expected = hashlib.sha256(data).digest()
    assert sha256(data) == expected
    assert sha256_portable(data) == expected


@given(st.binary(max_size=2000))
def test_both_routines_equal_hashlib(data: bytes) -> None:
    expected = hashlib.sha256(data).digest()
    assert sha256(data) == expected
    assert sha256_portable(data) == expected


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_running_hash_does_not_depend_on_the_cuts(parts: list[bytes]) -> None:
    running = Sha256()
    expected = hashlib.sha256()
    for part in parts:
        running.update(part)
        expected.update(part)
        assert running.digest() == expected.digest()
    assert running.hexdigest() == expected.hexdigest()


def test_a_copy_goes_its_own_way() -> None:
    running = Sha256()
    running.update(b"penstock")
    other = running.copy()
    other.update(b"!")
    assert running.digest() == hashlib.sha256(b"penstock").digest()
    assert other.digest() == hashlib.sha256(b"penstock!").digest()


@given(st.binary(max_size=200), st.binary(max_size=500))
def test_hmac_equals_the_standard_library(key: bytes, data: bytes) -> None:
    signer = HmacSha256(key)
    for _ in range(2):  # the cached pads are not spent
        assert signer.digest(data) == hmac.digest(key, data, "sha256")
        assert signer.hex(data) == hmac.new(key, data, "sha256").hexdigest()


def test_hmac_signs_as_mexc_documents(data_dir: Path) -> None:
    vectors = json.loads((data_dir / "mexc" / "sign_vectors.json").read_text())
    spot = [vector for vector in vectors if "totalParams" in vector and "signature" in vector]
    assert spot
    for vector in spot:
        signer = HmacSha256(vector["secret"].encode())
        assert signer.hex(vector["totalParams"].encode()) == vector["signature"], vector["name"]


def test_crc32c_known_value() -> None:
    assert crc32c_of(b"123456789") == 0xE3069283  # RFC 3720's check value


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_crc32c_equals_the_oracle(data: bytes, crc: int) -> None:
    assert crc32c_of(data, crc) == crc32c(data, crc)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_crc32c_continues(first: bytes, second: bytes) -> None:
    assert crc32c_of(second, crc32c_of(first)) == crc32c_of(first + second)
