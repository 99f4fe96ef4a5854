/* The load generator: an MCP client that opens the command under test as its child, over pipes, and times it.
 *
 *     load [OPTIONS] --launch -- COMMAND [ARG...]
 *     load [OPTIONS] --phase FLIGHT:BYTES:CALLS:SECONDS [--phase ...] -- COMMAND [ARG...]
 *
 *     --era legacy|modern   which frames to speak (legacy: initialize handshake)
 *     --server PATH         the executable whose CPU and memory are not the gate's (the echo server)
 *     --stderr FILE         where the command's stderr goes (default /dev/null)
 *     --timeout SECONDS     how long to wait for one answer (default 20)
 *     --count-refusals      go on when a call is refused, and say how many were
 *
 * The frames are byte for byte what the official Python SDK's client writes (mcp 2.3). BYTES is the length of the
 * tools/call frame and of the answer. A phase ends after CALLS calls or SECONDS, whichever comes first, after a
 * warm-up of a tenth of it. Every answer is checked: a known id, a result, no isError, a text long enough.
 *
 * CPU is read from each process's own CPU clock (ns, threads that ended included) and summed over the whole tree;
 * we are a subreaper, so that a process that detaches itself is still counted. One line of JSON on stdout.
 * Exit status: 0 measured, 2 usage, 3 the command ended early, 4 no answer in time, 5 a wrong answer.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "usage.h"

enum { READ_SIZE = 64 * 1024, MAX_PHASES = 16, SLOTS = 4096, SNIPPET = 400 };

static const char *era_meta = "", *stderr_path = "/dev/null";
static int modern, count_refusals, to_gate = -1, from_gate = -1, timeout_seconds = 20;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- starting and ending the command ---------------------------------------------------------------------- */

static void stop(void) {
    if (to_gate >= 0) close(to_gate);
    to_gate = -1;
    pid_t found[MAX_TREE];
    for (int tenths = 0; tenths < 40; tenths++) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {}
        if (tree(found) == 1) return;
        if (tenths == 15 || tenths == 30) {
            int n = tree(found);
            for (int i = 1; i < n; i++) kill(found[i], tenths == 15 ? SIGTERM : SIGKILL);
        }
        usleep(tenths ? 100000 : 5000);
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
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) fail(1, "cannot make a pipe");
    if (vfork() == 0) {
        int err = open(stderr_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        signal(SIGPIPE, SIG_DFL);
        dup2(in[0], 0);
        dup2(out[1], 1);
        if (err >= 0) dup2(err, 2);
        execvp(command[0], command);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_gate = in[1];
    from_gate = out[0];
}

/* --- frames out ------------------------------------------------------------------------------------------- */

static char *piece[4]; /* what stands around the three places of the id */
static size_t piece_len[4], frame_len;

/* A tools/call frame of `bytes` bytes: text as agents send it, with escapes every few dozen bytes. It begins with
 * the id, since a gate may refuse the same arguments twice as a replay. */
static void prepare_frame(size_t bytes, long count) {
    static const char unit[] = "if name == \\\"main\\\":\\n    print(name)\\n";
    size_t fixed = 165 + strlen(era_meta), room = bytes > fixed ? bytes - fixed : 8;
    char *text = malloc(room + 1);
    size_t at = 0;
    while (at + sizeof unit - 1 <= room) {
        memcpy(text + at, unit, sizeof unit - 1);
        at += sizeof unit - 1;
    }
    memset(text + at, 'a', room - at);
    text[room] = 0;
    for (int i = 0; i < 4; i++) free(piece[i]);
    piece_len[0] = (size_t)asprintf(&piece[0], "{\"jsonrpc\":\"2.0\",\"id\":");
    piece_len[1] = (size_t)asprintf(&piece[1],
                                    ",\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":"
                                    "{\"count\":%ld,\"upper\":false,\"text\":\"",
                                    count);
    piece_len[2] = (size_t)asprintf(&piece[2], " %s\"},\"_meta\":{%s%s\"progressToken\":", text, era_meta,
                                    *era_meta ? "," : "");
    piece_len[3] = (size_t)asprintf(&piece[3], "}}}\n");
    frame_len = piece_len[0] + piece_len[1] + piece_len[2] + piece_len[3];
    free(text);
}

static size_t build_frame(char *to, uint64_t id) {
    char digits[24];
    size_t n = (size_t)sprintf(digits, "%lu", id);
    char *p = to;
    for (int i = 0; i < 4; i++) {
        memcpy(p, piece[i], piece_len[i]);
        p += piece_len[i];
        if (i < 3) {
            memcpy(p, digits, n);
            p += n;
        }
    }
    return (size_t)(p - to);
}

/* --- frames in -------------------------------------------------------------------------------------------- */

static char *in;
static size_t in_start, in_len, in_cap, searched;

static void wait_readable(void) {
    struct pollfd p = {.fd = from_gate, .events = POLLIN};
    int r = poll(&p, 1, timeout_seconds * 1000);
    if (r == 0) fail(4, "no answer within %d s", timeout_seconds);
}

/* Reads once. Returns 0 if there was nothing to read. */
static int receive(void) {
    if (in_start == in_len) in_start = in_len = searched = 0;
    if (in_cap - in_len < READ_SIZE) {
        memmove(in, in + in_start, in_len - in_start);
        in_len -= in_start;
        searched -= in_start;
        in_start = 0;
        if (in_cap - in_len < READ_SIZE && !(in = realloc(in, in_cap *= 2))) fail(1, "out of memory");
    }
    ssize_t n = read(from_gate, in + in_len, READ_SIZE);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) fail(3, "the command closed its output");
    in_len += (size_t)n;
    return 1;
}

