/* The load generator: MCP clients over Streamable HTTP, each on a connection of its own that is kept alive.
 *
 *     load --port PORT --path PATH --phase FLIGHT:BYTES:CALLS:SECONDS [--phase ...] [OPTIONS] [-- COMMAND [ARG...]]
 *
 *     --era modern|legacy    which frames and headers to send (modern: 2026-07-28)
 *     --sessions N           legacy: how many sessions to begin; calls go to one after the other
 *     --header 'Name: value' a header of every request; may be repeated
 *     --gate-cores LIST      the cores of COMMAND, such as 0 or 0,1 (default: those of this process)
 *     --server PATH          an executable in COMMAND's tree whose CPU and memory are not the gate's
 *     --beside PID           another process whose CPU is told apart: a store
 *     --stderr FILE          where COMMAND's output goes (default /dev/null)
 *     --timeout SECONDS      how long to wait for one answer, or for COMMAND to be ready (default 60)
 *
 * COMMAND is the gate: it is started here and ready when it answers tools/list; without one, whatever listens on the
 * port is measured and costs nothing. BYTES is the length of a tools/call frame and of its answer; the least frame is
 * longer than 200 (the real length is told). A phase has FLIGHT connections with one call under way on each, and ends
 * after CALLS calls or SECONDS, after a warm-up of a tenth of it. Every answer is checked: status 200, the id that was
 * asked, a result, no isError, a text long enough; as JSON or as a stream of events, with a length or chunked.
 *
 * CPU is read from each process's own CPU clock (ns, threads that ended included) and summed over COMMAND's whole
 * tree; we are a subreaper, so that a process that detaches itself is still counted. One line of JSON on stdout.
 * Exit status: 0 measured, 2 usage, 3 connection or command lost, 4 no answer in time, 5 a wrong answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "../stdio/usage.h"

enum { READ_SIZE = 64 * 1024, MAX_PHASES = 32, MAX_FLIGHT = 1024, EDGE = 600, SNIPPET = 400, ID_DIGITS = 10 };
enum { SESSION_MAX = 1024, FIRST_ID = 1000000001 };

static const char *path = "/mcp", *stderr_path = "/dev/null", *gate_cores = "";
static char extra_headers[4096];
static int modern = 1, timeout_seconds = 60, port, epoll_fd, started;
static pid_t beside;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- starting and ending the command ---------------------------------------------------------------------- */

static void stop(void) {
    pid_t found[MAX_TREE];
    for (int tenths = 0; started && tenths < 60; tenths++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        int n = tree(found);
        if (n == 1) return;
        if (tenths == 0) kill(found[1], SIGTERM);
        for (int i = 1; i < n && (tenths == 20 || tenths == 40); i++)
            kill(found[i], tenths == 20 ? SIGTERM : SIGKILL);
        usleep(tenths ? 100000 : 20000);
    }
}

static void fail(int status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    stop();
    exit(status);
}

static void start(char **command) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (const char *p = gate_cores; *p; p += strcspn(p, ","), p += *p == ',') CPU_SET((size_t)atoi(p), &cores);
    started = 1;
    if (fork() == 0) {
        int out = open(stderr_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (*gate_cores) sched_setaffinity(0, sizeof cores, &cores);
        if (out >= 0) dup2(out, 1), dup2(out, 2);
        execvp(command[0], command);
        _exit(127);
    }
}

/* --- connections ------------------------------------------------------------------------------------------ */

struct connection {
    int fd;
    char head[2048], *body;
    size_t head_len, body_len, sent;
    char *in;
    size_t in_len, in_cap, answer_head, answer_len, chunk_at;
    int status, chunked, closes, used;
    uint64_t id, began;
};

static struct connection connections[MAX_FLIGHT];
static uint64_t reconnects;

/* Returns 0 if nobody listens. */
static int open_connection(struct connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    int one = 1;
    to.sin_port = htons((uint16_t)port);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to)) {
        close(c->fd);
        c->fd = 0;
        return 0;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &e);
    c->used = 0;
    return 1;
}

static void close_connection(struct connection *c) {
    if (c->fd > 0) close(c->fd);
    c->fd = 0;
}

