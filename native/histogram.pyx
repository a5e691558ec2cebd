"""A log-linear latency histogram: 1 ns to 68 s in 15 KiB, each value known to 1/64; oracle: tests/oracles/histogram.py."""

from libc.math cimport ceil
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free


cdef class Histogram:
    """Durations in ns. Not shared between threads: merge one per thread."""

    def __cinit__(self):
        self.data = <histogram_t*>calloc(1, sizeof(histogram_t))
        if self.data is NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.data)

    cdef void add(self, int64_t value_ns) noexcept nogil:
        histogram_record(self.data, value_ns)

    cdef uint64_t percentile_ns(self, double percent) noexcept nogil:
        cdef uint64_t rank = <uint64_t>ceil(percent * <double>self.data.count / 100.0)
        return histogram_rank(self.data, rank if rank > 0 else 1)

    def record(self, int64_t value_ns) -> None:
        """Counts one duration; a negative one counts as 0."""
        self.add(value_ns)

    def percentile(self, double percent) -> int:
        """The nearest-rank percentile in ns, rounded up by at most 1/64; 0 if empty. ValueError outside 0..100."""
        if not 0.0 <= percent <= 100.0:
            raise ValueError(f"a percentile lies in 0..100, not {percent}")
        return self.percentile_ns(percent)

    @property
    def count(self) -> int:
        """How many durations were recorded."""
        return self.data.count

    @property
    def max(self) -> int:
        """The longest, exact; 0 if empty."""
        return self.data.max

    @property
    def mean(self) -> float:
        """The exact mean; 0.0 if empty."""
        return <double>self.data.sum / <double>self.data.count if self.data.count else 0.0

    def reset(self) -> None:
        """Forgets everything."""
        histogram_reset(self.data)

    def merge(self, Histogram other not None) -> None:
        """Adds what `other` has counted."""
        histogram_merge(self.data, other.data)

    def summary(self) -> dict[str, int]:
        """p50, p99, p999 and max in ns, and the count."""
        return {
            "p50": self.percentile_ns(50.0),
            "p99": self.percentile_ns(99.0),
            "p999": self.percentile_ns(99.9),
            "max": self.data.max,
            "count": self.data.count,
        }
