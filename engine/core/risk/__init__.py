"""The gate, its limits, its breakers and its reasons."""
