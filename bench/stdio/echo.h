/* What the echo servers answer, over stdio and over HTTP. It costs next to nothing, so that what is measured is what
 * stands in front of it.
 *
 * It knows initialize, ping, server/discover, tools/list (one tool, `echo`, with an inputSchema) and tools/call,
 * whose answer holds a text of `arguments.count` bytes. Both eras: a request that carries the modern
 * protocolVersion in `_meta` gets a `resultType`. Only our load generators and the proxies under test are ever
 * answered: members are found by searching for their names, which is wrong for a server that strangers can reach.
 * Include it in one file only, with _GNU_SOURCE.
 */
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 16 * 1024 * 1024 };

/* What is to be written. */
static char *out;
static size_t out_len, out_cap;

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

/* Appends the answer to `frame`, without a line end. Nothing for a notification or a response. */
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
        puts_(",\"error\":{\"code\":-32601,\"message\":\"method not found\"}}");
        return;
    }
    if (memmem(frame, n, "io.modelcontextprotocol/protocolVersion", 39)) {
        puts_(",\"resultType\":\"complete\"");
        if (!IS("tools/call")) puts_(",\"ttlMs\":0,\"cacheScope\":\"private\"");
    }
    puts_("}}");
}
