/* Preloaded into a service: what a control file of three 64-bit numbers says happens to its clock and its disk.

       number 0    seconds that the wall clock is ahead
       number 1    errno of every write and fsync of a file below FAULT_FOLDER; 0: they work
       number 2    how many have failed so

   The test maps the file as well and changes it while the service runs. Compiled and used by tests/faults/preload.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *control;
static const char *folder;

__attribute__((constructor)) static void begin(void) {
    folder = getenv("FAULT_FOLDER");
    const char *path = getenv("FAULT_CONTROL");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0 || !folder)
        return;
    void *mapped = mmap(NULL, 24, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (mapped != MAP_FAILED)
        control = mapped;
}

static int fails(int descriptor) {
    if (!control || !control[1])
        return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (strncmp(path, folder, strlen(folder)))
        return 0;
    control[2]++;
    errno = (int)control[1];
    return 1;
}

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int descriptor, const void *data, size_t count) {
    NEXT(write);
    return fails(descriptor) ? -1 : next(descriptor, data, count);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    NEXT(writev);
    return fails(descriptor) ? -1 : next(descriptor, parts, count);
}

int fsync(int descriptor) {
    NEXT(fsync);
    return fails(descriptor) ? -1 : next(descriptor);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    NEXT(clock_gettime);
    int result = next(clock, at);
    if (!result && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += control[0];
    return result;
}
