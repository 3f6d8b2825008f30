// A disk that fails, for a program that is started with LD_PRELOAD: what it writes to regular files meets the fault
// that stands in the file TRIMTAB_DISK_FAULTS, four numbers that this program and the test share in memory.
//   [0] the fault: 0 none, 1 full, 2 broken, 3 every write is short, 4 full after half of the bytes,
//       5 the next fsync of the database's log fails, and then none
//   [1] writes that still go well before it begins
//   [2] how many calls it has hit    [3] fsyncs of that log since one failed
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kNone, kFull, kBroken, kShort, kTorn, kSync };

static _Atomic int* shared;

__attribute__((constructor)) static void open_shared(void) {
  const char* path = getenv("TRIMTAB_DISK_FAULTS");
  if (path == NULL) return;
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) abort();
  void* memory = mmap(NULL, 4 * sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) abort();
  shared = memory;
}

// The fault that a write of `descriptor` meets now.
static int fault_of_write(int descriptor) {
  if (shared == NULL || shared[0] == kNone || shared[0] == kSync) return kNone;
  struct stat facts;
  if (fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) return kNone;
  if (shared[1] > 0 && atomic_fetch_sub(&shared[1], 1) > 0) return kNone;
  ++shared[2];
  return shared[0];
}

// What is left of a write of `size` bytes, or -1 with errno when nothing is.
static ssize_t left_of(int fault, size_t size) {
  errno = fault == kBroken ? EIO : ENOSPC;
  if (fault == kFull || fault == kBroken) return -1;
  return size > 1 ? (ssize_t)(size / 2) : (ssize_t)size;
}

static ssize_t answer(int fault, ssize_t written) {
  if (fault != kTorn) return written;
  errno = ENOSPC;
  return -1;
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static ssize_t (*real)(int, const void*, size_t);
  if (real == NULL) real = dlsym(RTLD_NEXT, "write");
  const int fault = fault_of_write(descriptor);
  if (fault == kNone) return real(descriptor, bytes, size);
  const ssize_t left = left_of(fault, size);
  return left < 0 ? -1 : answer(fault, real(descriptor, bytes, (size_t)left));
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t at) {
  static ssize_t (*real)(int, const void*, size_t, off64_t);
  if (real == NULL) real = dlsym(RTLD_NEXT, "pwrite64");
  const int fault = fault_of_write(descriptor);
  if (fault == kNone) return real(descriptor, bytes, size, at);
  const ssize_t left = left_of(fault, size);
  return left < 0 ? -1 : answer(fault, real(descriptor, bytes, (size_t)left, at));
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t at) {
  return pwrite64(descriptor, bytes, size, at);
}

// A full disk gives no file more room, however it is asked for.
int ftruncate64(int descriptor, off64_t size) {
  static int (*real)(int, off64_t);
  if (real == NULL) real = dlsym(RTLD_NEXT, "ftruncate64");
  const int fault = fault_of_write(descriptor);
  if (fault == kNone || fault == kShort) return real(descriptor, size);
  left_of(fault == kTorn ? kFull : fault, 0);
  return -1;
}

int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

// Whether it is SQLite's write-ahead log.
static int is_log(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t size = readlink(link, path, sizeof path);
  return size > 4 && memcmp(path + size - 4, "-wal", 4) == 0;
}

static int sync_with(int (*real)(int), int descriptor) {
  if (shared != NULL && is_log(descriptor)) {
    int wanted = kSync;
    if (atomic_compare_exchange_strong(&shared[0], &wanted, kNone)) {
      ++shared[2];
      shared[3] = 0;
      errno = EIO;
      return -1;
    }
    ++shared[3];
  }
  return real(descriptor);
}

int fsync(int descriptor) {
  static int (*real)(int);
  if (real == NULL) real = dlsym(RTLD_NEXT, "fsync");
  return sync_with(real, descriptor);
}

int fdatasync(int descriptor) {
  static int (*real)(int);
  if (real == NULL) real = dlsym(RTLD_NEXT, "fdatasync");
  return sync_with(real, descriptor);
}