/* Writes what is left of the request. */
static void push(struct connection *c) {
    while (c->sent < c->head_len + c->body_len) {
        size_t of_body = c->sent > c->head_len ? c->sent - c->head_len : 0;
        struct iovec both[2] = {{c->head + (c->sent - of_body), c->head_len - (c->sent - of_body)},
                                {c->body + of_body, c->body_len - of_body}};
        ssize_t n = writev(c->fd, both, 2);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
            return;
        }
        if (n < 0) return; /* what is read next says why */
        c->sent += (size_t)n;
    }
}

static void begin(struct connection *c) {
    c->in_len = c->answer_head = c->answer_len = c->sent = 0;
    if (!c->fd && !open_connection(c)) fail(3, "nobody listens any more");
    push(c);
}

/* The value of an answer's header, or NULL. */
static const char *header(const struct connection *c, const char *name) {
    size_t length = strlen(name);
    for (const char *p = c->in, *end = c->in + c->answer_head; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        if (end - p > (long)length + 2 && !strncasecmp(p + 1, name, length) && p[1 + length] == ':')
            return p + 2 + length + strspn(p + 2 + length, " ");
    return NULL;
}

static void read_head(struct connection *c) {
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!end) return;
    c->answer_head = (size_t)(end - c->in) + 4;
    c->status = atoi(c->in + strcspn(c->in, " "));
    const char *length = header(c, "content-length"), *coding = header(c, "transfer-encoding");
    const char *keeps = header(c, "connection");
    c->chunked = coding && !strncasecmp(coding, "chunked", 7);
    c->closes = keeps && !strncasecmp(keeps, "close", 5);
    c->answer_len = length ? strtoul(length, NULL, 10) : 0;
    c->chunk_at = c->answer_head;
}

/* Takes the chunks that are whole out of their frames; `answer_len` is what was taken. Returns 1 at the end. */
static int read_chunks(struct connection *c) {
    for (;;) {
        char *line = c->in + c->chunk_at, *end = memmem(line, c->in_len - c->chunk_at, "\r\n", 2);
        if (!end) return 0;
        size_t size = strtoul(line, NULL, 16), data = (size_t)(end - c->in) + 2;
        if (c->in_len < data + size + 2) return 0;
        if (!size) return 1;
        memmove(c->in + c->answer_head + c->answer_len, c->in + data, size);
        c->answer_len += size;
        c->chunk_at = data + size + 2;
    }
}

/* Reads once. Returns 1 when the answer is complete, 0 when it is not, -1 when the connection has ended. */
static int receive(struct connection *c) {
    if (c->in_cap - c->in_len < READ_SIZE && !(c->in = realloc(c->in, c->in_cap = c->in_cap * 2 + 2 * READ_SIZE)))
        fail(1, "out of memory");
    ssize_t n = read(c->fd, c->in + c->in_len, READ_SIZE);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) return -1;
    c->in_len += (size_t)n;
    if (!c->answer_head) read_head(c);
    if (!c->answer_head) return 0;
    return c->chunked ? read_chunks(c) : c->in_len >= c->answer_head + c->answer_len;
}

/* Waits for whatever happens next. Returns the connection whose answer is complete, or NULL. */
static struct connection *next_answer(void) {
    static struct epoll_event events[64];
    static int count, at;
    if (at == count) {
        at = 0;
        count = epoll_wait(epoll_fd, events, 64, timeout_seconds * 1000);
        if (count == 0) fail(4, "no answer within %d s", timeout_seconds);
        if (count < 0) {
            count = 0;
            return NULL;
        }
    }
    struct epoll_event e = events[at++];
    struct connection *c = e.data.ptr;
    if (!c->fd) return NULL;
    if (e.events & EPOLLOUT) {
        e.events = EPOLLIN;
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &e);
        push(c);
        return NULL;
    }
    int got = receive(c);
    if (got < 0) {
        close_connection(c);
        if (!c->used || c->in_len) fail(3, "the connection was closed before the answer's end");
        reconnects++;
        begin(c);
        return NULL;
    }
    if (got) c->used = 1;
    if (got && c->closes) close_connection(c), reconnects++;
    return got ? c : NULL;
}