static char *next_line(size_t *length) {
    char *newline = memchr(in + searched, '\n', in_len - searched);
    if (!newline) {
        searched = in_len;
        return NULL;
    }
    char *line = in + in_start;
    *length = (size_t)(newline - line);
    searched = in_start = (size_t)(newline - in) + 1;
    return line;
}

static int holds(const char *frame, size_t n, const char *what) {
    return memmem(frame, n, what, strlen(what)) != NULL;
}

/* The id of an answer, or 0 for a notification or a request of the server's (which is left unanswered). */
static uint64_t answer_id(const char *frame, size_t n) {
    size_t near = n < 200 ? n : 200;
    if (holds(frame, near, "\"method\":") && !holds(frame, near, "\"result\":")) return 0;
    const char *id = memmem(frame, n, "\"id\":", 5);
    return id ? strtoull(id + 5 + (id[5] == ' '), NULL, 10) : 0;
}

/* Returns 1 for the result that was asked for, 0 for anything else if refusals are counted. */
static int check_answer(const char *frame, size_t n, size_t text) {
    size_t edge = n < 256 ? n : 256;
    const char *last = frame + n - edge;
    if (n < text || !holds(frame, n, "\"result\":") || holds(frame, edge, "\"isError\":true") ||
        holds(last, edge, "\"isError\":true") || holds(frame, edge, "\"isError\": true") ||
        holds(last, edge, "\"isError\": true")) {
        if (count_refusals) return 0;
        fail(5, "not the result that was asked for: %.*s", (int)(n < SNIPPET ? n : SNIPPET), frame);
    }
    return 1;
}

/* --- the opening ------------------------------------------------------------------------------------------ */

static void send_text(const char *text) {
    size_t n = strlen(text);
    for (ssize_t w; n; text += w, n -= (size_t)w)
        if ((w = write(to_gate, text, n)) < 0) fail(3, "the command closed its input");
}

static void expect(uint64_t id, const char *must_hold) {
    for (;;) {
        size_t n;
        char *line = next_line(&n);
        if (!line) {
            wait_readable();
            receive();
        } else if (answer_id(line, n) == id) {
            if (!holds(line, n, must_hold))
                fail(5, "no %s in: %.*s", must_hold, (int)(n < SNIPPET ? n : SNIPPET), line);
            return;
        }
    }
}

/* What a client of that era says before its first call. Returns after the answer to tools/list. */
static void open_session(void) {
    char frame[1024];
    if (modern) {
        snprintf(frame, sizeof frame,
                 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server/discover\",\"params\":{\"_meta\":{%s}}}\n", era_meta);
        send_text(frame);
        expect(1, "\"result\":");
        snprintf(frame, sizeof frame,
                 "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\",\"params\":{\"_meta\":{%s}}}\n", era_meta);
        send_text(frame);
    } else {
        send_text("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":"
                  "\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"mcp\",\"version\":\"0.1.0\"}}}\n");
        expect(1, "\"result\":");
        send_text("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        send_text("{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/list\"}\n");
    }
    expect(2, "\"echo\"");
}

/* --- the phases ------------------------------------------------------------------------------------------- */

struct phase {
    unsigned flight;
    size_t bytes;
    uint64_t calls;
    double seconds;
};

static uint64_t next_id = 3, refused, sent_at[SLOTS];
static char *out;
static size_t out_start, out_len, out_cap;

static void push(void) {
    while (out_start < out_len) {
        ssize_t n = write(to_gate, out + out_start, out_len - out_start);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            memmove(out, out + out_start, out_len - out_start);
            out_len -= out_start;
            out_start = 0;
            return;
        }
        if (n < 0) fail(3, "the command closed its input");
        out_start += (size_t)n;
    }
    out_start = out_len = 0;
}

