/* Put before a server's libraries, this has the system calls fail that a test names.

   The test and the server share a table, a file of rows that REDISLITE_FAULTS names; the child of a fork shares it too.
   A row counts its call. Where it has an error, so many calls are let through first (skip), and so many fail then (times;
   negative: all from there on). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 64 };

typedef struct {
    char name[20];
    int error, skip, times, calls, failed;
} Row;

static Row *table;

__attribute__((constructor)) static void open_table(void) {
    const char *path = getenv("REDISLITE_FAULTS");
    int fd = path != NULL ? (int) syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    void *place = fd >= 0 ? mmap(NULL, ROWS * sizeof(Row), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        syscall(SYS_close, fd);
    if (place != MAP_FAILED)
        table = place;
}

static int fails(const char *name) {
    Row *row = table;
    if (row == NULL)
        return 0;
    while (row < table + ROWS && strcmp(row->name, name) != 0)
        row++;
    if (row == table + ROWS)
        return 0;
    __atomic_fetch_add(&row->calls, 1, __ATOMIC_SEQ_CST);
    if (row->error == 0 || __atomic_fetch_sub(&row->skip, 1, __ATOMIC_SEQ_CST) > 0)
        return 0;
    if (row->times == 0 || (row->times > 0 && __atomic_fetch_sub(&row->times, 1, __ATOMIC_SEQ_CST) <= 0))
        return 0;
    __atomic_fetch_add(&row->failed, 1, __ATOMIC_SEQ_CST);
    errno = row->error;
    return 1;
}

#define CALL_AS(shown, type, name, parameters, arguments)          \
    type name parameters {                                          \
        static type (*real) parameters;                             \
        if (fails(shown))                                           \
            return -1;                                              \
        if (real == NULL)                                           \
            real = (type(*) parameters) dlsym(RTLD_NEXT, #name);    \
        return real arguments;                                      \
    }
#define CALL(type, name, parameters, arguments) CALL_AS(#name, type, name, parameters, arguments)

CALL(int, socket, (int family, int type, int protocol), (family, type, protocol))
CALL(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), (fd, level, name, value, size))
CALL(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), (fd, level, name, value, size))
CALL(int, bind, (int fd, const struct sockaddr *address, socklen_t size), (fd, address, size))
CALL(int, listen, (int fd, int backlog), (fd, backlog))
CALL(int, accept, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
CALL_AS("accept", int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags), (fd, address, size, flags))
CALL(int, getsockname, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
CALL(int, getpeername, (int fd, struct sockaddr *address, socklen_t *size), (fd, address, size))
CALL(int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event), (epoll, what, fd, event))
CALL(int, epoll_wait, (int epoll, struct epoll_event *events, int most, int timeout), (epoll, events, most, timeout))
CALL(pid_t, fork, (void), ())
CALL(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
CALL(int, kill, (pid_t pid, int number), (pid, number))
CALL(int, sched_setaffinity, (pid_t pid, size_t size, const cpu_set_t *set), (pid, size, set))
CALL(int, fsync, (int fd), (fd))
CALL(int, fdatasync, (int fd), (fd))
CALL(int, ftruncate, (int fd, off_t length), (fd, length))
CALL(int, rename, (const char *from, const char *to), (from, to))
CALL(int, link, (const char *from, const char *to), (from, to))
CALL(int, unlink, (const char *path), (path))
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(int, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(int, flock, (int fd, int operation), (fd, operation))
CALL(ssize_t, writev, (int fd, const struct iovec *vector, int count), (fd, vector, count))
CALL(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))
CALL(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))

/* Not the standard output, where the log goes that is to tell of the failure. */
ssize_t write(int fd, const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (fd > STDERR_FILENO && fails("write"))
        return -1;
    if (real == NULL)
        real = (ssize_t(*)(int, const void *, size_t)) dlsym(RTLD_NEXT, "write");
    return real(fd, data, size);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*function)(void *), void *argument) {
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (fails("pthread_create"))
        return errno;
    if (real == NULL)
        real = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)) dlsym(RTLD_NEXT, "pthread_create");
    return real(thread, attributes, function, argument);
}

#define OPEN(name)                                                                      \
    int name(const char *path, int flags, ...) {                                        \
        va_list rest;                                                                   \
        mode_t mode = 0;                                                                \
        if (flags & (O_CREAT | O_TMPFILE)) {                                            \
            va_start(rest, flags);                                                      \
            mode = va_arg(rest, mode_t);                                                \
            va_end(rest);                                                               \
        }                                                                               \
        if (strncmp(path, "/proc/", 6) != 0 && fails("open"))                           \
            return -1;                                                                  \
        return (int) syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);    \
    }
OPEN(open)
OPEN(open64)

/* pidfd_open, which has no function of its own. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    va_list rest;
    long a, b, c, d, e, f;
    va_start(rest, number);
    a = va_arg(rest, long);
    b = va_arg(rest, long);
    c = va_arg(rest, long);
    d = va_arg(rest, long);
    e = va_arg(rest, long);
    f = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_pidfd_open && fails("pidfd_open"))
        return -1;
    if (real == NULL)
        real = (long (*)(long, ...)) dlsym(RTLD_NEXT, "syscall");
    return real(number, a, b, c, d, e, f);
}
