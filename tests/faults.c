/* Counts what a process changes below one directory, and lets one of these changes fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { KILL_BEFORE = 1, KILL_HALFWAY = 2, FULL_FROM_HERE = 3, FULL_ONCE = 4 };

static char place[4096];
static long changes, target;
static int how;

void fault_arm(const char *directory, long number, int kind) {
    snprintf(place, sizeof place, "%s", directory);
    changes = 0;
    target = number;
    how = kind;
}

long fault_count(void) { return changes; }

static int inside(const char *path) { return *place && !strncmp(path, place, strlen(place)); }

static int inside_fd(int fd) {
    char link[64], path[4096];
    if (!*place) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path);
}

/* Whether the change that comes now must fail for want of space; a kill does not return. */
static int fails(void) {
    changes++;
    if (changes == target && how == KILL_BEFORE) kill(getpid(), SIGKILL);
    return (how == FULL_ONCE && changes == target) || (how == FULL_FROM_HERE && target && changes >= target);
}

static int halfway(void) { return how == KILL_HALFWAY && changes == target; }

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define FULL do { errno = ENOSPC; return -1; } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (inside_fd(fd)) {
        if (fails()) FULL;
        if (halfway()) { real(fd, data, size / 2); kill(getpid(), SIGKILL); }
    }
    return real(fd, data, size);
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *data, size_t size, offset_type at) { \
        REAL(name); \
        if (inside_fd(fd)) { \
            if (fails()) FULL; \
            if (halfway()) { real(fd, data, size / 2, at); kill(getpid(), SIGKILL); } \
        } \
        return real(fd, data, size, at); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define TRUNCATE(name, offset_type) \
    int name(int fd, offset_type size) { \
        REAL(name); \
        if (inside_fd(fd)) { if (fails()) FULL; if (halfway()) kill(getpid(), SIGKILL); } \
        return real(fd, size); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
    REAL(rename);
    if (inside(to)) { if (fails()) FULL; if (halfway()) kill(getpid(), SIGKILL); }
    return real(from, to);
}

int unlink(const char *path) {
    REAL(unlink);
    if (inside(path)) { fails(); if (halfway()) kill(getpid(), SIGKILL); }
    return real(path);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
        if ((flags & O_CREAT) && inside(path) && access(path, F_OK)) { \
            if (fails()) FULL; \
            if (halfway()) kill(getpid(), SIGKILL); \
        } \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
