/* An MCP server over stdio that costs next to nothing, so that what is measured is what stands in front of it.
 *
 *     echo_server
 *
 * It knows initialize, ping, server/discover, tools/list (one tool, `echo`, with an inputSchema) and tools/call,
 * whose answer holds a text of `arguments.count` bytes. Both eras: a request that carries the modern
 * protocolVersion in `_meta` gets a `resultType`. Only our load generator and the proxies under test talk to it:
 * members are found by searching for their names, which is wrong for a server that strangers can reach.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024, FLUSH_AT = 64 * 1024, MAX_TEXT = 16 * 1024 * 1024 };

static char *in, *out;
static size_t in_len, in_cap, out_len, out_cap;

static void flush(void) {
    for (size_t done = 0; done < out_len;) {
        ssize_t n = write(1, out + done, out_len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) exit(1);
        done += (size_t)n;
    }
    out_len = 0;
}

static char *claim(size_t n) {
    if (out_len + n > out_cap) {
        out_cap = (out_len + n) * 2;
        out = realloc(out, out_cap);
        if (!out) exit(1);
    }
    out_len += n;
    return out + out_len - n;
}

static void put(const char *bytes, size_t n) { memcpy(claim(n), bytes, n); }

/* Plain words: a gate that looks at answers must find nothing to report in them. */
static void put_text(size_t n) {
    static char words[4096];
    if (!words[0])
        for (size_t i = 0; i < sizeof words; i++) words[i] = "all is well and "[i % 16];
    for (char *to = claim(n); n;) {
        size_t some = n < sizeof words ? n : sizeof words;
        memcpy(to, words, some);
        to += some;
        n -= some;
    }
}

static void puts_(const char *s) { put(s, strlen(s)); }

/* The value after `"name":` (quotes and white space skipped), or NULL. */
static const char *member(const char *frame, size_t n, const char *quoted_name) {
    const char *end = frame + n, *p = memmem(frame, n, quoted_name, strlen(quoted_name));
    if (!p) return NULL;
    p += strlen(quoted_name);
    while (p < end && (*p == ' ' || *p == ':')) p++;
    return p;
}

static const char tools[] =
    "{\"tools\":[{\"name\":\"echo\",\"description\":\"Answers with a text of `count` bytes.\","
    "\"inputSchema\":{\"type\":\"object\",\"properties\":{"
    "\"text\":{\"type\":\"string\",\"maxLength\":2000000},"
    "\"count\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":16000000},"
    "\"upper\":{\"type\":\"boolean\"}},"
    "\"required\":[\"text\",\"count\"],\"additionalProperties\":false}}]";

static const char server_info[] =
    "\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":\"echo\",\"version\":\"1\"}";

static void answer(const char *frame, size_t n) {
    const char *method = member(frame, n, "\"method\""), *id = member(frame, n, "\"id\"");
    if (!method || !id || *method++ != '"') return;
    size_t id_len = *id == '"' ? (size_t)((char *)memchr(id + 1, '"', n) - id + 1) : strspn(id, "-0123456789");
    size_t left = n - (size_t)(method - frame);
#define IS(name) (left > sizeof name - 1 && !memcmp(method, name "\"", sizeof name))
    puts_("{\"jsonrpc\":\"2.0\",\"id\":");
    put(id, id_len);
    if (IS("tools/call")) {
        const char *count = member(frame, n, "\"count\"");
        long size = count ? strtol(count, NULL, 10) : 0;
        if (size < 0 || size > MAX_TEXT) size = 0;
        puts_(",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"");
        put_text((size_t)size);
        puts_("\"}],\"isError\":false");
    } else if (IS("tools/list")) {
        puts_(",\"result\":");
        puts_(tools);
    } else if (IS("initialize")) {
        const char *version = member(frame, n, "\"protocolVersion\"");
        puts_(",\"result\":{\"protocolVersion\":");
        if (version && *version == '"')
            put(version, strcspn(version + 1, "\"") + 2);
        else
            puts_("\"2025-11-25\"");
        puts_(",");
        puts_(server_info);
    } else if (IS("server/discover")) {
        puts_(",\"result\":{\"supportedVersions\":[\"2026-07-28\"],");
        puts_(server_info);
    } else if (IS("ping")) {
        puts_(",\"result\":{");
        puts_("\"_meta\":{}");
    } else {
        puts_(",\"error\":{\"code\":-32601,\"message\":\"method not found\"}}\n");
        return;
    }
    if (memmem(frame, n, "io.modelcontextprotocol/protocolVersion", 39)) {
        puts_(",\"resultType\":\"complete\"");
        if (!IS("tools/call")) puts_(",\"ttlMs\":0,\"cacheScope\":\"private\"");
    }
    puts_("}}\n");
}

int main(void) {
    in_cap = 4 * READ_SIZE;
    out_cap = 4 * FLUSH_AT;
    in = malloc(in_cap);
    out = malloc(out_cap);
    if (!in || !out) return 1;
    for (;;) {
        if (in_cap - in_len < READ_SIZE + 1) {
            in_cap *= 2;
            in = realloc(in, in_cap);
            if (!in) return 1;
        }
        ssize_t n = read(0, in + in_len, READ_SIZE);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        size_t searched = in_len, start = 0;
        char *newline;
        in_len += (size_t)n;
        while ((newline = memchr(in + searched, '\n', in_len - searched))) {
            size_t end = (size_t)(newline - in);
            *newline = 0;
            answer(in + start, end - start);
            if (out_len >= FLUSH_AT) flush();
            searched = start = end + 1;
        }
        flush();
        memmove(in, in + start, in_len - start);
        in_len -= start;
    }
}
