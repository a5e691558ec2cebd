"""Benchmarks of the source checkout; not installed. `penstock bench` runs `micro`."""
