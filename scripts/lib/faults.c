/* Preloaded into the server by scripts/faults: a clock that steps, a disk that is full, syncs that fail.
   What is broken now stands in the file FAULTS_FILE, which the script and the server share in memory. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct faults {
    long clock_seconds; /* how far the wall clock is from the true one */
    long disk_is_full;
    long syncs_fail;
};

static volatile const struct faults *faults(void) {
    static volatile const struct faults *shared;
    static const struct faults none;
    if (shared == NULL) {
        const char *path = getenv("FAULTS_FILE");
        int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(struct faults), PROT_READ, MAP_SHARED, fd, 0);
        shared = map == MAP_FAILED ? &none : map;
        if (fd >= 0) close(fd);
    }
    return shared;
}

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) real = REAL(int (*)(clockid_t, struct timespec *), "clock_gettime");
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += faults()->clock_seconds;
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/* Standard streams and sockets stay whole. */
static int is_refused(int fd) {
    struct stat file;
    return faults()->disk_is_full && fd > 2 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
}

ssize_t write(int fd, const void *bytes, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (real == NULL) real = REAL(ssize_t (*)(int, const void *, size_t), "write");
    if (is_refused(fd)) { errno = ENOSPC; return -1; }
    return real(fd, bytes, n);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (real == NULL) real = REAL(ssize_t (*)(int, const void *, size_t, off64_t), "pwrite64");
    if (is_refused(fd)) { errno = ENOSPC; return -1; }
    return real(fd, bytes, n, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) { return pwrite64(fd, bytes, n, at); }

static int sync_by(const char *name, int fd) {
    if (faults()->syncs_fail) { errno = EIO; return -1; }
    return REAL(int (*)(int), name)(fd);
}

int fdatasync(int fd) { return sync_by("fdatasync", fd); }
int fsync(int fd) { return sync_by("fsync", fd); }
