/* A venue's side that load.c and flood.c share: MEXC's websocket and order endpoint for many connections, in one thread.
 *
 * Every order is noted with its time of arrival, answered at once and then told as cancelled on the private feed. Ping and
 * server time are answered here; every request that is not known is handed to the local venue as it is, and so is its
 * answer. The program that includes this has the functions declared below, and `venue`, made with open_venue.
 */
#pragma once
#include "wire.h"

enum { ROOM = 1 << 16, CONNECTIONS = 64, ORDERS_MOST = 1 << 16, TARGET_MOST = 512, LINE_MOST = 256, EVENTS = 16 };

typedef enum { HTTP, MARKET, PRIVATE, UPSTREAM, LISTENER, COMMANDS, FREE } role_t;

typedef struct connection {
    role_t role;
    stream_t stream;
    struct connection *peer; /* of a client its way to the venue, and back */
    int shaken;
    size_t used;
    char buffer[ROOM];
} connection_t;

typedef struct {
    int64_t ns;
    char target[TARGET_MOST];
} order_t;

static struct {
    int epoll, upstream_port;
    connection_t connections[CONNECTIONS], listener, commands;
    connection_t *private_feed;
    order_t *orders;
    uint32_t n_orders;
    uint64_t n_told; /* frames of the private feed */
    void *tls;
} venue;

static void subscribed(connection_t *market, const char *channel);
static void ended(const connection_t *market);
static void answer_book(connection_t *connection, const char *target);
static void take_command(void);
static int keeps(connection_t *market, const char *bytes, size_t size); /* whether it will send this itself */

static connection_t *new_connection(int fd, role_t role) {
    for (int i = 0; i < CONNECTIONS; i++) {
        connection_t *connection = venue.connections + i;
        if (connection->role != FREE) continue;
        connection->role = role;
        connection->stream = (stream_t){fd, NULL};
        connection->peer = NULL;
        connection->used = 0;
        connection->shaken = 1;
        set_nonblocking(fd);
        watch(venue.epoll, fd, connection);
        return connection;
    }
    die("more than %d connections", CONNECTIONS);
}

static void end_connection(connection_t *connection) {
    role_t was = connection->role;
    if (was == FREE) return;
    connection->role = FREE;
#ifdef WITH_TLS
    if (connection->stream.tls) SSL_free(connection->stream.tls);
#endif
    close(connection->stream.fd);
    if (was == MARKET) ended(connection);
    if (connection == venue.private_feed) venue.private_feed = NULL;
    connection_t *peer = connection->peer;
    connection->peer = NULL;
    if (peer) end_connection(peer);
}

static void accept_one(void) {
    int on = 1, fd = accept4(venue.listener.stream.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    set_nodelay(fd);
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on)) die("SO_TIMESTAMPNS");
    connection_t *connection = new_connection(fd, HTTP);
#ifdef WITH_TLS
    if (venue.tls) {
        connection->stream.tls = SSL_new(venue.tls);
        SSL_set_fd(connection->stream.tls, fd);
        SSL_set_accept_state(connection->stream.tls);
        connection->shaken = 0;
    }
#else
    (void)connection;
#endif
}

/* When the kernel had the first byte that waits on a socket; our clock where it does not say. */
static int64_t arrival_ns(int fd) {
    char byte, control[128];
    struct iovec into = {&byte, 1};
    struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT) == 1)
        for (struct cmsghdr *each = CMSG_FIRSTHDR(&message); each; each = CMSG_NXTHDR(&message, each))
            if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SO_TIMESTAMPNS) {
                struct timespec at;
                memcpy(&at, CMSG_DATA(each), sizeof at);
                return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
            }
    return clock_ns(CLOCK_REALTIME);
}

static void say(connection_t *connection, const char *bytes, size_t size) {
    if (connection->role == MARKET && keeps(connection, bytes, size)) return;
    if (stream_write(&connection->stream, bytes, size)) end_connection(connection);
}

static void answer(connection_t *connection, const char *body, size_t size) {
    char *text = malloc(size + 256);
    int n = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", size);
    memcpy(text + n, body, size);
    say(connection, text, (size_t)n + size);
    free(text);
}

static void say_frame(connection_t *connection, int opcode, const void *payload, size_t size) {
    char bytes[1024 + WS_HEAD_MOST];
    if (size > 1024) die("a text of %zu bytes", size);
    size_t head = ws_head(bytes, opcode, size, 0);
    memcpy(bytes + head, payload, size);
    say(connection, bytes, head + size);
}

