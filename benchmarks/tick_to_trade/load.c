/* The load generator and sink of wire to wire, a process of its own: plays MEXC's websocket and order endpoint.
 *
 *     load FRAMES VENUE_PORT [CERTIFICATE_PEM KEY_PEM]
 *
 * Prints `port N`, then `subscribed CHANNEL` for each subscription. On standard input it takes `send COUNT RATE` and answers
 * with `frame ID NS` for each frame that is to cause an order, `order NS TARGET` for each order, and `done COUNT`. A frame's
 * time is read right before the write that sends it; an order's is when the kernel had its first byte
 * (SO_TIMESTAMPNS), so that how soon this process wakes up is in neither. Every order is answered at once and then told as
 * cancelled on the private feed. Order book, ping and server time are answered here, every other request is handed to the
 * local venue on VENUE_PORT as it is, and so is its answer. FRAMES is written by frames.py.
 */
#include "venue.h"

enum { PAUSES = 20 };

typedef struct {
    uint32_t size, time_at, id;
    uint8_t *bytes;
} frame_t;

typedef struct {
    int64_t ns;
    uint32_t id;
} sent_t;

static struct {
    connection_t *market;
    char *snapshot;
    uint32_t snapshot_size, n_frames, next_frame;
    frame_t *frames;
    sent_t *sent;
    uint32_t n_sent;
} load;

static void read_exactly(FILE *file, void *out, size_t size) {
    if (size && fread(out, size, 1, file) != 1) die("the frames end in the middle");
}

/* Little endian: snapshot size and bytes, number of frames; of each: size, where its time of sending is, id, bytes. */
static void read_frames(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die("%s", path);
    read_exactly(file, &load.snapshot_size, 4);
    load.snapshot = malloc(load.snapshot_size + 1);
    read_exactly(file, load.snapshot, load.snapshot_size);
    read_exactly(file, &load.n_frames, 4);
    load.frames = calloc(load.n_frames, sizeof *load.frames);
    for (uint32_t i = 0; i < load.n_frames; i++) {
        frame_t *frame = load.frames + i;
        read_exactly(file, frame, 12);
        if (frame->size > ROOM || frame->time_at + 6 > frame->size) die("frame %u is none", i);
        frame->bytes = malloc(frame->size + WS_HEAD_MOST);
        read_exactly(file, frame->bytes, frame->size);
    }
    fclose(file);
}

static void subscribed(connection_t *market, const char *channel) {
    (void)channel;
    load.market = market;
}

static void ended(const connection_t *market) {
    if (market == load.market) load.market = NULL;
}

static int keeps(connection_t *market, const char *bytes, size_t size) {
    (void)market, (void)bytes, (void)size;
    return 0;
}

static void answer_book(connection_t *connection, const char *target) {
    (void)target;
    answer(connection, load.snapshot, load.snapshot_size);
}

/* The next frame, with the time that it is sent at in it. */
static void send_next(void) {
    frame_t *frame = load.frames + load.next_frame++;
    char bytes[ROOM + WS_HEAD_MOST];
    uint64_t now_ms = (uint64_t)clock_ns(CLOCK_REALTIME) / 1000000;
    if (put_varint(frame->bytes + frame->time_at, now_ms) != frame->bytes + frame->time_at + 6) die("the clock is off");
    size_t head = ws_head(bytes, WS_BINARY, frame->size, 0);
    memcpy(bytes + head, frame->bytes, frame->size);
    if (!load.market) die("nobody is subscribed");
    if (frame->id) load.sent[load.n_sent++] = (sent_t){clock_ns(CLOCK_REALTIME), frame->id};
    say(load.market, bytes, head + frame->size);
}

static void send_burst(uint32_t count, double rate) {
    int64_t due_ns = clock_ns(CLOCK_MONOTONIC), step_ns = (int64_t)(1e9 / rate);
    if (count > load.n_frames - load.next_frame) die("only %u frames are left", load.n_frames - load.next_frame);
    venue.n_orders = load.n_sent = 0;
    for (uint32_t i = 0; i < count; i++) {
        while (clock_ns(CLOCK_MONOTONIC) < due_ns) {
            take_events(0);
            for (int k = 0; k < PAUSES; k++) __builtin_ia32_pause(); /* the engine may share this core's other half */
        }
        send_next();
        /* Where this process was kept from running, what it missed is not made up for: frames would come in heaps. */
        int64_t late_ns = clock_ns(CLOCK_MONOTONIC) - due_ns;
        due_ns += late_ns < step_ns ? step_ns : late_ns + step_ns;
    }
    int64_t until_ns = clock_ns(CLOCK_MONOTONIC) + 500000000; /* for the orders of the last frames */
    while (venue.n_orders < load.n_sent && clock_ns(CLOCK_MONOTONIC) < until_ns) take_events(0);
    for (uint32_t i = 0; i < load.n_sent; i++) printf("frame %u %lld\n", load.sent[i].id, (long long)load.sent[i].ns);
    for (uint32_t i = 0; i < venue.n_orders; i++)
        printf("order %lld %s\n", (long long)venue.orders[i].ns, venue.orders[i].target);
    printf("done %u\n", count);
    fflush(stdout);
}

static void take_command(void) {
    char line[LINE_MOST];
    unsigned count;
    double rate;
    if (!fgets(line, sizeof line, stdin)) exit(0);
    if (sscanf(line, "send %u %lf", &count, &rate) != 2 || rate <= 0) die("no command: %s", line);
    send_burst(count, rate);
}

int main(int argc, char **argv) {
    if (argc != 3 && argc != 5) die("usage: load FRAMES VENUE_PORT [CERTIFICATE_PEM KEY_PEM]");
    read_frames(argv[1]);
    load.sent = calloc(load.n_frames, sizeof *load.sent);
    if (!load.sent) die("no memory");
    open_venue(atoi(argv[2]), argc == 5 ? argv[3] : NULL, argc == 5 ? argv[4] : NULL);
    for (;;) take_events(-1);
}
