/* The load generator of the overload and pause benchmarks, a process of its own: plays MEXC for many symbols at once.
 *
 *     flood SYMBOLS VENUE_PORT
 *
 * SYMBOLS are separated by commas; each market connection carries those that were subscribed on it. Prints `port N`, then
 * `subscribed CHANNEL` for each. On standard input it takes
 *
 *     flood SECONDS RATE ORDERS_PER_S    so many frames a second, over all connections alike, by the schedule below
 *     books                              the books as they are, after `totals FRAMES MARKED TOLD ORDERS STRANGE`
 *
 * The mix, by frames: SMALL_PERCENT depth deltas of two levels, LARGE_PERCENT of twenty, the rest a trade each. Each symbol
 * has LEVELS levels a side that never cross; a third of the changes away from the best one remove their level. Versions have
 * no holes. The books are kept here, too: a snapshot that is asked for, and `books`, tell what was made of all frames.
 *
 * The schedule is open: a frame is due at a time, carries that time as its time of sending, and is sent later where the other
 * side does not read: then the lag grows, and no frame is left out. What is due on a connection is written at once, every
 * millisecond or so: many frames to a read. Now and then, as often as orders are asked for, the size at the best bid of a frame
 * has the marker of strategy/src/marker. Orders are counted and answered as venue.h does. Says `progress SENT LAG_MS` once a
 * second, then `sent FRAMES DEPTHS TRADES BYTES NS LAG_MAX_MS` and `done`.
 */
#include <signal.h>

#include "venue.h"

enum {
    LEVELS = 64,
    SYMBOLS_MOST = 512,
    SMALL_PERCENT = 70,
    LARGE_PERCENT = 25,
    LARGE_SIDE = 10,
    BUNCH = 60000, /* bytes of a connection that are built before they are written */
    FRAME_MOST = 2048,
    MID_TICKS = 5000000, /* 50000.00 */
    MARKER_SCALE = 10000,
    MARKER = 7777,
    IDS = 9999,
    SIZE_DIGITS = 8,
    NUMBER_WIDTH = 8 /* of a price: 50000.01 */
};
#define FIRST_VERSION 82000000000ull

typedef struct {
    uint16_t price, size;
} place_t;

/* A frame with room for what changes; offsets from its first byte. */
typedef struct {
    uint16_t n, time, from, to, n_levels;
    place_t levels[2 * LARGE_SIDE]; /* asks, then bids */
    uint8_t bytes[FRAME_MOST];
} template_t;

typedef struct {
    char name[32];
    connection_t *market;
    uint64_t version;
    uint32_t lots[2][LEVELS]; /* bids, asks; 0 from the best price outwards */
    int marked;               /* the best bid has the marker: the next frame takes it away */
    template_t small, large, trade;
} symbol_t;

/* What a market connection is to be sent. */
typedef struct {
    connection_t *connection;
    symbol_t *symbols[SYMBOLS_MOST];
    uint32_t n_symbols, at;
    uint64_t built, total;
    size_t used, written;
    char bytes[BUNCH + 2 * FRAME_MOST];
} lane_t;

static struct {
    symbol_t *symbols;
    lane_t *lanes[CONNECTIONS];
    uint32_t n_symbols, n_lanes, next_id;
    uint64_t random, frames, depths, trades, n_bytes, marked, to_mark;
    int64_t lag_max_ms;
} flood;

static uint32_t draw(uint32_t below) {
    uint64_t x = flood.random;
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    flood.random = x;
    return (uint32_t)((x >> 32) * below >> 32);
}

static void put_digits(uint8_t *out, int width, uint64_t value) {
    for (int i = width - 1; i >= 0; i--, value /= 10) out[i] = (uint8_t)('0' + value % 10);
}

static void put_price(uint8_t *out, uint64_t ticks) { /* ddddd.dd */
    put_digits(out, 5, ticks / 100);
    out[5] = '.';
    put_digits(out + 6, 2, ticks % 100);
}

static void put_size(uint8_t *out, uint32_t lots) { /* 0.dddddddd */
    out[0] = '0', out[1] = '.';
    put_digits(out + 2, SIZE_DIGITS, lots);
}