static uint8_t *put_varint(uint8_t *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_text(uint8_t *out, uint32_t number, const char *text, size_t size) {
    out = put_varint(put_varint(out, number << 3 | 2), size);
    memcpy(out, text, size);
    return out + size;
}

/* A PrivateOrders push (adapters/mexc/schema.py) that says CANCELED, nothing executed. */
static void tell_cancelled(const char *symbol, size_t symbol_size, const char *name, size_t name_size, const char *venue_id) {
    static const char channel[] = "spot@private.orders.v3.api.pb";
    uint8_t body[512], frame[768], *end = body, *out = frame;
    uint64_t now_ms = (uint64_t)clock_ns(CLOCK_REALTIME) / 1000000;
    if (!venue.private_feed) return; /* the floor has none */
    end = put_text(end, 1, venue_id, strlen(venue_id));
    end = put_text(end, 2, name, name_size);
    end = put_varint(put_varint(end, 7 << 3), 3);
    end = put_varint(put_varint(end, 8 << 3), 1);
    end = put_text(put_text(end, 13, "0", 1), 14, "0", 1);
    end = put_varint(put_varint(end, 15 << 3), 4);
    end = put_varint(put_varint(end, 16 << 3), now_ms);
    out = put_text(put_text(out, 1, channel, sizeof channel - 1), 3, symbol, symbol_size);
    out = put_varint(put_varint(out, 6 << 3), now_ms);
    out = put_text(out, 304, (char *)body, (size_t)(end - body));
    say_frame(venue.private_feed, WS_BINARY, frame, (size_t)(out - frame));
    venue.n_told++;
}

static void take_order(connection_t *connection, const char *target, size_t size, int64_t ns) {
    char body[256], venue_id[32];
    if (venue.n_orders == ORDERS_MOST) die("more than %d orders", ORDERS_MOST);
    order_t *order = venue.orders + venue.n_orders++;
    order->ns = ns;
    snprintf(order->target, TARGET_MOST, "%.*s", (int)size, target);
    const char *name = strstr(order->target, "&newClientOrderId="), *symbol = strstr(order->target, "symbol=");
    if (!name || !symbol) die("an order without a name or symbol: %s", order->target);
    name += 18, symbol += 7;
    size_t name_size = strcspn(name, "&"), symbol_size = strcspn(symbol, "&");
    sprintf(venue_id, "C02__%020u", venue.n_orders);
    int n = sprintf(body, "{\"symbol\":\"%.*s\",\"orderId\":\"%s\",\"orderListId\":-1,\"transactTime\":%lld}", (int)symbol_size,
                    symbol, venue_id, (long long)(clock_ns(CLOCK_REALTIME) / 1000000));
    answer(connection, body, (size_t)n);
    tell_cancelled(symbol, symbol_size, name, name_size, venue_id);
}

static void shake_hands(connection_t *connection, const char *request, const char *target) {
    char text[256], key[29];
    const char *given = strcasestr(request, "Sec-WebSocket-Key:");
    if (!given) die("a websocket without a key");
    given += 18;
    given += strspn(given, " ");
    ws_accept(given, strcspn(given, "\r"), key);
    int n = sprintf(text, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %s\r\n\r\n", key);
    connection->role = strstr(target, "listenKey=") ? PRIVATE : MARKET;
    if (connection->role == PRIVATE) venue.private_feed = connection;
    say(connection, text, (size_t)n);
}

static void hand_on(connection_t *connection, const char *request, size_t size) {
    if (!connection->peer) {
        connection_t *upstream = new_connection(connect_to(venue.upstream_port), UPSTREAM);
        connection->peer = upstream;
        upstream->peer = connection;
    }
    say(connection->peer, request, size);
}

static int begins(const char *text, const char *with) { return !strncmp(text, with, strlen(with)); }

/* One whole request: its head, NUL-terminated where the target ends, and the body behind it. */
static void take_request(connection_t *connection, char *request, size_t size, int64_t ns) {
    char target[TARGET_MOST], body[64];
    size_t length = strcspn(request, "\r");
    char *version = memmem(request, length, " HTTP/1.1", 9);
    if (!version || (size_t)(version - request) >= TARGET_MOST) die("no request: %.80s", request);
    snprintf(target, sizeof target, "%.*s", (int)(version - request), request);
    if (begins(target, "POST /api/v3/order?")) {
        take_order(connection, target, strlen(target), ns);
    } else if (begins(target, "GET /ws")) {
        shake_hands(connection, request, target);
    } else if (begins(target, "GET /api/v3/depth?")) {
        answer_book(connection, target);
    } else if (begins(target, "GET /api/v3/ping")) {
        answer(connection, "{}", 2);
    } else if (begins(target, "GET /api/v3/time")) {
        int n = sprintf(body, "{\"serverTime\":%lld}", (long long)(clock_ns(CLOCK_REALTIME) / 1000000));
        answer(connection, body, (size_t)n);
    } else {
        hand_on(connection, request, size);
    }
}

/* How long the request at the start of the buffer is; 0 where it is not all there. */
static size_t request_size(char *buffer, size_t used) {
    char *end = memmem(buffer, used, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    const char *length = strcasestr(buffer, "\r\nContent-Length:");
    *end = '\r';
    size_t size = (size_t)(end + 4 - buffer) + (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
    return size <= used ? size : 0;
}

static void take_text(connection_t *connection, char *text, size_t size) {
    char line[512], reply[512];
    snprintf(line, sizeof line, "%.*s", (int)size, text);
    if (strstr(line, "\"PING\"")) {
        say_frame(connection, WS_TEXT, "{\"id\":0,\"code\":0,\"msg\":\"PONG\"}", 30);
        return;
    }
    char *channel = strstr(line, "[\"");
    if (!channel) die("a text that is no subscription: %s", line);
    channel += 2;
    channel[strcspn(channel, "\"")] = 0;
    int n = snprintf(reply, sizeof reply, "{\"id\":%lu,\"code\":0,\"msg\":\"%s\"}",
                     strstr(text, "\"id\":") ? strtoul(strstr(text, "\"id\":") + 5, NULL, 10) : 0, channel);
    say_frame(connection, WS_TEXT, reply, (size_t)n);
    printf("subscribed %s\n", channel);
    fflush(stdout);
    if (connection->role == MARKET) subscribed(connection, channel);
}

/* Takes one request or frame off the buffer; 0 where none is whole. */
static size_t take_one(connection_t *connection, size_t at, int64_t ns) {
    char *start = connection->buffer + at;
    size_t used = connection->used - at, size;
    if (connection->role == HTTP) {
        size = request_size(start, used);
        if (size) take_request(connection, start, size, ns);
        return size;
    }
    ws_frame_t frame;
    size = ws_parse(start, used, &frame);
    if (size == 0) return 0;
    if (frame.opcode == WS_TEXT) take_text(connection, frame.payload, frame.size);
    if (frame.opcode == WS_PING) say_frame(connection, WS_PONG, frame.payload, frame.size);
    if (frame.opcode == WS_CLOSE) end_connection(connection);
    return size;
}

static void take(connection_t *connection) {
    int64_t ns = arrival_ns(connection->stream.fd);
#ifdef WITH_TLS
    if (!connection->shaken) {
        int done = SSL_accept(connection->stream.tls);
        if (done != 1 && SSL_get_error(connection->stream.tls, done) != SSL_ERROR_WANT_READ) {
            end_connection(connection);
            return;
        }
        connection->shaken = done == 1;
        if (!connection->shaken) return;
    }
#endif
    for (;;) {
        ssize_t n = stream_read(&connection->stream, connection->buffer + connection->used, ROOM - 1 - connection->used);
        if (n < 0) end_connection(connection);
        if (n <= 0) return;
        if (connection->role == UPSTREAM) {
            say(connection->peer, connection->buffer, (size_t)n);
            continue;
        }
        connection->used += (size_t)n;
        connection->buffer[connection->used] = 0;
        size_t at = 0, size;
        while (connection->role != FREE && at < connection->used && (size = take_one(connection, at, ns))) at += size;
        if (connection->role == FREE) return;
        memmove(connection->buffer, connection->buffer + at, connection->used -= at);
    }
}

static void take_events(int wait_ms) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(venue.epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++) {
        connection_t *connection = events[i].data.ptr;
        if (connection->role == LISTENER) accept_one();
        else if (connection->role == COMMANDS) take_command();
        else if (connection->role != FREE) take(connection);
    }
}

static void open_listener(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, 64)) die("no listener");
    if (getsockname(fd, (struct sockaddr *)&address, &size)) die("no port");
    venue.listener = (connection_t){.role = LISTENER, .stream = {fd, NULL}};
    venue.commands = (connection_t){.role = COMMANDS, .stream = {STDIN_FILENO, NULL}};
    watch(venue.epoll, fd, &venue.listener);
    watch(venue.epoll, STDIN_FILENO, &venue.commands);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static void open_venue(int upstream_port, const char *certificate, const char *key) {
    venue.upstream_port = upstream_port;
    venue.orders = calloc(ORDERS_MOST, sizeof *venue.orders);
    if (!venue.orders) die("no memory");
    for (int i = 0; i < CONNECTIONS; i++) venue.connections[i].role = FREE;
    venue.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (certificate) {
#ifdef WITH_TLS
        SSL_CTX *context = SSL_CTX_new(TLS_server_method());
        if (!context || SSL_CTX_use_certificate_file(context, certificate, SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
            die("no certificate");
        venue.tls = context;
#else
        (void)key;
        die("built without OpenSSL");
#endif
    }
    open_listener();
}
