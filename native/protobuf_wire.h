/* The protobuf wire format: one field at a time out of bytes that nobody vouches for.
 * Format: protobuf.dev/programming-guides/encoding. Groups, long out of use, are refused.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

#define WIRE_TAG(number, type) ((uint32_t)(number) << 3 | (type))

typedef enum {
    WIRE_OK = 0,
    WIRE_TRUNCATED = 1,
    WIRE_BAD_VARINT = 2, /* more than 64 bits, or a tag of more than 32 */
    WIRE_BAD_TYPE = 3,   /* a group, or a type that does not exist */
    WIRE_BAD_FIELD = 4   /* field number 0 */
} wire_status_t;

/* Bytes of somebody else's memory; for text, without a zero at the end. */
typedef struct {
    const uint8_t *p;
    size_t n;
} slice_t;

typedef struct {
    const uint8_t *p;
    const uint8_t *end;
} wire_t;

typedef struct {
    uint32_t tag;    /* number << 3 | type, 0 until read */
    uint64_t varint; /* of a varint field */
    slice_t bytes;   /* of a bytes field */
} wire_field_t;

/* A varint at p; returns where it ends, or NULL with a wire_status_t in *out. */
static __attribute__((noinline)) const uint8_t *wire_read_long_varint(const uint8_t *p, const uint8_t *end,
                                                                      uint64_t *out) {
    uint64_t value = 0;
    unsigned shift;

    *out = WIRE_BAD_VARINT;
    for (shift = 0; shift < 70; shift += 7) {
        if (p == end) {
            *out = WIRE_TRUNCATED;
            return NULL;
        }
        value |= (uint64_t)(*p & 0x7f) << shift;
        if (*p++ < 0x80) {
            if (shift == 63 && p[-1] > 1) return NULL;
            *out = value;
            return p;
        }
    }
    return NULL;
}

static inline __attribute__((always_inline)) int wire_read_varint(wire_t *wire, uint64_t *out) {
    const uint8_t *p = wire->p;
    uint64_t value;

    if (__builtin_expect(p < wire->end && *p < 0x80, 1)) {
        *out = *p;
        wire->p = p + 1;
        return WIRE_OK;
    }
    p = wire_read_long_varint(p, wire->end, &value);
    if (!p) return (int)value;
    *out = value;
    wire->p = p;
    return WIRE_OK;
}

/* Read the next field, whatever it is, and move behind it; only where wire->p < wire->end. Inlined, so that
 * the field stays in registers: loops over levels live on that. */
static inline __attribute__((always_inline)) int wire_next(wire_t *wire, wire_field_t *field) {
    uint64_t value = 0;
    int status;

    field->tag = 0;
    status = wire_read_varint(wire, &value);
    if (status != WIRE_OK) return status;
    if (value > UINT32_MAX) return WIRE_BAD_VARINT;
    if (value >> 3 == 0) return WIRE_BAD_FIELD;
    field->tag = (uint32_t)value;
    switch (value & 7) {
    case WIRE_VARINT: return wire_read_varint(wire, &field->varint);
    case WIRE_BYTES:
        status = wire_read_varint(wire, &value);
        if (status != WIRE_OK) return status;
        field->bytes.p = wire->p;
        break;
    case WIRE_FIXED64: value = 8; break;
    case WIRE_FIXED32: value = 4; break;
    default: return WIRE_BAD_TYPE;
    }
    if (value > (uint64_t)(wire->end - wire->p)) return WIRE_TRUNCATED;
    field->bytes.n = (size_t)value;
    wire->p += value;
    return WIRE_OK;
}