/* --- requests --------------------------------------------------------------------------------------------- */

static char (*sessions)[SESSION_MAX];
static unsigned session_count;

static void write_head(struct connection *c, const char *method, const char *name, const char *session) {
    int n = snprintf(c->head, sizeof c->head,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json, text/event-stream\r\n"
                     "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\nUser-Agent: python-httpx/0.28.1\r\n"
                     "Content-Type: application/json\r\n%s",
                     path, port, extra_headers);
    size_t at = (size_t)n;
    if (modern)
        at += (size_t)sprintf(c->head + at, "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: %s\r\n", method);
    else if (strcmp(method, "initialize"))
        at += (size_t)sprintf(c->head + at, "MCP-Protocol-Version: 2025-11-25\r\n");
    if (modern && name) at += (size_t)sprintf(c->head + at, "Mcp-Name: %s\r\n", name);
    if (session && *session) at += (size_t)sprintf(c->head + at, "Mcp-Session-Id: %s\r\n", session);
    at += (size_t)sprintf(c->head + at, "Content-Length: %zu\r\n\r\n", c->body_len);
    c->head_len = at;
}

static const char meta[] = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                           "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"mcp\",\"version\":\"0.1.0\"},"
                           "\"io.modelcontextprotocol/clientCapabilities\":{}";

static char *call_frame;
static size_t frame_len, id_at, text_at;

/* A tools/call frame of `bytes` bytes: text as agents send it, with escapes every few dozen bytes. It begins with
 * the id, since a gate may refuse the same arguments twice as a replay. */
static void prepare_frame(size_t bytes, size_t count) {
    static const char unit[] = "if name == \\\"main\\\":\\n    print(name)\\n";
    free(call_frame);
    call_frame = malloc(bytes + 1024);
    if (!call_frame) fail(1, "out of memory");
    size_t at = (size_t)sprintf(call_frame, "{\"jsonrpc\":\"2.0\",\"id\":");
    id_at = at;
    at += (size_t)sprintf(call_frame + at, "%0*d,\"method\":\"tools/call\",\"params\":{\"_meta\":{", ID_DIGITS, 0);
    at += (size_t)sprintf(call_frame + at, "%s},\"name\":\"echo\",\"arguments\":{\"count\":%zu,\"upper\":false,\"text\":\"",
                          modern ? meta : "\"progressToken\":1", count);
    text_at = at;
    at += (size_t)sprintf(call_frame + at, "%0*d ", ID_DIGITS, 0);
    while (at + sizeof unit - 1 + 4 <= bytes) {
        memcpy(call_frame + at, unit, sizeof unit - 1);
        at += sizeof unit - 1;
    }
    while (at + 4 < bytes) call_frame[at++] = 'a';
    frame_len = at + (size_t)sprintf(call_frame + at, "\"}}}");
}

static void call(struct connection *c, uint64_t id) {
    char digits[ID_DIGITS + 1];
    sprintf(digits, "%0*lu", ID_DIGITS, id);
    memcpy(c->body + id_at, digits, ID_DIGITS);
    memcpy(c->body + text_at, digits, ID_DIGITS);
    c->id = id;
    if (session_count > 1) write_head(c, "tools/call", "echo", sessions[id % session_count]);
    c->began = now_ns();
    begin(c);
}

static int holds(const char *text, size_t n, const char *what) {
    return memmem(text, n, what, strlen(what)) != NULL;
}

static void check_answer(const struct connection *c, size_t text) {
    char wanted[32], spaced[32];
    const char *answer = c->in + c->answer_head, *last;
    size_t n = c->answer_len, edge = n < EDGE ? n : EDGE;
    last = answer + n - edge;
    sprintf(wanted, "\"id\":%lu", c->id);
    sprintf(spaced, "\"id\": %lu", c->id);
    if (c->status != 200 || n < text || !(holds(answer, n, wanted) || holds(answer, n, spaced)) ||
        !holds(answer, n, "\"result\":") || holds(answer, edge, "\"isError\":true") ||
        holds(last, edge, "\"isError\":true") || holds(answer, edge, "\"isError\": true") ||
        holds(last, edge, "\"isError\": true"))
        fail(5, "not the result that was asked for: HTTP %d %.*s", c->status, (int)(n < SNIPPET ? n : SNIPPET), answer);
}