static uint64_t price_of(int ask, uint32_t level) { return ask ? MID_TICKS + 1 + level : MID_TICKS - 1 - level; }

static void make_depth(template_t *frame, const char *symbol, uint32_t side) {
    char channel[96];
    uint8_t body[FRAME_MOST], item[64], *end = body, *out = frame->bytes;
    place_t within[2 * LARGE_SIDE];
    for (uint32_t i = 0; i < 2 * side; i++) {
        uint8_t *stop = put_text(put_text(item, 1, "00000.00", 8), 2, "0.00000000", 10);
        end = put_text(end, i < side ? 1 : 2, (char *)item, (size_t)(stop - item));
        within[i] = (place_t){(uint16_t)(end - body - 20), (uint16_t)(end - body - 10)};
    }
    end = put_text(end, 4, "00000000000", 11);
    size_t from = (size_t)(end - body) - 11;
    end = put_text(end, 5, "00000000000", 11);
    size_t to = (size_t)(end - body) - 11;
    int n = sprintf(channel, "spot@public.aggre.depth.v3.api.pb@10ms@%s", symbol);
    out = put_text(put_text(out, 1, channel, (size_t)n), 3, symbol, strlen(symbol));
    out = put_varint(put_varint(out, 6 << 3), (uint64_t)clock_ns(CLOCK_REALTIME) / 1000000);
    frame->time = (uint16_t)(out - frame->bytes - 6);
    out = put_text(out, 313, (char *)body, (size_t)(end - body));
    size_t start = (size_t)(out - frame->bytes) - (size_t)(end - body);
    for (uint32_t i = 0; i < 2 * side; i++)
        frame->levels[i] = (place_t){(uint16_t)(start + within[i].price), (uint16_t)(start + within[i].size)};
    frame->from = (uint16_t)(start + from), frame->to = (uint16_t)(start + to);
    frame->n_levels = (uint16_t)side;
    frame->n = (uint16_t)(out - frame->bytes);
}

static void make_trade(template_t *frame, const char *symbol) {
    char channel[96];
    uint8_t body[256], item[64], *end, *out = frame->bytes;
    uint64_t now_ms = (uint64_t)clock_ns(CLOCK_REALTIME) / 1000000;
    uint8_t *stop = put_text(put_text(item, 1, "50000.01", 8), 2, "0.00000000", 10);
    size_t size_at = (size_t)(stop - item) - 10;
    stop = put_varint(put_varint(put_varint(put_varint(stop, 3 << 3), 1), 4 << 3), now_ms);
    end = put_text(body, 1, (char *)item, (size_t)(stop - item));
    int n = sprintf(channel, "spot@public.aggre.deals.v3.api.pb@10ms@%s", symbol);
    out = put_text(put_text(out, 1, channel, (size_t)n), 3, symbol, strlen(symbol));
    out = put_varint(put_varint(out, 6 << 3), now_ms);
    frame->time = (uint16_t)(out - frame->bytes - 6);
    out = put_text(out, 314, (char *)body, (size_t)(end - body));
    frame->levels[0].size = (uint16_t)((size_t)(out - frame->bytes) - (size_t)(stop - item) + size_at);
    frame->n = (uint16_t)(out - frame->bytes);
}

/* The next size of a level: now and then none, but at the best price; no accidental marker. */
static uint32_t next_lots(uint32_t level) {
    if (level && draw(3) == 0) return 0;
    uint32_t lots = 10000 + draw(99000000);
    return lots % MARKER_SCALE == MARKER ? lots + 1 : lots;
}

/* A side's changes: the best price, or some place further out. */
static void change_side(symbol_t *symbol, template_t *frame, int ask, uint32_t first, uint32_t best_lots) {
    const place_t *places = frame->levels + (ask ? 0 : frame->n_levels);
    for (uint32_t i = 0; i < frame->n_levels; i++) {
        uint32_t level = first + i, lots = level == 0 && best_lots ? best_lots : next_lots(level);
        symbol->lots[ask][level] = lots;
        put_price(frame->bytes + places[i].price, price_of(ask, level));
        put_size(frame->bytes + places[i].size, lots);
    }
}

