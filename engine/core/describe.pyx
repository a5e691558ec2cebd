"""Records for people: an event or action as a dict, for journal show, divergences and tests."""

from libc.stdint cimport uint16_t
from libc.string cimport memcpy

from engine.core.event cimport *
from engine.core.money cimport money_get, money_int

from engine.core import enums
from engine.core.risk.reasons import Reason


cdef str text_of(const char* field, size_t room):
    return field[:room].split(b"\0", 1)[0].decode("utf-8", "replace")


cdef object named(enum, value):
    try:
        return enum(value).name
    except ValueError:
        return value


cdef dict header_of(const event_t* e):
    fields = {"seq": e.seq, "ts_recv_ns": e.ts_recv_ns, "kind": named(enums.EventKind, e.kind), "source": e.source}
    if e.instrument >= 0:
        fields["instrument"] = e.instrument
    if e.ts_event_ns:
        fields["ts_event_ns"] = e.ts_event_ns
    return fields


cdef dict place_of(const place_t* body):
    return {
        "order_no": body.order_no, "intent_no": body.intent_no, "side": named(enums.Side, body.side),
        "order_type": named(enums.OrderType, body.order_type), "price_ticks": body.price_ticks, "size_lots": body.size_lots,
        "notional": money_int(money_get(body.notional)), "expires_ns": body.expires_ns, "halt_epoch": body.halt_epoch,
        "intent_hash": f"{body.intent_hash:016x}",
    }


cdef dict denied_of(const denied_t* body):
    return {
        "intent_no": body.intent_no, "reason": named(Reason, body.reason), "side": named(enums.Side, body.side),
        "order_type": named(enums.OrderType, body.order_type), "price_ticks": body.price_ticks, "size_lots": body.size_lots,
        "limit": money_int(money_get(body.limit)), "value": money_int(money_get(body.value)),
    }


cdef dict update_of(const order_update_t* body):
    fields = {"order_no": body.order_no, "report": named(enums.OrderReport, body.report), "venue_code": body.venue_code,
              "venue_order_id": text_of(body.venue_order_id, 48), "text": text_of(body.text, 56)}
    if body.cumulative_lots >= 0:
        fields["cumulative_lots"] = body.cumulative_lots
        fields["cumulative_money"] = money_int(money_get(body.cumulative_money))
    return fields


cdef dict fill_of(const fill_t* body):
    return {
        "order_no": body.order_no, "side": named(enums.Side, body.side), "price_ticks": body.price_ticks,
        "size_lots": body.size_lots, "money": money_int(money_get(body.money)), "fee": money_int(money_get(body.fee)),
        "fee_asset": text_of(body.fee_asset, 16), "is_maker": bool(body.is_maker), "trade_id": text_of(body.trade_id, 56),
    }


cdef dict listing_of(const listing_t* body):
    """What the source said; what it did not say is left out."""
    numbers = {
        "open_time_ms": body.open_time_ms, "status": body.status, "api_allowed": body.api_allowed,
        "trade_side_type": body.trade_side_type, "order_types": body.order_types, "price_decimals": body.price_decimals,
        "size_decimals": body.size_decimals, "band_up_ppm": body.band_up_ppm, "band_down_ppm": body.band_down_ppm,
    }
    fields = {"from": named(enums.ListingSource, body.source), "change": named(enums.ListingChange, body.change),
              "symbol": text_of(body.symbol, 32), "listing_id": text_of(body.listing_id, 40), "text": text_of(body.text, 128)}
    fields.update((name, value) for name, value in numbers.items() if value != -1)
    if body.venue_codes[0] != -1:
        fields["venue_codes"] = [body.venue_codes[0], body.venue_codes[1], body.venue_codes[2]]
    if body.price.low or body.price.high:
        fields["price"] = money_int(money_get(body.price))
    return fields