/* Up to `calls` calls with `flight` of them under way; latencies in ns go to `latency`. Returns calls done. */
static uint64_t drive(unsigned flight, size_t text, uint64_t calls, double seconds, uint64_t *latency) {
    uint64_t sent = 0, done = 0, deadline = now_ns() + (uint64_t)(seconds * 1e9);
    while (done < calls) {
        uint64_t t = now_ns();
        if (t > deadline && sent < calls) calls = sent;
        while (sent < calls && sent - done < flight) {
            sent_at[next_id % SLOTS] = t;
            out_len += build_frame(out + out_len, next_id++);
            sent++;
        }
        push();
        if (done == calls) break;
        struct pollfd fds[2] = {{.fd = from_gate, .events = POLLIN},
                                {.fd = out_start < out_len ? to_gate : -1, .events = POLLOUT}};
        int r = poll(fds, 2, timeout_seconds * 1000);
        if (r == 0) fail(4, "no answer within %d s after %lu answers", timeout_seconds, done);
        if (fds[1].revents) push();
        if (!fds[0].revents || !receive()) continue;
        uint64_t arrived = now_ns();
        size_t n;
        for (char *line; (line = next_line(&n));) {
            uint64_t id = answer_id(line, n), *slot = &sent_at[id % SLOTS];
            if (!id) continue;
            if (id >= next_id || !*slot) fail(5, "an answer to no question: %.*s", (int)(n < SNIPPET ? n : SNIPPET), line);
            refused += !check_answer(line, n, text);
            if (latency) latency[done] = arrived - *slot;
            *slot = 0;
            done++;
        }
    }
    return done;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void run_phase(struct phase p, int first) {
    size_t text = p.bytes > 104 ? p.bytes - 96 : 8;
    prepare_frame(p.bytes, (long)text);
    size_t need = (frame_len + 80) * (p.flight + 1);
    if (out_cap < need) out = realloc(out, out_cap = need);
    uint64_t *latency = calloc(p.calls + 1, sizeof *latency);
    if (!out || !latency) fail(1, "out of memory");
    drive(p.flight, text, p.calls / 10 + p.flight, p.seconds / 10, NULL);
    struct usage before = usage(0);
    uint64_t began = now_ns();
    uint64_t calls = drive(p.flight, text, p.calls, p.seconds, latency);
    uint64_t took = now_ns() - began;
    struct usage after = usage(1);
    qsort(latency, calls, sizeof *latency, ascending);
    double n = calls ? (double)calls : 1;
    printf("%s{\"flight\":%u,\"bytes\":%zu,\"frame\":%zu,\"calls\":%lu,\"p50_us\":%.3f,\"p99_us\":%.3f,"
           "\"calls_per_s\":%.1f,\"cpu_us\":%.3f,\"server_cpu_us\":%.3f,\"pss_kb\":%ld,\"processes\":%d}",
           first ? "" : ",", p.flight, p.bytes, frame_len + 3 * 5, calls,
           (double)latency[calls / 2] / 1e3, (double)latency[calls * 99 / 100] / 1e3, n / ((double)took / 1e9),
           (double)(after.gate_ns - before.gate_ns) / n / 1e3,
           (double)(after.server_ns - before.server_ns) / n / 1e3, after.gate_pss_kb, after.processes);
    free(latency);
}

int main(int argc, char **argv) {
    struct phase phases[MAX_PHASES];
    int launch = 0, count = 0, i = 1;
    for (; i < argc && strcmp(argv[i], "--"); i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(argv[i], "--launch")) {
            launch = 1;
            continue;
        }
        if (!strcmp(argv[i], "--count-refusals")) {
            count_refusals = 1;
            continue;
        }
        if (!strcmp(argv[i], "--era"))
            modern = !strcmp(value, "modern");
        else if (!strcmp(argv[i], "--server"))
            server_path = value;
        else if (!strcmp(argv[i], "--stderr"))
            stderr_path = value;
        else if (!strcmp(argv[i], "--timeout"))
            timeout_seconds = atoi(value);
        else if (!strcmp(argv[i], "--phase") && count < MAX_PHASES) {
            struct phase *p = &phases[count++];
            if (sscanf(value, "%u:%zu:%lu:%lf", &p->flight, &p->bytes, &p->calls, &p->seconds) != 4 ||
                p->flight < 1 || p->flight >= SLOTS || p->calls < 1) {
                fprintf(stderr, "load: bad phase %s\n", value);
                return 2;
            }
        } else {
            fprintf(stderr, "load: unknown option %s\n", argv[i]);
            return 2;
        }
        i++;
    }
    if (i + 1 >= argc || (!launch && !count)) {
        fprintf(stderr, "usage: load [OPTIONS] (--launch | --phase F:B:C:S ...) -- COMMAND\n");
        return 2;
    }
    if (modern)
        era_meta = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
                   "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"mcp\",\"version\":\"0.1.0\"},"
                   "\"io.modelcontextprotocol/clientCapabilities\":{}";
    in_cap = 8 * READ_SIZE;
    in = malloc(in_cap);
    if (!in) return 1;
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_CHILD_SUBREAPER, 1);

    uint64_t began = now_ns();
    start(argv + i + 1);
    open_session();
    double ready_ms = (double)(now_ns() - began) / 1e6;
    printf("{\"ready_ms\":%.3f,\"phases\":[", ready_ms);
    fcntl(to_gate, F_SETFL, fcntl(to_gate, F_GETFL) | O_NONBLOCK);
    for (int p = 0; p < count; p++) run_phase(phases[p], p == 0);
    printf("],\"asked\":%lu,\"refused\":%lu}\n", next_id - 3, refused);
    fflush(stdout);
    stop();
    return 0;
}
