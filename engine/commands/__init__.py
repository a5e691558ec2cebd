"""The commands of `penstock`, one subject per module; each imports what it needs when it runs."""
