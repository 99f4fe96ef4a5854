/* An MCP server over Streamable HTTP that costs next to nothing: see ../stdio/echo.h for what it answers.
 *
 *     echo_http [PORT]
 *
 * It listens on 127.0.0.1 (port 0, the default: any) and prints its port. Every POST to a path that begins with
 * `/sse` is answered as a stream with one event, any other as JSON. `initialize` gets an Mcp-Session-Id; no session
 * is remembered. GET is 405, DELETE 200. Connections are kept alive; requests need a Content-Length and are not
 * pipelined.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../stdio/echo.h"

enum { READ_SIZE = 64 * 1024, EVENTS = 256 };

struct connection {
    int fd;
    char *in, *pending;
    size_t in_len, in_cap, head_len, body_len, pending_at, pending_len;
};

static int epoll_fd;

static void watch(struct connection *c, int operation, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(epoll_fd, operation, c->fd, &e);
}

static void drop(struct connection *c) {
    close(c->fd);
    free(c->in);
    free(c->pending);
    free(c);
}

/* Writes what waits. Returns 0 if the connection is gone. */
static int push(struct connection *c) {
    while (c->pending_at < c->pending_len) {
        ssize_t n = write(c->fd, c->pending + c->pending_at, c->pending_len - c->pending_at);
        if (n < 0 && errno == EAGAIN) return 1;
        if (n <= 0) return 0;
        c->pending_at += (size_t)n;
    }
    free(c->pending);
    c->pending = NULL;
    c->pending_at = c->pending_len = 0;
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
    return 1;
}

/* Writes head and body, and keeps what does not go now. Returns 0 if the connection is gone. */
static int reply(struct connection *c, const char *head, size_t head_len, const char *body, size_t body_len) {
    struct iovec both[2] = {{(void *)head, head_len}, {(void *)body, body_len}};
    ssize_t n = writev(c->fd, both, 2);
    if (n < 0 && errno != EAGAIN) return 0;
    size_t done = n < 0 ? 0 : (size_t)n, all = head_len + body_len;
    if (done == all) return 1;
    c->pending = malloc(all - done);
    if (!c->pending) return 0;
    size_t of_head = done < head_len ? head_len - done : 0;
    memcpy(c->pending, head + head_len - of_head, of_head);
    memcpy(c->pending + of_head, body + (done > head_len ? done - head_len : 0), all - done - of_head);
    c->pending_len = all - done;
    watch(c, EPOLL_CTL_MOD, EPOLLOUT);
    return 1;
}

static int serve(struct connection *c) {
    static uint64_t session;
    char head[512], *body = c->in + c->head_len;
    int n, post = !memcmp(c->in, "POST ", 5), stream = !memcmp(c->in, "POST /sse", 9);
    out_len = 0;
    if (post) {
        if (stream) puts_("event: message\ndata: ");
        size_t before = out_len;
        answer(body, c->body_len);
        if (out_len == before)
            out_len = 0;
        else if (stream)
            puts_("\n\n");
    }
    if (!post)
        n = sprintf(head, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n",
                    memcmp(c->in, "GET ", 4) ? "200 OK" : "405 Method Not Allowed");
    else if (!out_len)
        n = sprintf(head, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    else
        n = sprintf(head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n",
                    stream ? "text/event-stream" : "application/json", out_len);
    if (out_len) {
        size_t near = c->body_len < 200 ? c->body_len : 200;
        if (memmem(body, near, "\"initialize\"", 12))
            n += sprintf(head + n, "Mcp-Session-Id: session-%016lx\r\n", ++session);
        n += sprintf(head + n, "\r\n");
    }
    return reply(c, head, (size_t)n, out, out_len);
}

/* The length of the body that the head promises. */
static size_t promised(const char *head, size_t n) {
    static const char name[] = "\ncontent-length:";
    for (const char *p = head, *end = head + n; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        if (end - p > (long)sizeof name && !strncasecmp(p, name, sizeof name - 1))
            return strtoul(p + sizeof name - 1, NULL, 10);
    return 0;
}

/* Takes what has come, and answers what is whole. Returns 0 if the connection is gone. */
static int take(struct connection *c) {
    if (c->in_cap - c->in_len < READ_SIZE + 1) {
        c->in_cap = c->in_cap * 2 + 2 * READ_SIZE;
        if (!(c->in = realloc(c->in, c->in_cap))) return 0;
    }
    ssize_t n = read(c->fd, c->in + c->in_len, READ_SIZE);
    if (n < 0 && errno == EAGAIN) return 1;
    if (n <= 0) return 0;
    c->in_len += (size_t)n;
    if (!c->head_len) {
        char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
        if (!end) return c->in_len < READ_SIZE;
        c->head_len = (size_t)(end - c->in) + 4;
        c->body_len = promised(c->in, c->head_len);
    }
    if (c->in_len < c->head_len + c->body_len) return 1;
    c->in[c->head_len + c->body_len] = 0;
    int stays = serve(c);
    c->in_len = c->head_len = 0;
    return stays;
}

int main(int argc, char **argv) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    at.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0));
    socklen_t size = sizeof at;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 4096)) return 1;
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS], e = {.events = EPOLLIN};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (c) {
                if (!(c->pending ? push(c) : take(c))) drop(c);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd < 0 || !(c = calloc(1, sizeof *c))) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            c->fd = fd;
            watch(c, EPOLL_CTL_ADD, EPOLLIN);
        }
    }
}
