/* Symbols by name: a small open-addressing hash table that gives each an index and its scales. */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOL_MAX_LENGTH = 31, SYMBOL_MAX_DECIMALS = 18, SYMBOL_TABLE_MAX = 1 << 16 };

typedef enum {
    SYMBOL_NOT_FOUND = -1,
    SYMBOL_TABLE_FULL = -2,
    SYMBOL_BAD_NAME = -3, /* empty or longer than 31 bytes */
    SYMBOL_DUPLICATE = -4,
    SYMBOL_BAD_DECIMALS = -5,
    SYMBOL_NO_MEMORY = -6
} symbol_status_t;

typedef struct {
    char text[SYMBOL_MAX_LENGTH + 1]; /* zero padded */
    uint32_t length;
    uint16_t price_decimals;
    uint16_t size_decimals;
} symbol_t;

typedef struct {
    symbol_t *symbols; /* by index, in order of adding */
    int32_t *slots;    /* an index, or -1; at least twice as many as symbols, so that every probe ends */
    uint32_t n;
    uint32_t max_symbols;
    uint32_t slot_mask;
} symbol_table_t;

static inline uint32_t symbol_hash(const void *text, size_t length) {
    const char *p = (const char *)text;
    uint64_t head = 0, tail = 0, hash;

    if (length >= 8) { /* the two may overlap; a long symbol's middle is left to the comparison */
        memcpy(&head, p, 8);
        memcpy(&tail, p + length - 8, 8);
    } else if (length >= 4) {
        memcpy(&head, p, 4);
        memcpy(&tail, p + length - 4, 4);
    } else {
        while (length--) head = head << 8 | (uint8_t)*p++;
    }
    hash = (head ^ (tail << 29 | tail >> 35)) * 0x9E3779B97F4A7C15ULL;
    return (uint32_t)(hash >> 32) ^ (uint32_t)(hash >> 16);
}

/* The index of a symbol, or SYMBOL_NOT_FOUND. */
static inline int32_t symbol_find(const symbol_table_t *table, const void *text, size_t length) {
    uint32_t slot;
    int32_t index;

    if (length == 0 || length > SYMBOL_MAX_LENGTH || table->n == 0) return SYMBOL_NOT_FOUND;
    slot = symbol_hash(text, length) & table->slot_mask;
    while ((index = table->slots[slot]) >= 0) {
        const symbol_t *symbol = table->symbols + index;
        if (symbol->length == length && memcmp(symbol->text, text, length) == 0) return index;
        slot = (slot + 1) & table->slot_mask;
    }
    return SYMBOL_NOT_FOUND;
}

/* The new symbol's index, from 0 upwards, or a negative symbol_status_t. */
static inline int32_t symbol_add(symbol_table_t *table, const void *text, size_t length,
                                 unsigned price_decimals, unsigned size_decimals) {
    symbol_t *symbol;
    uint32_t slot;

    if (length == 0 || length > SYMBOL_MAX_LENGTH) return SYMBOL_BAD_NAME;
    if (price_decimals > SYMBOL_MAX_DECIMALS || size_decimals > SYMBOL_MAX_DECIMALS)
        return SYMBOL_BAD_DECIMALS;
    if (symbol_find(table, text, length) >= 0) return SYMBOL_DUPLICATE;
    if (table->n == table->max_symbols) return SYMBOL_TABLE_FULL;
    symbol = table->symbols + table->n;
    memset(symbol, 0, sizeof *symbol);
    memcpy(symbol->text, text, length);
    symbol->length = (uint32_t)length;
    symbol->price_decimals = (uint16_t)price_decimals;
    symbol->size_decimals = (uint16_t)size_decimals;
    slot = symbol_hash(text, length) & table->slot_mask;
    while (table->slots[slot] >= 0) slot = (slot + 1) & table->slot_mask;
    table->slots[slot] = (int32_t)table->n;
    return (int32_t)table->n++;
}

static inline void symbol_table_free(symbol_table_t *table) {
    free(table->symbols);
    free(table->slots);
    memset(table, 0, sizeof *table);
}

/* An empty table for at most max_symbols: 0 or SYMBOL_NO_MEMORY. */
static inline int symbol_table_init(symbol_table_t *table, uint32_t max_symbols) {
    uint32_t n_slots = 16;

    memset(table, 0, sizeof *table);
    if (max_symbols > SYMBOL_TABLE_MAX) return SYMBOL_TABLE_FULL;
    while (n_slots < 2 * max_symbols + 1) n_slots *= 2;
    table->symbols = (symbol_t *)malloc((max_symbols + 1) * sizeof *table->symbols);
    table->slots = (int32_t *)malloc(n_slots * sizeof *table->slots);
    if (!table->symbols || !table->slots) {
        symbol_table_free(table);
        return SYMBOL_NO_MEMORY;
    }
    memset(table->slots, 0xff, n_slots * sizeof *table->slots);
    table->max_symbols = max_symbols;
    table->slot_mask = n_slots - 1;
    return 0;
}
