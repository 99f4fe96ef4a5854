/* An MCP server over stdio that costs next to nothing: see echo.h for what it answers.
 *
 *     echo_server
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "echo.h"

enum { READ_SIZE = 64 * 1024, FLUSH_AT = 64 * 1024 };

static char *in;
static size_t in_len, in_cap;

static void flush(void) {
    for (size_t done = 0; done < out_len;) {
        ssize_t n = write(1, out + done, out_len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) exit(1);
        done += (size_t)n;
    }
    out_len = 0;
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
            size_t before = out_len;
            answer(in + start, end - start);
            if (out_len > before) puts_("\n");
            if (out_len >= FLUSH_AT) flush();
            searched = start = end + 1;
        }
        flush();
        memmove(in, in + start, in_len - start);
        in_len -= start;
    }
}
