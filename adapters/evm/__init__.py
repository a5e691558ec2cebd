"""Ethereum-like chains: the local chain of real protocols, the flash-loan executor and the routes it runs."""
