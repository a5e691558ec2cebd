/* The floor of wire to wire: what the least program in C needs from a depth frame to the signed order on another socket.
 *
 *     floor PORT ACCESS_KEY SECRET blocking|spin [tls] [later]
 *
 * The parse, the book, the HMAC and the request's fields are the engine's own headers (native). In place of the gate it does
 * about as many integer comparisons, 128-bit products and divisions as an order's check (gate_sized_checks); in place of the
 * journal it copies 256 bytes and a commit word into a mapped file. It keeps no order's state and reads no answer but to
 * throw it away. The wait is epoll without a limit, or, spinning, epoll that does not wait until SPIN_NS after the
 * newest frame and waits 1 ms after that (engine/awake.pyx). With `later` it has what it read acknowledged after the order,
 * as adapters/mexc/feed.pyx does, instead of within the read, as a socket does by itself.
 */
#include <netinet/tcp.h>
#include <sys/mman.h>

#include "native/mexc_protobuf.h"
#include "native/mexc_request.h"
#include "native/order_book.h"
#include "wire.h"

enum {
    ROOM = 1 << 17,
    LEVELS = 4096,
    PRICE_DECIMALS = 2,
    SIZE_DECIMALS = 8,
    MARKER_SCALE = 10000, /* as strategy/src/marker/python.py */
    MARKER = 7777,
    ORDER_LOTS = 10000,
    RECORD_BYTES = 256,
    JOURNAL_BYTES = 16 << 20,
    SPIN_NS = 3000000,
    IDLE_MS = 1
};

typedef struct {
    int64_t collar_bps, slippage_bps, min_lots, max_lots, lot_step, tick_step, max_open, max_per_second;
    int128_t order_most, position_most, gross_most, net_most, budget, fees_most, equity, free, held;
    int64_t rates[16];
} limits_t;

typedef struct {
    symbol_table_t symbols;
    order_book_t book;
    level_t levels[LEVELS];
    mexc_trade_t trades[16];
    hmac_key_t key;
    char target[256], head[512];
    char *journal;
    size_t journal_at;
    stream_t feed, orders;
    int acknowledges_later;
    uint64_t frames, sent, refused;
    limits_t limits;
} floor_t;

/* As many comparisons and 128-bit operations as the gate spends on one order; every limit is wide, none is constant. */
static int gate_sized_checks(const floor_t *f, int64_t price, int64_t lots) {
    const limits_t *limit = &f->limits;
    int64_t bid = book_best_ticks(&f->book, BOOK_BID), ask = book_best_ticks(&f->book, BOOK_ASK), middle = (bid + ask) / 2;
    int128_t notional = (int128_t)price * lots, fee = notional * 500 / 1000000;
    int bad = bid <= 0 || ask <= bid || price <= 0 || lots <= 0;
    bad |= price % limit->tick_step != 0 || lots % limit->lot_step != 0;
    bad |= lots < limit->min_lots || lots > limit->max_lots;
    bad |= (int128_t)price * 10000 > (int128_t)middle * (10000 + limit->collar_bps);
    bad |= (int128_t)price * 10000 < (int128_t)middle * (10000 - limit->collar_bps);
    bad |= (int128_t)price * 10000 > (int128_t)ask * (10000 + limit->slippage_bps);
    bad |= notional > limit->order_most || limit->held + notional > limit->position_most;
    bad |= limit->held + notional > limit->gross_most || limit->held + notional > limit->net_most;
    bad |= notional + fee > limit->free || notional > limit->budget || fee > limit->fees_most;
    bad |= (limit->held + notional) * 10000 / limit->equity > 10000;
    for (int i = 0; i < 16; i++) bad |= limit->rates[i] >= limit->max_per_second;
    return bad;
}

static void keep_record(floor_t *f, const char *request, size_t size) {
    char record[RECORD_BYTES] = {0};
    if (f->journal_at + RECORD_BYTES > JOURNAL_BYTES) f->journal_at = 0;
    memcpy(record + 8, request, size < RECORD_BYTES - 8 ? size : RECORD_BYTES - 8);
    char *place = f->journal + f->journal_at;
    memcpy(place + 8, record + 8, RECORD_BYTES - 8);
    __atomic_store_n((uint64_t *)(void *)place, (uint64_t)RECORD_BYTES, __ATOMIC_RELEASE);
    f->journal_at += RECORD_BYTES;
}