static template_t *next_depth(symbol_t *symbol, template_t *frame) {
    uint32_t most = LEVELS - frame->n_levels + 1, best_lots = 0, bid = draw(most) * draw(most) / most;
    if (symbol->marked) {
        bid = 0, symbol->marked = 0;
    } else if (flood.to_mark && symbol->version > FIRST_VERSION) {
        flood.to_mark--, flood.marked++;
        flood.next_id = flood.next_id % IDS + 1;
        bid = 0, symbol->marked = 1;
        best_lots = flood.next_id * MARKER_SCALE + MARKER;
    }
    change_side(symbol, frame, 1, draw(most) * draw(most) / most, 0);
    change_side(symbol, frame, 0, bid, best_lots);
    symbol->version++;
    put_digits(frame->bytes + frame->from, 11, symbol->version);
    put_digits(frame->bytes + frame->to, 11, symbol->version);
    flood.depths++;
    return frame;
}

static template_t *next_frame(symbol_t *symbol) {
    uint32_t dice = draw(100);
    if (dice < SMALL_PERCENT) return next_depth(symbol, &symbol->small);
    if (dice < SMALL_PERCENT + LARGE_PERCENT) return next_depth(symbol, &symbol->large);
    put_size(symbol->trade.bytes + symbol->trade.levels[0].size, 1 + draw(99999998));
    flood.trades++;
    return &symbol->trade;
}

/* One more frame into a lane's bunch, with the time that it was due at. */
static void build_one(lane_t *lane, int64_t due_ms) {
    symbol_t *symbol = lane->symbols[lane->at++ % lane->n_symbols];
    template_t *frame = next_frame(symbol);
    if (put_varint(frame->bytes + frame->time, (uint64_t)due_ms) != frame->bytes + frame->time + 6) die("the clock is off");
    lane->used += ws_head(lane->bytes + lane->used, WS_BINARY, frame->n, 0);
    memcpy(lane->bytes + lane->used, frame->bytes, frame->n);
    lane->used += frame->n;
    lane->built++, flood.frames++;
}

/* Writes what the socket takes; whether all of it went. */
static int flush(lane_t *lane) {
    while (lane->written < lane->used) {
        ssize_t n = write(lane->connection->stream.fd, lane->bytes + lane->written, lane->used - lane->written);
        if (n < 0 && errno == EAGAIN) return 0;
        if (n < 0) die("a market connection ended");
        lane->written += (size_t)n, flood.n_bytes += (uint64_t)n;
    }
    lane->used = lane->written = 0;
    return 1;
}

/* Brings a lane up to `now_ns` since the start, as far as the socket takes it; how late it is, ms. */
static int64_t serve(lane_t *lane, int64_t now_ns, int64_t step_ns, int64_t start_ms) {
    while (flush(lane)) {
        uint64_t due = (uint64_t)(now_ns / step_ns);
        if (due > lane->total) due = lane->total;
        if (lane->built >= due) return 0;
        while (lane->built < due && lane->used < BUNCH) build_one(lane, start_ms + (int64_t)lane->built * step_ns / 1000000);
    }
    return (now_ns - (int64_t)lane->built * step_ns) / 1000000;
}

static void find_lanes(void) {
    for (uint32_t i = 0; i < flood.n_lanes; i++) flood.lanes[i]->n_symbols = 0;
    flood.n_lanes = 0;
    for (uint32_t i = 0; i < flood.n_symbols; i++) {
        symbol_t *symbol = flood.symbols + i;
        uint32_t at = 0;
        if (!symbol->market) die("%s is not subscribed", symbol->name);
        while (at < flood.n_lanes && flood.lanes[at]->connection != symbol->market) at++;
        if (at == flood.n_lanes) {
            if (!flood.lanes[at]) flood.lanes[at] = malloc(sizeof(lane_t));
            memset(flood.lanes[at], 0, sizeof(lane_t));
            flood.lanes[at]->connection = symbol->market;
            flood.n_lanes++;
        }
        flood.lanes[at]->symbols[flood.lanes[at]->n_symbols++] = symbol;
    }
}

