/* One price level, as books, decoders and snapshots share it. */
#pragma once
#include <stdint.h>

typedef struct {
    int64_t price_ticks; /* price in units of 10^-price_decimals of the instrument */
    int64_t size_lots;   /* size in units of 10^-size_decimals; 0 removes the level */
} level_t;
