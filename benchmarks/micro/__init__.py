"""One file a subject, each with a run() that returns rows (engine/microbench.py)."""