/* --- the opening ------------------------------------------------------------------------------------------ */

/* Sends one frame on the first connection and waits for its answer; again while the gate says 503, which it may
 * until it is ready. Returns the HTTP status. */
static int ask(const char *method, const char *frame, const char *session) {
    struct connection *c = connections;
    uint64_t deadline = now_ns() + (uint64_t)timeout_seconds * 1000000000u;
    c->body = (char *)frame;
    c->body_len = strlen(frame);
    write_head(c, method, NULL, session);
    for (;;) {
        begin(c);
        while (!next_answer()) {}
        if (c->status != 503 || now_ns() > deadline) return c->status;
        usleep(2000);
    }
}

static void open_sessions(void) {
    struct connection *c = connections;
    for (unsigned i = 0; i < session_count; i++) {
        int status = ask("initialize",
                         "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
                         "\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"mcp\",\"version\":\"0.1.0\"}}}",
                         NULL);
        const char *given = header(c, "mcp-session-id");
        size_t n = given ? strcspn(given, "\r\n") : 0;
        if (status != 200 || n >= SESSION_MAX) fail(5, "no session: HTTP %d", status);
        memcpy(sessions[i], given, n);
        status = ask("notifications/initialized", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
                     sessions[i]);
        if (status / 100 != 2) fail(5, "notifications/initialized: HTTP %d", status);
    }
}

/* Waits until the gate answers tools/list: nothing that it does before that is a call. */
static void wait_until_ready(void) {
    char list[512];
    uint64_t deadline = now_ns() + (uint64_t)timeout_seconds * 1000000000u;
    while (!open_connection(connections)) {
        if (started && waitpid(-1, NULL, WNOHANG) > 0) fail(3, "the command ended before it listened");
        if (now_ns() > deadline) fail(4, "nobody listens after %d s", timeout_seconds);
        usleep(2000);
    }
    if (!modern) open_sessions();
    sprintf(list, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{%s%s%s}}", modern ? "\"_meta\":{" : "",
            modern ? meta : "", modern ? "}" : "");
    int status = ask("tools/list", list, modern ? NULL : sessions[0]);
    const struct connection *c = connections;
    if (status != 200 || !holds(c->in + c->answer_head, c->answer_len, "\"echo\""))
        fail(5, "tools/list: HTTP %d %.*s", status, (int)(c->answer_len < SNIPPET ? c->answer_len : SNIPPET),
             c->in + c->answer_head);
}

/* --- the phases ------------------------------------------------------------------------------------------- */

struct phase {
    unsigned flight;
    size_t bytes;
    uint64_t calls;
    double seconds;
};

static uint64_t next_id = FIRST_ID;

