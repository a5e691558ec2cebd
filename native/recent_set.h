/* The last N keys seen: a ring in order of arrival and an open-addressing index over it.
 * Exact, bounded, no allocation after start. */
#pragma once
#include <stdint.h>
#include <string.h>

#define RECENT_KEYS 4096u /* a power of two */
#define RECENT_SLOTS (RECENT_KEYS * 2u)

typedef struct {
    uint64_t keys[RECENT_KEYS]; /* ring, 0 unused */
    uint16_t slots[RECENT_SLOTS]; /* position in the ring + 1; 0 empty */
    uint64_t count;               /* keys ever added */
} recent_set_t;

static inline uint32_t recent_home(uint64_t key) { return (uint32_t)((key * 0x9E3779B97F4A7C15ull) >> 40) & (RECENT_SLOTS - 1); }

static inline void recent_clear(recent_set_t *set) { memset(set, 0, sizeof *set); }

static inline uint32_t recent_find(const recent_set_t *set, uint64_t key) {
    uint32_t slot = recent_home(key);
    while (set->slots[slot] && set->keys[set->slots[slot] - 1] != key) slot = (slot + 1) & (RECENT_SLOTS - 1);
    return slot;
}

static inline int recent_has(const recent_set_t *set, uint64_t key) { return key && set->slots[recent_find(set, key)] != 0; }

/* Empties one slot and moves back what probing had pushed past it (Knuth, TAOCP 6.4, algorithm R). */
static inline void recent_erase(recent_set_t *set, uint32_t hole) {
    uint32_t slot = hole;
    set->slots[hole] = 0;
    for (;;) {
        slot = (slot + 1) & (RECENT_SLOTS - 1);
        if (!set->slots[slot]) return;
        uint32_t home = recent_home(set->keys[set->slots[slot] - 1]);
        if (((slot - home) & (RECENT_SLOTS - 1)) < ((slot - hole) & (RECENT_SLOTS - 1))) continue;
        set->slots[hole] = set->slots[slot];
        set->slots[slot] = 0;
        hole = slot;
    }
}

/* Adds a key; answers 0 where it is among the last N already (or is 0, which is no key). The oldest makes room. */
static inline int recent_add(recent_set_t *set, uint64_t key) {
    if (!key || recent_has(set, key)) return 0;
    uint32_t place = (uint32_t)(set->count & (RECENT_KEYS - 1));
    if (set->keys[place]) recent_erase(set, recent_find(set, set->keys[place]));
    set->keys[place] = key;
    set->slots[recent_find(set, key)] = (uint16_t)(place + 1);
    set->count++;
    return 1;
}

/* A key may be added soon: have its place at hand. */
static inline void recent_expect(const recent_set_t *set) {
    __builtin_prefetch(&set->keys[set->count & (RECENT_KEYS - 1)], 1);
    __builtin_prefetch(&set->count, 1);
}

/* FNV-1a over bytes, never 0: a key for a textual id. */
static inline uint64_t recent_key(const char *bytes, size_t length) {
    uint64_t hash = 0xCBF29CE484222325ull;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001B3ull;
    return hash ? hash : 1;
}
