/* SPDX-License-Identifier: Apache-2.0 */
/* libholdfast: map file blocks of a Holdfast mount directly, keep them mapped, pin them for DMA.
 * C99.
 *
 * A program opens a file of the mount, maps a range under a lease, and uses the memory between
 * holdfast_enter() and holdfast_leave(). When the filesystem needs the range back (a truncate, a
 * punch, a clone), it recalls the lease: the library gives the range back as soon as nobody is
 * inside. The next holdfast_enter() of a mapping made with HOLDFAST_MAP_KEEP waits for the change,
 * takes a new lease and maps the new layout at the same address. Recalls are handled by
 * holdfast_dispatch(), which the program calls from its event loop (when poll(2) tells POLLPRI or
 * POLLERR of holdfast_fd(); like any file it can always be read), or by a thread of the library
 * (holdfast_start()).
 *
 * Every function returns 0 (or a count) or a negative errno; holdfast_message() says more, per
 * thread. All functions may be called from any thread; holdfast_close() from the last one only.
 * Mapping the region needs read (and for writing, write) permission on the region itself. */
#ifndef HOLDFAST_HOLDFAST_H
#define HOLDFAST_HOLDFAST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "holdfast/ioctl.h"

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

typedef struct holdfast_file holdfast_file;
typedef struct holdfast_map holdfast_map;

/* Opens `path` as open(2) does. `region` is the region's path, or NULL: the source of the mount.
 * -ENOTTY: not on a Holdfast mount; -EACCES: no permission on file or region. */
int holdfast_open(const char* path, int flags, mode_t mode, const char* region,
                  holdfast_file** out);
/* Unmaps everything, returns every lease and pin, closes. Nobody may be inside a mapping. */
void holdfast_close(holdfast_file* file);
/* The file's own descriptor, for read, write, fallocate, ... */
int holdfast_file_fd(const holdfast_file* file);

/* ---- Mapping ---- */
#define HOLDFAST_MAP_WRITE 1u     /* writable: the range is allocated and unshared first */
#define HOLDFAST_MAP_EXCLUSIVE 2u /* nobody else may lease the range meanwhile */
#define HOLDFAST_MAP_KEEP 4u      /* after a recall, lease and map again at the same address */

/* Leases and maps [offset, offset + length). Both are multiples of 4096. The range lies inside the
 * file (-EINVAL). Waits for leases of others that are in its way (-EINTR). A range of 2 MiB or more
 * gets addresses that can be huge pages. A devdax device can be mapped in units of its alignment
 * only: a mapping then also reaches what lies around the range up to whole units, which is not
 * yours to touch, and -EOPNOTSUPP means that the blocks do not lie in such units. A mapping for
 * writing has them moved there if the alignment is 2 MiB and there is room. */
int holdfast_map_range(holdfast_file* file, uint64_t offset, uint64_t length, uint32_t flags,
                       holdfast_map** out);
/* Unmaps and returns the lease. Nobody may be inside. */
void holdfast_unmap(holdfast_map* map);
void* holdfast_address(const holdfast_map* map);
size_t holdfast_length(const holdfast_map* map);

/* Brackets every use of the memory. Takes a recalled mapping again (HOLDFAST_MAP_KEEP), waiting for
 * the change that recalled it. -ESTALE: it was recalled and is gone: without HOLDFAST_MAP_KEEP, or
 * because the file no longer reaches that far; -EIO: its memory failed; -EINTR. Do not stay inside
 * for long: a recall waits for you, up to its break time. A thread is inside one mapping at a time.
 */
int holdfast_enter(holdfast_map* map);
void holdfast_leave(holdfast_map* map);
/* Makes stores to [at, at + length) of the mapping durable (write back CPU caches, fence). */
int holdfast_sync(holdfast_map* map, size_t at, size_t length);

/* ---- Pins ---- */
/* Keeps the blocks of a range of the file in place for DMA; `flags`: HOLDFAST_PIN_WRITE where the
 * device stores to them, HOLDFAST_PIN_LONG_TERM (needs a lease over the range). Returns the pin's
 * number through `pin`. */
int holdfast_pin_range(holdfast_file* file, uint64_t offset, uint64_t length, uint32_t flags,
                       uint64_t* pin);
int holdfast_unpin(holdfast_file* file, uint64_t pin);

/* ---- Events ---- */
/* Told, from whoever dispatches, of each event after the library has acted on it. `map` is NULL for
 * events that concern none. Do not call holdfast_close or holdfast_unmap from it. */
typedef void (*holdfast_event_fn)(void* context, holdfast_map* map,
                                  const struct holdfast_event* event);
void holdfast_on_event(holdfast_file* file, holdfast_event_fn fn, void* context);
/* A descriptor for poll/epoll: has an event when holdfast_dispatch() has work (watch POLLPRI). */
int holdfast_fd(const holdfast_file* file);
/* Handles what is queued, waiting up to `timeout_ms` (-1: for ever) for something. Returns how many
 * events there were. */
int holdfast_dispatch(holdfast_file* file, int timeout_ms);
/* Dispatches in a thread of the library until holdfast_close(). */
int holdfast_start(holdfast_file* file);

/* What the last failed call of this thread failed on, one line; never NULL. */
const char* holdfast_message(void);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif /* HOLDFAST_HOLDFAST_H */
