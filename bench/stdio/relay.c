/* The floor: a byte relay between its own stdin/stdout and a child's, and nothing more.
 *
 *     relay COMMAND [ARG...]
 *
 * One poll loop, reads of 64 kB, a bounded queue in each direction (a relay that blocks in a write deadlocks
 * as soon as both sides are busy). It looks at no byte. Any gate that is a separate process must do at least
 * these system calls, so "times the C relay" says what judging costs and leaves out what a process costs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024, QUEUE_SIZE = 4 * READ_SIZE };

struct direction {
    int from, to;
    int open; /* `from` has not reached its end */
    size_t start, end;
    char queue[QUEUE_SIZE];
};

static struct direction up, down;

static void close_input(struct direction *d) {
    d->open = 0;
    close(d->from);
    d->from = -1;
}

static void close_output(struct direction *d) {
    if (d->to >= 0) close(d->to);
    d->to = -1;
    d->start = d->end = 0;
}

static void drain(struct direction *d) {
    while (d->start < d->end) {
        ssize_t n = write(d->to, d->queue + d->start, d->end - d->start);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) {
            if (d->open) close_input(d);
            close_output(d);
            return;
        }
        d->start += (size_t)n;
    }
    d->start = d->end = 0;
    if (!d->open) close_output(d);
}

static int room(struct direction *d) {
    if (QUEUE_SIZE - d->end >= READ_SIZE) return 1;
    if (d->start == 0) return 0;
    memmove(d->queue, d->queue + d->start, d->end - d->start);
    d->end -= d->start;
    d->start = 0;
    return QUEUE_SIZE - d->end >= READ_SIZE;
}

static void fill(struct direction *d) {
    ssize_t n = read(d->from, d->queue + d->end, READ_SIZE);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0)
        close_input(d);
    else
        d->end += (size_t)n;
    drain(d);
}

static void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

int main(int argc, char **argv) {
    int to_child[2], from_child[2];
    if (argc < 2) {
        fprintf(stderr, "usage: relay COMMAND [ARG...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (pipe2(to_child, O_CLOEXEC) || pipe2(from_child, O_CLOEXEC)) {
        perror("pipe");
        return 1;
    }
    pid_t child = vfork();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        dup2(to_child[0], 0);
        dup2(from_child[1], 1);
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    close(to_child[0]);
    close(from_child[1]);
    up = (struct direction){.from = 0, .to = to_child[1], .open = 1};
    down = (struct direction){.from = from_child[0], .to = 1, .open = 1};
    set_nonblocking(0);
    set_nonblocking(1);
    set_nonblocking(up.to);
    set_nonblocking(down.from);

    while (down.to >= 0) {
        struct pollfd fds[4];
        struct direction *ways[2] = {&up, &down};
        for (int i = 0; i < 2; i++) {
            struct direction *d = ways[i];
            fds[2 * i] = (struct pollfd){.fd = d->open && room(d) ? d->from : -1, .events = POLLIN};
            fds[2 * i + 1] = (struct pollfd){.fd = d->start < d->end ? d->to : -1, .events = POLLOUT};
        }
        if (poll(fds, 4, -1) < 0 && errno != EINTR) break;
        for (int i = 0; i < 2; i++) {
            if (fds[2 * i + 1].revents) drain(ways[i]);
            if (fds[2 * i].revents && ways[i]->open) fill(ways[i]);
        }
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
