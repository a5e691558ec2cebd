"""MEXC's websocket messages as protobuf classes, built at import from one table.

The local venue writes with them and the tests and benchmarks read with them; the engine's own path never
does (native/mexc_protobuf.h). Field numbers: MEXC's published push messages of 2026-06, spot v3.
"""

from __future__ import annotations

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

_PACKAGE = "penstock.mexc"
_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {"s": _FIELD.TYPE_STRING, "i32": _FIELD.TYPE_INT32, "i64": _FIELD.TYPE_INT64, "b": _FIELD.TYPE_BOOL}

# message -> "name=number type"; a trailing ? is proto3 optional, a leading * repeated, other types are messages.
_MESSAGES: dict[str, str] = {
    "Level": "price=1:s quantity=2:s",
    "Deal": "price=1:s quantity=2:s tradeType=3:i32 time=4:i64 tradeId=5:s",
    "PublicAggreDeals": "*deals=1:Deal eventType=2:s",
    "PublicAggreDepths": "*asks=1:Level *bids=2:Level eventType=3:s fromVersion=4:s toVersion=5:s lastOrderCreateTime=6:i64",
    "PublicLimitDepths": "*asks=1:Level *bids=2:Level eventType=3:s version=4:s lastOrderCreateTime=5:i64",
    "PublicAggreBookTicker": "bidPrice=1:s bidQuantity=2:s askPrice=3:s askQuantity=4:s version=5:s lastOrderCreateTime=6:i64",
    "PublicBookTicker": "bidPrice=1:s bidQuantity=2:s askPrice=3:s askQuantity=4:s",
    "PublicBookTickerBatch": "*items=1:PublicBookTicker version=2:s lastOrderCreateTime=3:i64",
    "PublicSpotKline": "interval=1:s windowStart=2:i64 openingPrice=3:s closingPrice=4:s highestPrice=5:s lowestPrice=6:s "
    "volume=7:s amount=8:s windowEnd=9:i64",
    "PublicMiniTicker": "symbol=1:s price=2:s rate=3:s zonedRate=4:s high=5:s low=6:s volume=7:s quantity=8:s "
    "lastCloseRate=9:s lastCloseZonedRate=10:s lastCloseHigh=11:s lastCloseLow=12:s",
    "PublicMiniTickers": "*items=1:PublicMiniTicker",
    "PrivateAccount": "vcoinName=1:s coinId=2:s balanceAmount=3:s balanceAmountChange=4:s frozenAmount=5:s "
    "frozenAmountChange=6:s type=7:s time=8:i64",
    "PrivateDeals": "price=1:s quantity=2:s amount=3:s tradeType=4:i32 isMaker=5:b isSelfTrade=6:b tradeId=7:s "
    "clientOrderId=8:s orderId=9:s feeAmount=10:s feeCurrency=11:s time=12:i64",
    "PrivateOrders": "id=1:s clientId=2:s price=3:s quantity=4:s amount=5:s avgPrice=6:s orderType=7:i32 tradeType=8:i32 "
    "isMaker=9:b remainAmount=10:s remainQuantity=11:s lastDealQuantity=12:s? cumulativeQuantity=13:s cumulativeAmount=14:s "
    "status=15:i32 createTime=16:i64",
    "PushDataV3ApiWrapper": "channel=1:s symbol=3:s? symbolId=4:s? createTime=5:i64? sendTime=6:i64?",
}
_BODIES = {
    "publicLimitDepths": (303, "PublicLimitDepths"),
    "privateOrders": (304, "PrivateOrders"),
    "privateDeals": (306, "PrivateDeals"),
    "privateAccount": (307, "PrivateAccount"),
    "publicSpotKline": (308, "PublicSpotKline"),
    "publicMiniTicker": (309, "PublicMiniTicker"),
    "publicMiniTickers": (310, "PublicMiniTickers"),
    "publicBookTickerBatch": (311, "PublicBookTickerBatch"),
    "publicAggreDepths": (313, "PublicAggreDepths"),
    "publicAggreDeals": (314, "PublicAggreDeals"),
    "publicAggreBookTicker": (315, "PublicAggreBookTicker"),
}


def _add_field(message: descriptor_pb2.DescriptorProto, text: str) -> None:
    name, _, rest = text.partition("=")
    number, _, kind = rest.partition(":")
    field = message.field.add(name=name.lstrip("*"), number=int(number))
    field.label = _FIELD.LABEL_REPEATED if name.startswith("*") else _FIELD.LABEL_OPTIONAL
    if kind.endswith("?"):
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")
        kind = kind[:-1]
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type = _FIELD.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"


def _build() -> dict[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name="penstock_mexc.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == "PushDataV3ApiWrapper":
            message.oneof_decl.add(name="body")
            for body, (number, kind) in _BODIES.items():
                message.field.add(
                    name=body, number=number, label=_FIELD.LABEL_OPTIONAL, type=_FIELD.TYPE_MESSAGE,
                    type_name=f".{_PACKAGE}.{kind}", oneof_index=0,
                )  # fmt: skip
        for text in fields.split():
            _add_field(message, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _build()
PushDataV3ApiWrapper = _CLASSES["PushDataV3ApiWrapper"]
