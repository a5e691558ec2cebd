/* What floor.c and load.c share: clocks, sockets, websocket framing (RFC 6455), base64 and SHA-1 for its handshake.
 * Every fault ends the program with a text: this is a measuring instrument, not a server. */
#pragma once
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#else
typedef struct ssl_st SSL; /* never there */
#endif

enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10, WS_HEAD_MOST = 14 };

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, errno ? " (%s)\n" : "\n", strerror(errno));
    exit(1);
}

static inline int64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void set_nodelay(int fd) {
    int on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on)) die("TCP_NODELAY");
}

static inline void set_nonblocking(int fd) {
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)) die("O_NONBLOCK");
}

static inline int connect_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) die("no connection to port %d", port);
    set_nodelay(fd);
    return fd;
}

static inline void watch(int epoll, int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
}

/* One TCP connection, with TLS on it or not. */
typedef struct {
    int fd;
    SSL *tls;
} stream_t;

/* How many bytes came; 0: nothing yet; -1: the end. */
static inline ssize_t stream_read(stream_t *stream, void *out, size_t room) {
    ssize_t n;
#ifdef WITH_TLS
    if (stream->tls) {
        n = SSL_read(stream->tls, out, (int)room);
        if (n > 0) return n;
        int error = SSL_get_error(stream->tls, (int)n);
        ERR_clear_error();
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
#endif
    n = read(stream->fd, out, room);
    if (n > 0) return n;
    return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* All of it, in one system call where the socket's buffer has room. -1: the other side is gone. */
static inline int stream_write(stream_t *stream, const void *bytes, size_t size) {
    const char *at = bytes;
    while (size) {
        ssize_t n;
#ifdef WITH_TLS
        if (stream->tls) {
            n = SSL_write(stream->tls, at, (int)size);
            if (n <= 0 && SSL_get_error(stream->tls, (int)n) != SSL_ERROR_WANT_WRITE) return -1;
        } else
#endif
            n = write(stream->fd, at, size);
        if (n < 0 && errno != EAGAIN && errno != EINTR) return -1;
        if (n > 0) at += n, size -= (size_t)n;
    }
    return 0;
}

typedef struct {
    int opcode;
    int fin;
    char *payload;
    size_t size;
} ws_frame_t;

/* The frame at p[0 .. n), unmasked in place; answers its whole length, 0 where it is not all there. */
static inline size_t ws_parse(char *p, size_t n, ws_frame_t *frame) {
    const uint8_t *u = (const uint8_t *)p;
    size_t head = 2, size;
    if (n < 2) return 0;
    size = u[1] & 0x7F;
    if (size == 126) {
        if (n < 4) return 0;
        size = (size_t)u[2] << 8 | u[3];
        head = 4;
    } else if (size == 127) {
        if (n < 10) return 0;
        size = 0;
        for (int i = 2; i < 10; i++) size = size << 8 | u[i];
        head = 10;
    }
    int masked = u[1] >> 7;
    if (size > 1 << 24) die("a websocket frame of %zu bytes", size);
    if (n < head + (masked ? 4 : 0) + size) return 0;
    frame->opcode = u[0] & 15;
    frame->fin = u[0] >> 7;
    frame->payload = p + head + (masked ? 4 : 0);
    frame->size = size;
    for (size_t i = 0; masked && i < size; i++) frame->payload[i] ^= p[head + (i & 3)];
    return head + (masked ? 4 : 0) + size;
}

/* The head of an unfragmented frame; a client's (`mask`) has a mask of zeros, so that its payload may follow as it is. */
static inline size_t ws_head(char *out, int opcode, size_t size, int mask) {
    size_t n = 0;
    out[n++] = (char)(0x80 | opcode);
    if (size < 126) {
        out[n++] = (char)((mask ? 0x80 : 0) | size);
    } else {
        if (size > 0xFFFF) die("a websocket frame of %zu bytes is not sent", size);
        out[n++] = (char)((mask ? 0x80 : 0) | 126);
        out[n++] = (char)(size >> 8);
        out[n++] = (char)(size & 0xFF);
    }
    if (mask) {
        memset(out + n, 0, 4);
        n += 4;
    }
    return n;
}

static inline uint32_t sha1_turn(uint32_t value, int by) { return value << by | value >> (32 - by); }

static inline void sha1_block(uint32_t h[5], const uint8_t *block) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = sha1_turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
        uint32_t k = i < 20 ? 0x5A827999 : i < 40 ? 0x6ED9EBA1 : i < 60 ? 0x8F1BBCDC : 0xCA62C1D6;
        uint32_t next = sha1_turn(a, 5) + f + e + k + w[i];
        e = d, d = c, c = sha1_turn(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

/* Sec-WebSocket-Accept of a key: base64 of the SHA-1 (RFC 3174) of key and GUID, both within two blocks. */
static inline void ws_accept(const char *key, size_t size, char out[29]) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint8_t blocks[128] = {0}, digest[21] = {0};
    size_t n = size + sizeof guid - 1;
    if (size > 64) die("a websocket key of %zu bytes", size);
    memcpy(blocks, key, size);
    memcpy(blocks + size, guid, sizeof guid - 1);
    blocks[n] = 0x80;
    size_t whole = n < 56 ? 64 : 128;
    blocks[whole - 2] = (uint8_t)(n * 8 >> 8);
    blocks[whole - 1] = (uint8_t)(n * 8);
    for (size_t at = 0; at < whole; at += 64) sha1_block(h, blocks + at);
    for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
    for (int i = 0; i < 7; i++) {
        uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int k = 0; k < 4; k++) out[4 * i + k] = digits[three >> (18 - 6 * k) & 63];
    }
    out[27] = '=';
    out[28] = 0;
}