/* Orders whose marker was never sent: told apart by the number in their size. Without a number they are the metronome's. */
static uint32_t strange_orders(void) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < venue.n_orders; i++) {
        const char *size = strstr(venue.orders[i].target, "quantity=0.");
        uint32_t lots = 0;
        for (int digit = 0, over = !size; digit < SIZE_DIGITS; digit++) {
            over = over || size[11 + digit] < '0' || size[11 + digit] > '9';
            lots = lots * 10 + (over ? 0 : (uint32_t)(size[11 + digit] - '0'));
        }
        found += lots < MARKER_SCALE || lots - MARKER_SCALE > flood.next_id;
    }
    return found;
}

static void run_flood(double seconds, double rate, double orders_per_s) {
    find_lanes();
    int64_t step_ns = (int64_t)(1e9 * flood.n_lanes / rate), began_ns = clock_ns(CLOCK_MONOTONIC), now_ns = 0, told_ns = 0;
    int64_t start_ms = clock_ns(CLOCK_REALTIME) / 1000000, late_ms = 0;
    uint64_t asked = 0, left = 1, frames = flood.frames, depths = flood.depths, trades = flood.trades, bytes = flood.n_bytes;
    if (step_ns < 1) die("a rate of %g", rate);
    for (uint32_t i = 0; i < flood.n_lanes; i++) flood.lanes[i]->total = (uint64_t)(seconds * 1e9 / (double)step_ns);
    flood.lag_max_ms = 0;
    for (; left; now_ns = clock_ns(CLOCK_MONOTONIC) - began_ns) {
        uint64_t orders = (uint64_t)((double)now_ns / 1e9 * orders_per_s);
        flood.to_mark += orders - asked, asked = orders;
        left = 0, late_ms = 0;
        for (uint32_t i = 0; i < flood.n_lanes; i++) {
            int64_t lag_ms = serve(flood.lanes[i], now_ns, step_ns, start_ms);
            late_ms = lag_ms > late_ms ? lag_ms : late_ms;
            left += flood.lanes[i]->built < flood.lanes[i]->total || flood.lanes[i]->written < flood.lanes[i]->used;
        }
        flood.lag_max_ms = late_ms > flood.lag_max_ms ? late_ms : flood.lag_max_ms;
        take_events(left ? 1 : 0);
        if (now_ns - told_ns >= 1000000000) {
            told_ns = now_ns;
            printf("progress %llu %lld\n", (unsigned long long)(flood.frames - frames), (long long)late_ms);
            fflush(stdout);
        }
    }
    flood.to_mark = 0;
    printf("sent %llu %llu %llu %llu %lld %lld\ndone\n", (unsigned long long)(flood.frames - frames),
           (unsigned long long)(flood.depths - depths), (unsigned long long)(flood.trades - trades),
           (unsigned long long)(flood.n_bytes - bytes), (long long)now_ns, (long long)flood.lag_max_ms);
    fflush(stdout);
}

static void tell_books(void) {
    printf("totals %llu %llu %llu %u %u\n", (unsigned long long)flood.frames, (unsigned long long)flood.marked,
           (unsigned long long)venue.n_told, venue.n_orders, strange_orders());
    for (uint32_t i = 0; i < flood.n_symbols; i++) {
        const symbol_t *symbol = flood.symbols + i;
        printf("book %s %llu\n", symbol->name, (unsigned long long)symbol->version);
        for (int ask = 0; ask < 2; ask++)
            for (uint32_t level = 0; level < LEVELS; level++)
                if (symbol->lots[ask][level])
                    printf("level %d %llu %u\n", ask ? 2 : 1, (unsigned long long)price_of(ask, level), symbol->lots[ask][level]);
    }
    printf("done\n");
    fflush(stdout);
}

static symbol_t *symbol_named(const char *name, size_t size) {
    for (uint32_t i = 0; i < flood.n_symbols; i++)
        if (strlen(flood.symbols[i].name) == size && !memcmp(flood.symbols[i].name, name, size)) return flood.symbols + i;
    die("an unknown symbol: %.*s", (int)size, name);
}

