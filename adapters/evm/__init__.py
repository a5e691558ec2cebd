"""Ethereum-like chains: the local chain of real protocols, and the executor contract's commands."""
