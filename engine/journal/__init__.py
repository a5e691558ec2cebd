"""The journal and the tape: records, snapshots, restart, the lock of a run."""