static void subscribed(connection_t *market, const char *channel) {
    const char *name = strrchr(channel, '@');
    if (!name) die("a channel without a symbol: %s", channel);
    symbol_t *symbol = symbol_named(name + 1, strlen(name + 1));
    symbol->market = market;
    if (!strstr(channel, "depth")) return;
    /* The first frame: a feed is up once there is one. */
    template_t *frame = next_depth(symbol, &symbol->small);
    char bytes[FRAME_MOST];
    put_varint(frame->bytes + frame->time, (uint64_t)clock_ns(CLOCK_REALTIME) / 1000000);
    size_t head = ws_head(bytes, WS_BINARY, frame->n, 0);
    memcpy(bytes + head, frame->bytes, frame->n);
    say(market, bytes, head + frame->n);
    flood.frames++;
}

/* A reply to a connection that has a frame half written goes behind what is on its way. */
static int keeps(connection_t *market, const char *bytes, size_t size) {
    for (uint32_t i = 0; i < flood.n_lanes; i++) {
        lane_t *lane = flood.lanes[i];
        if (lane->connection != market || lane->written == lane->used) continue;
        if (lane->used + size > sizeof lane->bytes) die("no room for a reply of %zu bytes", size);
        memcpy(lane->bytes + lane->used, bytes, size);
        lane->used += size;
        return 1;
    }
    return 0;
}

static void ended(const connection_t *market) {
    for (uint32_t i = 0; i < flood.n_symbols; i++)
        if (flood.symbols[i].market == market) flood.symbols[i].market = NULL;
}

static void answer_book(connection_t *connection, const char *target) {
    static char text[2 * LEVELS * 32 + 256];
    const char *name = strstr(target, "symbol=");
    if (!name) die("a book of no symbol: %s", target);
    const symbol_t *symbol = symbol_named(name + 7, strcspn(name + 7, "& "));
    int n = sprintf(text, "{\"lastUpdateId\":%llu", (unsigned long long)symbol->version);
    for (int ask = 0; ask < 2; ask++) {
        n += sprintf(text + n, ",\"%s\":[", ask ? "asks" : "bids");
        for (uint32_t level = 0, some = 0; level < LEVELS; level++)
            if (symbol->lots[ask][level]) {
                uint64_t ticks = price_of(ask, level);
                n += sprintf(text + n, "%s[\"%llu.%02llu\",\"0.%08u\"]", some++ ? "," : "", (unsigned long long)ticks / 100,
                             (unsigned long long)ticks % 100, symbol->lots[ask][level]);
            }
        n += sprintf(text + n, "]");
    }
    n += sprintf(text + n, ",\"timestamp\":%lld}", (long long)(clock_ns(CLOCK_REALTIME) / 1000000));
    answer(connection, text, (size_t)n);
}

static void take_command(void) {
    char line[LINE_MOST];
    double seconds, rate, orders_per_s;
    if (!fgets(line, sizeof line, stdin)) exit(0);
    if (sscanf(line, "flood %lf %lf %lf", &seconds, &rate, &orders_per_s) == 3 && rate > 0 && seconds > 0) {
        run_flood(seconds, rate, orders_per_s);
    } else if (!strcmp(line, "books\n")) {
        tell_books();
    } else {
        die("no command: %s", line);
    }
}

static void add_symbol(const char *name) {
    if (flood.n_symbols == SYMBOLS_MOST || strlen(name) >= sizeof flood.symbols->name) die("%s is one too many", name);
    symbol_t *symbol = flood.symbols + flood.n_symbols++;
    strcpy(symbol->name, name);
    symbol->version = FIRST_VERSION;
    for (int ask = 0; ask < 2; ask++)
        for (uint32_t level = 0; level < LEVELS; level++) symbol->lots[ask][level] = next_lots(0);
    make_depth(&symbol->small, name, 1);
    make_depth(&symbol->large, name, LARGE_SIDE);
    make_trade(&symbol->trade, name);
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: flood SYMBOL,SYMBOL,... VENUE_PORT");
    flood.random = 88172645463325252ull;
    flood.symbols = calloc(SYMBOLS_MOST, sizeof *flood.symbols);
    if (!flood.symbols) die("no memory");
    for (char *name = strtok(argv[1], ","); name; name = strtok(NULL, ",")) add_symbol(name);
    signal(SIGPIPE, SIG_IGN); /* whoever ended a connection is told by what is written */
    open_venue(atoi(argv[2]), NULL, NULL);
    for (;;) take_events(-1);
}