static void send_order(floor_t *f, int64_t price, int64_t lots) {
    char request[REQUEST_ROOM], name[32];
    if (gate_sized_checks(f, price, lots)) {
        f->refused++;
        return;
    }
    char *end = request_put_number(request_put(name, "floor0000000-", 13), ++f->sent);
    char *out = request_put(request, f->target, strlen(f->target));
    out = request_put(out, "&quantity=", 10);
    out = request_put_decimal(out, (uint64_t)lots, SIZE_DECIMALS);
    out = request_put(out, "&price=", 7);
    out = request_put_decimal(out, (uint64_t)price, PRICE_DECIMALS);
    out = request_put(out, "&newClientOrderId=", 18);
    out = request_put_encoded(out, name, (size_t)(end - name));
    keep_record(f, request, (size_t)(out - request));
    out = request_sign(out, strchr(request, '?') + 1, &f->key, "&recvWindow=5000&timestamp=", 27,
                       clock_ns(CLOCK_REALTIME) / 1000000);
    out = request_put(out, f->head, strlen(f->head));
    if (stream_write(&f->orders, request, (size_t)(out - request))) die("the order's connection is gone");
}

static void take_depth(floor_t *f, const char *payload, size_t size) {
    mexc_frame_t frame;
    if (mexc_decode((const uint8_t *)payload, size, &f->symbols, f->levels, LEVELS, f->trades, 16, &frame) != MEXC_OK)
        die("a frame cannot be decoded: %u", frame.error);
    f->frames++;
    if (frame.kind != MEXC_DEPTH) return;
    if (book_apply(&f->book, f->levels, frame.n_asks, BOOK_ASK) != BOOK_OK ||
        book_apply(&f->book, f->levels + frame.n_asks, frame.n_bids, BOOK_BID) != BOOK_OK)
        die("a level cannot be");
    int64_t bid_lots = book_best_lots(&f->book, BOOK_BID);
    if (bid_lots % MARKER_SCALE == MARKER && !book_crossed(&f->book))
        send_order(f, book_best_ticks(&f->book, BOOK_ASK), ORDER_LOTS + bid_lots / MARKER_SCALE);
}

/* Everything that is there to read; answers whether a data frame was. */
static int take_feed(floor_t *f) {
    static char buffer[ROOM];
    static size_t used;
    int frames = 0;
    for (;;) {
        ssize_t n = stream_read(&f->feed, buffer + used, sizeof buffer - used);
        if (n < 0) exit(0); /* the load generator is done */
        if (n == 0) return frames;
        used += (size_t)n;
        size_t at = 0, whole;
        ws_frame_t frame;
        while ((whole = ws_parse(buffer + at, used - at, &frame))) {
            if (frame.opcode == WS_BINARY) take_depth(f, frame.payload, frame.size), frames++;
            at += whole;
        }
        memmove(buffer, buffer + at, used -= at);
        if (!f->feed.tls) return frames; /* a plain socket had no more; what comes later is told by epoll */
    }
}

static void acknowledge(const floor_t *f) {
    int now = 1, later = 0;
    setsockopt(f->feed.fd, IPPROTO_TCP, TCP_QUICKACK, &now, sizeof now);
    setsockopt(f->feed.fd, IPPROTO_TCP, TCP_QUICKACK, &later, sizeof later);
}

static void throw_away(stream_t *stream) {
    char answer[8192];
    ssize_t n;
    do {
        n = stream_read(stream, answer, sizeof answer);
        if (n < 0) exit(0);
    } while (n > 0 && stream->tls);
}

static stream_t open_stream(int port, int with_tls) {
    stream_t stream = {connect_to(port), NULL};
#ifdef WITH_TLS
    if (with_tls) {
        SSL_CTX *context = SSL_CTX_new(TLS_client_method());
        stream.tls = context ? SSL_new(context) : NULL;
        if (!stream.tls || !SSL_set_fd(stream.tls, stream.fd) || SSL_connect(stream.tls) != 1) die("no TLS");
    }
#else
    if (with_tls) die("built without OpenSSL");
#endif
    return stream;
}

