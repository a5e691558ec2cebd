"""What comes out of the core: journaled, and then acted on."""

from libc.stdint cimport uint64_t

from engine.core.event cimport *
from engine.core.risk.gate cimport Approved
from native.histogram cimport Histogram
from native.log_writer cimport LOG_OK

from engine.core import enums, event as events
from engine.core.describe import describe
from native.log_writer import LogError


cdef class Outputs(Outlet):
    """The side of a sequencer that faces outwards: the rim, the executor, the journal, and what is counted."""

    def __cinit__(self, *_, **__):
        self.counters = {}
        self.due = []
        self.refusing = set()

    def bind_executor(self, Executor executor not None) -> None:
        """Give approvals to an executor without a detour over the rim."""
        self.executor = executor

    def count(self, name: str, by: int = 1) -> int:
        """Count one oddity by its dotted name; answers how many there were."""
        total = self.counters.get(name, 0) + by
        self.counters[name] = total
        return total

    def alert(self, text: str) -> None:
        """Tell people what an adapter has found. It changes no state: it is not journaled."""
        self.rim.on_notice({"kind": "ADAPTER", "text": text})

    def observe(self, stage: str, duration_ns: int) -> None:
        """Add one duration to a stage's histogram."""
        histogram = self.stages.get(stage)
        if histogram is None:
            histogram = self.stages[stage] = Histogram()
        histogram.record(duration_ns)

    cdef int tell(self, str what, error) except -1:
        """A fault, while an event or outputs are still at hand: what the rim puts in on hearing of it waits its turn."""
        cdef bint was_busy = self.busy
        self.busy = True
        try:
            self.rim.on_fault(what, error)
        finally:
            self.busy = was_busy
        return 0

    cdef int lose_journal(self) except -1:
        if not self.journal_failed:
            self.journal_failed = True
            self.count("journal.failed")
            self.core.c.journal_broken = 1
            self.tell("the journal or tape cannot be written: trading stops", LogError("append failed"))
        return 0

    cdef int keep_outputs(self) except -1:
        """Each output is a record of its own; a cancel may use the room that is held back for it."""
        cdef const event_t* record
        cdef int status
        self.kept = max(self.kept, self.core.out_first)
        while self.journal is not None and self.kept < self.core.out_length:
            record = <const event_t*>(self.core.out + self.kept)
            if record.kind == ACTION_CANCEL:
                status = self.journal.append_parts_reserved(record, sizeof(event_t), record + 1, record.length)
            else:
                status = self.journal.append_parts(record, sizeof(event_t), record + 1, record.length)
            self.kept += sizeof(event_t) + record.length
            if status != LOG_OK:
                self.lose_journal()
        return 0

    cdef int on_first_cancel(self) except -1:
        """As Outlet.on_first_cancel: it is out while the core decides on the others, and so are the cancels that an event had
        waiting when the command overtook them."""
        cdef Approved approved
        if self.executor is not None:
            self.keep_outputs()
            for approved in self.core.gate.take():
                if not self.try_quick_cancel(approved):  # the longer way, or a wait: that holds nobody up
                    self.flush_due()
                    self.submit_cancel(approved)
            self.flush_due()
        return 0

    cdef int try_quick_cancel(self, Approved approved) except -1:
        try:
            return approved.is_cancel and self.executor.try_cancel(approved)
        except Exception as error:  # whatever it is, the core goes on to the other orders
            self.tell(f"order {approved.order_no} could not be cancelled at once", error)
        return False

    cdef int flush_due(self) except -1:
        """The cancels that are due, one behind the other: no command is looked for between them."""
        while self.due:
            self.submit_cancel(<Approved>self.due.pop(0))
        return 0

    cdef int hand_out(self, bytes outputs) except -1:
        """Give the rim what the core asks for. What could not be journaled is not sent, but for cancels."""
        cdef const char* start = outputs
        cdef size_t at = 0
        cdef const event_t* record
        cdef const watch_t* watched
        cdef const memo_t* memo
        self.send(self.core.gate.take())
        while at < <size_t>len(outputs):
            record = <const event_t*>(start + at)
            if self.is_followed:
                self.let_overtake()
            if record.kind == ACTION_RESYNC:
                self.rim.on_resync(record.instrument, (<const resync_t*>(record + 1)).attempt)
            elif record.kind == ACTION_QUERY:
                self.rim.on_query((<const cancel_t*>(record + 1)).order_no)
            elif record.kind == ACTION_SET_TIMER:
                self.rim.on_timer_set((<const timer_t*>(record + 1)).timer_id, (<const timer_t*>(record + 1)).strategy,
                                      (<const timer_t*>(record + 1)).due_ns)
            elif record.kind == ACTION_WATCH:
                watched = <const watch_t*>(record + 1)
                self.rim.on_watch(watched.symbol[:32].split(b"\0", 1)[0].decode("ascii"), bool(watched.on))
            elif record.kind == ACTION_MEMO:
                memo = <const memo_t*>(record + 1)
                key = memo.key[:48].split(b"\0", 1)[0].decode("ascii", "replace")
                self.rim.on_memo(record.source, key, (<const char*>(memo + 1))[:record.length - sizeof(memo_t)])
            elif record.kind in (ACTION_ALERT, ACTION_BREAKER, ACTION_STRATEGY_STOPPED):
                self.rim.on_notice(describe(outputs[at:at + sizeof(event_t) + record.length]))
            at += sizeof(event_t) + record.length
        return 0

    cdef int send(self, list approvals) except -1:
        """Cancels first, as urgent as any command; then orders, and a command that has come meanwhile overtakes each of those:
        the first one, too, where more was read. Once more it is looked for before all that is kept about what was sent."""
        cdef Approved approved
        cdef Py_ssize_t orders = 0
        cdef bint begins_batch = self.executor is not None and not self.executor.in_batch, was_sent
        try:
            if begins_batch:
                self.executor.in_batch = True
            for approved in approvals:
                if approved.is_cancel:
                    self.due.append(approved)
                else:
                    orders += 1
            if orders and (len(approvals) > 1 or self.is_followed or self.due) and self.executor is not None:
                self.executor.expect(approvals)
            was_sent = self.send_due()
            for approved in approvals:
                if not approved.is_cancel:
                    if was_sent or self.is_followed:
                        self.let_overtake()
                    self.submit(approved)
                    was_sent = not approved.is_rehearsal
            if was_sent:
                self.let_overtake()
        finally:
            try:
                self.flush_due()  # what something that was raised has left
            finally:
                if begins_batch:
                    self.executor.end_batch()
        return 0

    cdef int send_due(self) except -1:
        """The cancels that are due; whether there were any. Where more was read a command is looked for before the next one."""
        cdef Approved approved
        cdef bint was_sent = False
        while self.due:
            approved = self.due.pop(0)
            self.submit_cancel(approved)
            was_sent = not approved.is_rehearsal
            if was_sent and self.due and self.is_followed:
                self.let_overtake()
        return was_sent

    cdef int submit_cancel(self, Approved approved) except -1:
        """Whatever fails, the other cancels go. This one may be asked for again, and the venue is asked about its order."""
        try:
            self.submit(approved)
        except Exception as error:  # whatever it is, the core goes on to the other orders
            self.tell(f"order {approved.order_no} could not be cancelled", error)
            if not approved.is_rehearsal:
                self.refuse_cancel(approved, f"could not be sent: {type(error).__name__}")
        return 0

    cdef int refuse_cancel(self, Approved approved, str text) except -1:
        """Tell the core. A strategy that asks again on hearing of it, and fails again, hears of that when the venue has answered:
        else the two would go on without end."""
        cdef uint64_t order_no = approved.order_no
        if order_no in self.refusing and self.executor is not None:
            self.executor.resolve(order_no, after_cancel=True)
            return 0
        self.refusing.add(order_no)
        try:
            self.ingest(events.order_update(
                order_no, enums.OrderReport.CANCEL_REJECTED, instrument=approved.instrument, text=text))
        finally:
            self.refusing.discard(order_no)
        return 0

    cdef int submit(self, Approved approved) except -1:
        if self.journal_failed and not approved.is_cancel:
            self.count("journal.withheld")
        elif self.executor is not None:
            self.executor.submit(approved)
        else:
            self.rim.on_approved(approved)
        return 0

    def ingest(self, event: bytes) -> int:
        """Take in an event that came of this; as Sequencer.ingest."""
        raise TypeError(f"{type(self).__name__} takes no events")

    cdef int let_overtake(self) except -1:
        """Have a command that has come carried out now."""
        return 0
