"""Calls as bytes, addresses before they exist, keys: the little that building a chain needs of Ethereum's formats.

Sources: the contract ABI specification; Yellow Paper 7 (CREATE); EIP-1014 (CREATE2).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_hash.auto import keccak as keccak

ZERO_ADDRESS = "0x" + "00" * 20
MAX_UINT256 = 2**256 - 1
MAX_UINT160 = 2**160 - 1
MAX_UINT48 = 2**48 - 1


@cache
def split(signature: str) -> tuple[bytes, tuple[str, ...]]:
    """Selector and parameter types of `name(type,...)`; tuples stay whole."""
    inner = signature[signature.index("(") + 1 : -1]
    types, depth, current = [], 0, ""
    for letter in inner:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            types.append(current)
            current = ""
        else:
            current += letter
    if current:
        types.append(current)
    return keccak(signature.encode())[:4], tuple(types)


def call_data(signature: str, *arguments: Any) -> bytes:
    """The call of `name(type,...)`."""
    selector, types = split(signature)
    return selector + encode(types, arguments)


def encode_as(types: str, *arguments: Any) -> bytes:
    """ABI encoding of arguments of the types `type,...`."""
    return encode(split(f"_({types})")[1], arguments)


def decode_as(types: str, data: bytes | str) -> tuple[Any, ...]:
    """The values of `type,...` in ABI-encoded data."""
    raw = bytes.fromhex(data.removeprefix("0x")) if isinstance(data, str) else data
    return decode(split(f"_({types})")[1], raw)


def checksummed(raw: bytes) -> str:
    """20 bytes as an address with EIP-55's checksum."""
    text = raw.hex()
    digest = keccak(text.encode()).hex()
    letters = (a.upper() if int(b, 16) >= 8 else a for a, b in zip(text, digest, strict=False))
    return "0x" + "".join(letters)


def raw_address(address: str) -> bytes:
    """An address as 20 bytes."""
    return bytes.fromhex(address.removeprefix("0x"))


def created(sender: str, nonce: int) -> str:
    """The address of the contract that `sender` creates with this nonce."""
    number = nonce.to_bytes((nonce.bit_length() + 7) // 8)
    if nonce == 0 or nonce >= 0x80:
        number = bytes([0x80 + len(number)]) + number
    body = b"\x94" + raw_address(sender) + number
    return checksummed(keccak(bytes([0xC0 + len(body)]) + body)[12:])


def key_of(seed: int, name: str) -> bytes:
    """A private key of the local chain: for play money only, anybody can derive it."""
    return keccak(f"penstock devchain/{seed}/key/{name}".encode())


@cache
def address_of(key: bytes) -> str:
    """The address of a private key."""
    from coincurve import PrivateKey

    return checksummed(keccak(PrivateKey(key).public_key.format(compressed=False)[1:])[12:])


def with_checksum(address: str) -> str:
    """An address as EIP-55 writes it."""
    return checksummed(raw_address(address))