cdef dict body_of(const event_t* e, const char* body):
    cdef uint16_t kind = e.kind
    if kind == ACTION_PLACE and e.length == sizeof(place_t):
        return place_of(<const place_t*>body)
    if kind == ACTION_DENIED and e.length == sizeof(denied_t):
        return denied_of(<const denied_t*>body)
    if kind in (ACTION_CANCEL, ACTION_QUERY) and e.length == sizeof(cancel_t):
        return {"order_no": (<const cancel_t*>body).order_no}
    if kind == EVENT_ORDER_UPDATE and e.length == sizeof(order_update_t):
        return update_of(<const order_update_t*>body)
    if kind == EVENT_FILL and e.length == sizeof(fill_t):
        return fill_of(<const fill_t*>body)
    if kind == EVENT_COMMAND and e.length == sizeof(command_t):
        return {"command": named(enums.CommandKind, (<const command_t*>body).command),
                "at_intent": (<const command_t*>body).at_intent,
                "idempotency_id": text_of((<const command_t*>body).idempotency_id, 40)}
    if kind in (ACTION_ALERT, ACTION_STRATEGY_STOPPED) and e.length == sizeof(alert_t):
        return {"code": (<const alert_t*>body).code, "text": text_of((<const alert_t*>body).text, 120)}
    if kind in (EVENT_CONFIG, NOTE_SNAPSHOT, NOTE_SEALED, NOTE_RESTARTED):
        return {"document": body[:e.length].decode("utf-8", "replace")}
    return other_of(e, body)


cdef dict other_of(const event_t* e, const char* body):
    cdef uint16_t kind = e.kind
    if kind == ACTION_BREAKER and e.length == sizeof(breaker_t):
        return {"breaker": (<const breaker_t*>body).breaker, "open": bool((<const breaker_t*>body).open),
                "limit": money_int(money_get((<const breaker_t*>body).limit)),
                "value": money_int(money_get((<const breaker_t*>body).value))}
    if kind == ACTION_EQUITY and e.length == sizeof(equity_t):
        return {"equity": money_int(money_get((<const equity_t*>body).equity)),
                "peak": money_int(money_get((<const equity_t*>body).peak))}
    if kind == ACTION_RESYNC and e.length == sizeof(resync_t):
        return {"reason": (<const resync_t*>body).reason, "attempt": (<const resync_t*>body).attempt}
    if kind == EVENT_BALANCE and e.length == sizeof(balance_t):
        return {"asset": text_of((<const balance_t*>body).asset, 16), "free": money_int(money_get((<const balance_t*>body).free)),
                "locked": money_int(money_get((<const balance_t*>body).locked)),
                "absolute": bool((<const balance_t*>body).absolute)}
    if kind in (ACTION_SET_TIMER, EVENT_TIMER) and e.length == sizeof(timer_t):
        return {"timer_id": (<const timer_t*>body).timer_id, "strategy": (<const timer_t*>body).strategy,
                "due_ns": (<const timer_t*>body).due_ns}
    if kind == EVENT_INSTRUMENT and e.length == sizeof(instrument_t):
        return {"symbol": text_of((<const instrument_t*>body).symbol, 32), "tradable": (<const instrument_t*>body).tradable,
                "opens_ns": (<const instrument_t*>body).opens_ns}
    if kind == EVENT_CONFLATION and e.length == sizeof(conflation_t):
        return {"on": bool((<const conflation_t*>body).on), "frames": (<const conflation_t*>body).frames,
                "lag_ns": (<const conflation_t*>body).lag_ns}
    if kind == EVENT_LISTING and e.length == sizeof(listing_t):
        return listing_of(<const listing_t*>body)
    if kind == ACTION_WATCH and e.length == sizeof(watch_t):
        return {"symbol": text_of((<const watch_t*>body).symbol, 32), "on": bool((<const watch_t*>body).on)}
    if kind == ACTION_MEMO and e.length >= sizeof(memo_t):
        return {"strategy": e.source, "key": text_of((<const memo_t*>body).key, 48),
                "value": body[sizeof(memo_t):e.length].decode("utf-8", "replace")}
    if kind == EVENT_START and e.length == sizeof(start_t):
        return {"session": (<const start_t*>body).session, "run_id": text_of((<const start_t*>body).run_id, 16)}
    return {"bytes": e.length}


def describe(record: bytes) -> dict:
    """One record, header and body, as plain values; ValueError where it is shorter than it says."""
    cdef event_t header
    if <size_t>len(record) < sizeof(event_t):
        raise ValueError("a record is at least its header")
    memcpy(&header, <const char*>record, sizeof(event_t))
    if <size_t>len(record) < sizeof(event_t) + header.length:
        raise ValueError("a record is shorter than its header says")
    return {**header_of(&header), **body_of(&header, <const char*>record + sizeof(event_t))}
