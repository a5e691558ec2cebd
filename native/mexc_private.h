/* The private bodies: orders (304), deals (306), account (307). */
#pragma once
#include "native/mexc_frame.h"

static inline int mexc_decode_order(wire_t wire, mexc_frame_t *frame) {
    mexc_order_t *order = &frame->order;
    wire_field_t f = {0};
    int error = MEXC_OK;

    memset(order, 0, sizeof *order);
    while (error == MEXC_OK && wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != MEXC_OK) break;
        switch (f.tag) {
        case WIRE_TAG(1, WIRE_BYTES): order->id = f.bytes; break;
        case WIRE_TAG(2, WIRE_BYTES): order->client_id = f.bytes; break;
        case WIRE_TAG(3, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &order->price); break;
        case WIRE_TAG(4, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &order->quantity); break;
        case WIRE_TAG(5, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &order->amount); break;
        case WIRE_TAG(6, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &order->avg_price); break;
        case WIRE_TAG(7, WIRE_VARINT): order->order_type = (int32_t)f.varint; break;
        case WIRE_TAG(8, WIRE_VARINT): order->trade_type = (int32_t)f.varint; break;
        case WIRE_TAG(9, WIRE_VARINT): order->is_maker = f.varint != 0; break;
        case WIRE_TAG(10, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &order->remain_amount); break;
        case WIRE_TAG(11, WIRE_BYTES):
            error = mexc_read_money(frame, f.bytes, &order->remain_quantity);
            break;
        case WIRE_TAG(12, WIRE_BYTES):
            error = mexc_read_money(frame, f.bytes, &order->last_deal_quantity);
            break;
        case WIRE_TAG(13, WIRE_BYTES):
            error = mexc_read_money(frame, f.bytes, &order->cumulative_quantity);
            break;
        case WIRE_TAG(14, WIRE_BYTES):
            error = mexc_read_money(frame, f.bytes, &order->cumulative_amount);
            break;
        case WIRE_TAG(15, WIRE_VARINT): order->status = (int32_t)f.varint; break;
        case WIRE_TAG(16, WIRE_VARINT): error = mexc_read_time(f.varint, &order->create_time_ms); break;
        default: continue;
        }
        mexc_mark_present(&order->present, &f);
    }
    return error;
}

static inline int mexc_decode_private_deal(wire_t wire, mexc_frame_t *frame) {
    mexc_private_deal_t *deal = &frame->deal;
    wire_field_t f = {0};
    int error = MEXC_OK;

    memset(deal, 0, sizeof *deal);
    while (error == MEXC_OK && wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != MEXC_OK) break;
        switch (f.tag) {
        case WIRE_TAG(1, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &deal->price); break;
        case WIRE_TAG(2, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &deal->quantity); break;
        case WIRE_TAG(3, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &deal->amount); break;
        case WIRE_TAG(4, WIRE_VARINT): deal->trade_type = (int32_t)f.varint; break;
        case WIRE_TAG(5, WIRE_VARINT): deal->is_maker = f.varint != 0; break;
        case WIRE_TAG(6, WIRE_VARINT): deal->is_self_trade = f.varint != 0; break;
        case WIRE_TAG(7, WIRE_BYTES): deal->trade_id = f.bytes; break;
        case WIRE_TAG(8, WIRE_BYTES): deal->client_order_id = f.bytes; break;
        case WIRE_TAG(9, WIRE_BYTES): deal->order_id = f.bytes; break;
        case WIRE_TAG(10, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &deal->fee_amount); break;
        case WIRE_TAG(11, WIRE_BYTES): deal->fee_currency = f.bytes; break;
        case WIRE_TAG(12, WIRE_VARINT): error = mexc_read_time(f.varint, &deal->time_ms); break;
        default: continue;
        }
        mexc_mark_present(&deal->present, &f);
    }
    return error;
}

static inline int mexc_decode_account(wire_t wire, mexc_frame_t *frame) {
    mexc_account_t *account = &frame->account;
    wire_field_t f = {0};
    int error = MEXC_OK;

    memset(account, 0, sizeof *account);
    while (error == MEXC_OK && wire.p < wire.end) {
        if ((error = wire_next(&wire, &f)) != MEXC_OK) break;
        switch (f.tag) {
        case WIRE_TAG(1, WIRE_BYTES): account->asset = f.bytes; break;
        case WIRE_TAG(2, WIRE_BYTES): account->coin_id = f.bytes; break;
        case WIRE_TAG(3, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &account->balance); break;
        case WIRE_TAG(4, WIRE_BYTES):
            error = mexc_read_money(frame, f.bytes, &account->balance_change);
            break;
        case WIRE_TAG(5, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &account->frozen); break;
        case WIRE_TAG(6, WIRE_BYTES): error = mexc_read_money(frame, f.bytes, &account->frozen_change); break;
        case WIRE_TAG(7, WIRE_BYTES): account->type = f.bytes; break;
        case WIRE_TAG(8, WIRE_VARINT): error = mexc_read_time(f.varint, &account->time_ms); break;
        default: continue;
        }
        mexc_mark_present(&account->present, &f);
    }
    return error;
}
