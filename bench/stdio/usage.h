/* CPU and memory of a process tree: everything that descends from this process, the server apart from the rest.
 *
 * CPU is each process's own CPU clock, in ns, with the threads that have ended; memory is PSS, so that pages
 * which two processes share are counted once. Include it in one file only, with _GNU_SOURCE.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TREE = 256 };

/* The executable that is the server, as /proc/PID/exe shows it. */
static const char *server_path = "";

struct usage {
    int processes;
    uint64_t gate_ns, server_ns;
    long gate_pss_kb, server_pss_kb;
};

static int tree(pid_t *found) {
    static pid_t pids[32768], parents[32768];
    int n = 0, count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc)) && n < 32768;) {
        char path[64], stat[512];
        pid_t pid = atoi(e->d_name);
        if (pid <= 0) continue;
        snprintf(path, sizeof path, "/proc/%d/stat", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        ssize_t got = read(fd, stat, sizeof stat - 1);
        close(fd);
        if (got <= 0) continue;
        stat[got] = 0;
        char *after = strrchr(stat, ')'), state;
        if (!after || sscanf(after + 1, " %c %d", &state, &parents[n]) != 2 || state == 'Z') continue;
        pids[n++] = pid;
    }
    if (proc) closedir(proc);
    found[count++] = getpid();
    for (int i = 0; i < count; i++)
        for (int j = 0; j < n; j++)
            if (parents[j] == found[i] && count < MAX_TREE) found[count++] = pids[j];
    return count;
}

static int is_server(pid_t pid) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/%d/exe", pid);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return !strcmp(path, server_path);
}

static long pss_kb(pid_t pid) {
    char path[64], line[256];
    long kb = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %ld kB", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

static uint64_t cpu_ns(pid_t pid) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t)) return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct usage usage(int with_memory) {
    struct usage u = {0};
    pid_t found[MAX_TREE];
    int n = tree(found);
    for (int i = 1; i < n; i++) { /* 0 is this process */
        if (is_server(found[i])) {
            u.server_ns += cpu_ns(found[i]);
            if (with_memory) u.server_pss_kb += pss_kb(found[i]);
        } else {
            u.processes++;
            u.gate_ns += cpu_ns(found[i]);
            if (with_memory) u.gate_pss_kb += pss_kb(found[i]);
        }
    }
    return u;
}
