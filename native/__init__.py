"""Compiled kernels: order book, MEXC protobuf, hashing, the log writer. They know nobody else in the house."""

from native.cpu import require_baseline

require_baseline()