/* Handshake and subscription; the answers are read to their end, so that only frames follow. */
static void subscribe(floor_t *f) {
    static const char hello[] = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    static const char text[] = "{\"method\":\"SUBSCRIPTION\",\"params\":[\"spot@public.aggre.depth.v3.api.pb@10ms@BTCUSDT\"],"
                               "\"id\":1}";
    char buffer[1024], message[256];
    size_t used = 0;
    if (stream_write(&f->feed, hello, sizeof hello - 1)) die("no handshake");
    while (used < 4 || memcmp(buffer + used - 4, "\r\n\r\n", 4)) {
        if (used == sizeof buffer || stream_read(&f->feed, buffer + used, 1) != 1) die("no handshake");
        used++;
    }
    size_t head = ws_head(message, WS_TEXT, sizeof text - 1, 1);
    memcpy(message + head, text, sizeof text - 1);
    if (stream_write(&f->feed, message, head + sizeof text - 1)) die("no subscription");
}

static void prepare(floor_t *f, const char *access_key, const char *secret, int port) {
    if (symbol_table_init(&f->symbols, 4096) || symbol_add(&f->symbols, "BTCUSDT", 7, PRICE_DECIMALS, SIZE_DECIMALS))
        die("no symbol table");
    if (book_init(&f->book, BOOK_DEFAULT_WINDOW_TICKS, BOOK_DEFAULT_MAX_OVERFLOW) != BOOK_OK) die("no book");
    hmac_key_init(&f->key, secret, strlen(secret));
    strcpy(f->target, "POST /api/v3/order?symbol=BTCUSDT&side=BUY&type=IMMEDIATE_OR_CANCEL");
    snprintf(f->head, sizeof f->head,
             " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: penstock\r\nAccept: */*\r\nConnection: keep-alive\r\n"
             "X-MEXC-APIKEY: %s\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n", port, access_key);
    FILE *file = tmpfile();
    if (!file || ftruncate(fileno(file), JOURNAL_BYTES)) die("no file for the records");
    f->journal = mmap(NULL, JOURNAL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fileno(file), 0);
    if (f->journal == MAP_FAILED) die("no mapping");
    int128_t wide = (int128_t)1 << 100;
    f->limits = (limits_t){300, 50, 100, 1000000000000, 1, 1, 1024, 1024, wide, wide, wide, wide, wide, wide, wide, wide, 0, {0}};
}

int main(int argc, char **argv) {
    static floor_t floor_;
    floor_t *f = &floor_;
    if (argc < 5) die("usage: floor PORT ACCESS_KEY SECRET blocking|spin [tls] [later]");
    int port = atoi(argv[1]), spin = !strcmp(argv[4], "spin"), with_tls = 0;
    for (int i = 5; i < argc; i++) {
        if (!strcmp(argv[i], "tls")) with_tls = 1;
        if (!strcmp(argv[i], "later")) f->acknowledges_later = 1;
    }
    prepare(f, argv[2], argv[3], port);
    f->orders = open_stream(port, with_tls);
    f->feed = open_stream(port, with_tls);
    subscribe(f);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    set_nonblocking(f->feed.fd);
    set_nonblocking(f->orders.fd);
    watch(epoll, f->feed.fd, &f->feed);
    watch(epoll, f->orders.fd, &f->orders);
    take_feed(f); /* TLS may have read ahead */
    int64_t awake_until_ns = 0;
    for (;;) {
        struct epoll_event events[4];
        int wait_ms = !spin ? -1 : clock_ns(CLOCK_MONOTONIC) < awake_until_ns ? 0 : IDLE_MS;
        int n = epoll_wait(epoll, events, 4, wait_ms);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &f->orders) throw_away(&f->orders);
            else if (take_feed(f)) {
                awake_until_ns = clock_ns(CLOCK_MONOTONIC) + SPIN_NS;
                if (f->acknowledges_later) acknowledge(f);
            }
        }
    }
}
