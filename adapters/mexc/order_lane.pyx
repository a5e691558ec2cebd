"""A new order, or a cancel, without a detour through Python: budget, template, signature and socket in one native call."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from adapters.mexc.clock cimport VenueClock
from adapters.mexc.limits cimport Budget, RequestLimits
from adapters.mexc.order_wire cimport OrderWire, Wired
from engine.clock cimport steady_ns, wall_ns
from engine.core.engine cimport Engine
from engine.core.event cimport ORDER_MARKET
from engine.core.order cimport order_view
from engine.core.risk.gate cimport Approved
from engine.core.state.orders cimport find_order
from engine.core.state.state cimport order_t
from engine.execution.quick_lane cimport QuickLane
from native.mexc_request cimport REQUEST_ROOM, RequestTemplate, request_put, request_put_number

from adapters.mexc.order_requests import CANCEL, PLACE

cdef extern from "string.h" nogil:
    size_t strnlen(const char *text, size_t most)

cdef enum:
    NAME_ROOM = 64


@cython.final
@cython.freelist(16)
cdef class Gone:
    """A request that is on its way; called, it waits for the answer, or takes the one that has come already."""

    cdef public object answer
    cdef OrderLane lane
    cdef object connection
    cdef str failure
    cdef int32_t instrument
    cdef bint is_cancel
    cdef order_t order         # of a cancel: what is to be cancelled, as it was then

    def __call__(self):
        begun = self.connection.await_answer(self.answer, self.lane.timeout_s, self.failure)
        if self.is_cancel:
            return self.lane.canceled(begun, order_view(&self.order))
        return self.lane.answer(begun, self.instrument)


cdef class OrderLane(QuickLane):
    """An account's orders and cancels over the free connections of its pool.

    free: the pool's own list of OrderConnection, the warmest last. templates: of OrderRequests, by instrument, side and
    type (`template_key`); cancels: the same by instrument. instruments: the adapter's own list of specs; a template of another
    spec is not used. run_id: of the client order ids. answer(future of the HTTP answer, instrument) makes the awaitable of
    Evidence, canceled(future, copy of the order) that of a cancel.
    """

    cdef Engine core
    cdef list free
    cdef dict templates
    cdef dict cancels
    cdef list instruments
    cdef RequestLimits limits
    cdef Budget budget
    cdef Budget cancel_budget
    cdef VenueClock clock
    cdef bytes prefix
    cdef double timeout_s
    cdef object answer
    cdef object canceled

    def __init__(self, Engine core not None, list free not None, dict templates not None, dict cancels not None,
                 list instruments not None, RequestLimits limits not None, VenueClock clock not None, str run_id not None,
                 double timeout_s, answer, canceled):
        self.core = core
        self.free, self.templates, self.cancels, self.instruments = free, templates, cancels, instruments
        self.limits, self.clock, self.timeout_s = limits, clock, timeout_s
        self.answer, self.canceled = answer, canceled
        self.budget, self.cancel_budget = limits.budget(PLACE), limits.budget(CANCEL)
        self.prefix = f"{run_id}-".encode("ascii")
        if len(self.prefix) > NAME_ROOM - 20:
            raise ValueError(f"run id {run_id!r} is too long for a client order id")

    cpdef object take(self, Approved approved):
        """As QuickLane.take."""
        cdef char request[REQUEST_ROOM]
        cdef char *end
        cdef int64_t now_ns = wall_ns(), began_ns = steady_ns()
        cdef OrderWire wire = self.warmest()
        cdef Budget budget = self.cancel_budget if approved.is_cancel else self.budget
        cdef const order_t *order = NULL
        cdef Gone gone
        failure = ""
        if wire is None:
            return None
        if approved.is_cancel:
            order = find_order(self.core.c, approved.order_no)
            end = self.build_cancel(request, order, now_ns)
        else:
            end = self.build(request, approved.instrument, approved.side, approved.order_type, approved.price_ticks,
                             approved.size_lots, approved.order_no, now_ns)
        if end == NULL or not self.limits.allows(budget, began_ns / 1e9):
            return None
        if approved.is_rehearsal:
            wire.rehearse(request, end - request)
            self.gone_by(wire, approved.instrument, order)
        if not approved.is_good(self.core.c.totals.halt_epoch, now_ns):
            return None
        approved.redeem(self.core.c.totals.halt_epoch, now_ns)
        try:
            wire.put(request, end - request)
        except (OSError, RuntimeError) as error:
            failure = type(error).__name__
        # The bytes are gone: all that is kept about them comes after.
        self.began_ns, self.sent_ns = began_ns, steady_ns()
        budget.spend(began_ns / 1e9, budget.weight)
        wire.is_free = False
        gone = self.gone_by(self.free.pop(), approved.instrument, order)
        gone.failure = failure
        (<Wired>gone.connection).gone = gone
        return gone

    cdef Gone gone_by(self, connection, int32_t instrument, const order_t *order):
        """What is kept about a request that this connection carries. order: of a cancel, else NULL."""
        cdef Gone gone = Gone.__new__(Gone)
        gone.lane, gone.connection, gone.failure, gone.instrument = self, connection, "", instrument
        if order != NULL:
            gone.is_cancel, gone.order = True, order[0]
        return gone

    cdef OrderWire warmest(self):
        """The wire used last of those that may carry a request; None where there is none."""
        cdef OrderWire wire
        if not self.free:
            return None
        wire = (<Wired?>self.free[len(self.free) - 1]).wire
        return wire if wire is not None and wire.is_free else None

    cdef char *build(self, char *request, int32_t instrument, uint32_t side, uint32_t order_type, int64_t price_ticks,
                     int64_t size_lots, uint64_t order_no, int64_t now_ns) except? NULL:
        """The whole request of an order; its end, or NULL where there is no template for it yet."""
        cdef char name[NAME_ROOM]
        cdef size_t size
        found = self.templates.get(instrument << 6 | side << 3 | order_type)
        if found is None or found[0] is not self.instruments[instrument]:
            return NULL
        size = self.put_name(name, order_no)
        return (<RequestTemplate?>found[1]).put_order(
            request, size_lots, 0 if order_type == ORDER_MARKET else price_ticks, name, size, self.clock.timestamp_ms(now_ns))

    cdef char *build_cancel(self, char *request, const order_t *order, int64_t now_ns) except? NULL:
        """The whole request of a cancel, by the venue's id where it is known, else by ours; NULL where there is nothing to
        cancel, or no template."""
        cdef char name[NAME_ROOM]
        cdef size_t size
        if order == NULL or not order.open_:
            return NULL
        found = self.cancels.get(order.instrument)
        if found is None or found[0] is not self.instruments[order.instrument]:
            return NULL
        size = strnlen(order.venue_order_id, sizeof(order.venue_order_id))
        if size:
            return (<RequestTemplate?>found[1]).put_naming(
                request, b"orderId", 7, order.venue_order_id, size, self.clock.timestamp_ms(now_ns))
        size = self.put_name(name, order.order_no)
        return (<RequestTemplate?>found[1]).put_naming(
            request, b"origClientOrderId", 17, name, size, self.clock.timestamp_ms(now_ns))

    cdef size_t put_name(self, char *name, uint64_t order_no) noexcept:
        """Write an order's client id into NAME_ROOM bytes; its length."""
        return request_put_number(request_put(name, <char *>self.prefix, len(self.prefix)), order_no) - name