/* Up to `calls` calls with `flight` of them under way; latencies in ns go to `latency`. Returns calls done. */
static uint64_t drive(unsigned flight, size_t text, uint64_t calls, double seconds, uint64_t *latency) {
    uint64_t sent = 0, done = 0, t = now_ns(), deadline = t + (uint64_t)(seconds * 1e9);
    for (unsigned i = 0; i < flight && sent < calls; i++, sent++) call(&connections[i], next_id++);
    while (done < sent) {
        struct connection *c = next_answer();
        if (!c) continue;
        t = now_ns();
        check_answer(c, text);
        if (latency) latency[done] = t - c->began;
        done++;
        if (sent < calls && t < deadline) {
            call(c, next_id++);
            sent++;
        }
    }
    return done;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void run_phase(struct phase p, int first) {
    size_t text = p.bytes > 128 ? p.bytes - 120 : 8;
    prepare_frame(p.bytes, text);
    for (unsigned i = 0; i < p.flight; i++) {
        struct connection *c = &connections[i];
        c->body = malloc(frame_len);
        if (!c->body) fail(1, "out of memory");
        memcpy(c->body, call_frame, frame_len);
        c->body_len = frame_len;
        write_head(c, "tools/call", "echo", modern ? NULL : sessions[0]);
    }
    uint64_t *latency = calloc(p.calls + 1, sizeof *latency);
    if (!latency) fail(1, "out of memory");
    uint64_t warm = p.calls / 10 + p.flight;
    /* Each session is known to the gate's limits before anything is measured. */
    if (session_count > 1) drive(p.flight, text, session_count, 3600, NULL);
    drive(p.flight, text, warm, p.seconds / 10, NULL);
    struct usage before = usage(0);
    uint64_t beside_before = beside ? cpu_ns(beside) : 0, began = now_ns();
    uint64_t calls = drive(p.flight, text, p.calls, p.seconds, latency);
    uint64_t took = now_ns() - began, beside_after = beside ? cpu_ns(beside) : 0;
    struct usage after = usage(1);
    qsort(latency, calls, sizeof *latency, ascending);
    double n = calls ? (double)calls : 1;
    printf("%s{\"flight\":%u,\"bytes\":%zu,\"frame\":%zu,\"calls\":%lu,\"p50_us\":%.3f,\"p99_us\":%.3f,"
           "\"calls_per_s\":%.1f,\"cpu_us\":%.3f,\"beside_cpu_us\":%.3f,\"pss_kb\":%ld,\"processes\":%d}",
           first ? "" : ",", p.flight, p.bytes, frame_len, calls, (double)latency[calls / 2] / 1e3,
           (double)latency[calls * 99 / 100] / 1e3, n / ((double)took / 1e9),
           (double)(after.gate_ns - before.gate_ns) / n / 1e3, (double)(beside_after - beside_before) / n / 1e3,
           after.gate_pss_kb, after.processes);
    free(latency);
    for (unsigned i = 0; i < p.flight; i++) {
        /* The gate's memory is then that of the connections in use. */
        close_connection(&connections[i]);
        free(connections[i].body);
        connections[i].body = NULL;
    }
}

static int usage_error(const char *what) {
    fprintf(stderr, "load: bad or missing %s; see the head of load.c\n", what);
    return 2;
}

int main(int argc, char **argv) {
    struct phase phases[MAX_PHASES];
    int count = 0, i = 1;
    for (; i < argc && strcmp(argv[i], "--"); i += 2) {
        const char *option = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(option, "--port"))
            port = atoi(value);
        else if (!strcmp(option, "--path"))
            path = value;
        else if (!strcmp(option, "--era"))
            modern = !strcmp(value, "modern");
        else if (!strcmp(option, "--sessions"))
            session_count = (unsigned)atoi(value);
        else if (!strcmp(option, "--header") && strlen(extra_headers) + strlen(value) + 3 < 1024)
            strcat(strcat(extra_headers, value), "\r\n");
        else if (!strcmp(option, "--gate-cores"))
            gate_cores = value;
        else if (!strcmp(option, "--server"))
            server_path = value;
        else if (!strcmp(option, "--beside"))
            beside = atoi(value);
        else if (!strcmp(option, "--stderr"))
            stderr_path = value;
        else if (!strcmp(option, "--timeout"))
            timeout_seconds = atoi(value);
        else if (!strcmp(option, "--phase") && count < MAX_PHASES) {
            struct phase *p = &phases[count++];
            if (sscanf(value, "%u:%zu:%lu:%lf", &p->flight, &p->bytes, &p->calls, &p->seconds) != 4 ||
                p->flight < 1 || p->flight > MAX_FLIGHT || p->calls < 1)
                return usage_error("--phase");
        } else
            return usage_error(option);
    }
    if (!port) return usage_error("--port");
    if (!modern && !session_count) session_count = 1;
    sessions = calloc(session_count + 1, sizeof *sessions);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!sessions || epoll_fd < 0) return 1;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);

    uint64_t began = now_ns();
    if (i + 1 < argc) start(argv + i + 1);
    wait_until_ready();
    close_connection(connections);
    printf("{\"ready_ms\":%.3f,\"phases\":[", (double)(now_ns() - began) / 1e6);
    for (int p = 0; p < count; p++) run_phase(phases[p], p == 0);
    printf("],\"asked\":%lu,\"reconnects\":%lu}\n", next_id - FIRST_ID, reconnects);
    fflush(stdout);
    stop();
    return 0;
}
