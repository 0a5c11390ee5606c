/* Preloaded into the server by the tests: fdatasync and fsync fail with EIO while the file named by FAIL_SYNC_WHILE exists. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

typedef int (*sync_fn)(int);

static int is_broken(void) {
    const char *path = getenv("FAIL_SYNC_WHILE");
    return path != NULL && access(path, F_OK) == 0;
}

static int sync_by(const char *name, int fd) {
    if (is_broken()) {
        errno = EIO;
        return -1;
    }
    return ((sync_fn)dlsym(RTLD_NEXT, name))(fd);
}

int fdatasync(int fd) { return sync_by("fdatasync", fd); }
int fsync(int fd) { return sync_by("fsync", fd); }
