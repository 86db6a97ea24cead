/* SPDX-License-Identifier: Apache-2.0 */
/* What programs ask of a Holdfast mount beyond POSIX: ioctls on any open file of the mount.
 * C99 and C++; fixed-size integers only; the same on 32 and 64 bit. libholdfast wraps all of it.
 *
 * Every argument begins with its own size, so that structs can grow: a daemon refuses a size it
 * does not know with EINVAL, and unknown flags with EOPNOTSUPP. Reserved fields are 0. Offsets and
 * lengths are in bytes. Errors common to all: ENOTTY (not a Holdfast file), EINVAL (size, reserved
 * fields; a range that is empty, overflows or ends past 2^60), EIO (shut down), EROFS. */
#ifndef HOLDFAST_IOCTL_H
#define HOLDFAST_IOCTL_H

#include <stdint.h>
#include <sys/ioctl.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOLDFAST_IOC_MAGIC 0xDA

/* ---- File ranges that fallocate(2) does not forward over FUSE ---------------------------------
 * The file is open for writing (EBADF). COLLAPSE and INSERT: offset and length are multiples of
 * 4096 and lie inside the file (EINVAL); like FALLOC_FL_COLLAPSE_RANGE / INSERT_RANGE. UNSHARE:
 * after it no block of the range is shared (ENOSPC: nothing changed). All may wait for busy pages:
 * EINTR. After COLLAPSE call fstat(2): the kernel, which takes a smaller size from nothing but an
 * answer to that, would let others append at the old end. */
struct holdfast_range {
  uint32_t size;  /* sizeof(struct holdfast_range) */
  uint32_t flags; /* 0 */
  uint64_t offset;
  uint64_t length;
};

/* ---- Reflink ----------------------------------------------------------------------------------
 * SHARE on the source (open for reading, EBADF) gives a token that proves so to the daemon; it is
 * good until that descriptor is closed. REFLINK on the destination (open for writing) then shares
 * the source's blocks, atomically, or changes nothing. Offsets are multiples of 4096; the length is
 * one too, or ends at the source's end of file; 0 = up to there. EINVAL, ESTALE (unknown token),
 * EXDEV is found by the caller: both descriptors must be of one mount. It waits for leases over
 * what comes to be shared, the caller's own too: another thread of it answers the recall, or it
 * gives them back before. */
struct holdfast_share {
  uint32_t size;
  uint32_t flags;    /* 0 */
  uint8_t token[16]; /* out */
};
struct holdfast_reflink {
  uint32_t size;
  uint32_t flags; /* 0 */
  uint8_t token[16];
  uint64_t source_offset;
  uint64_t length;
  uint64_t destination_offset;
};

/* ---- Layout -----------------------------------------------------------------------------------
 * Where the bytes of [offset, offset + length) are in the region. Paged: ask again from `next`
 * until `next` reaches the end asked for (or the file's). With `lease` 0 it is a snapshot that may
 * be old by the time it is read. With a lease of this descriptor over the range, what is shown
 * counts as mapped by the caller until the lease is returned; unwritten blocks are then shown as
 * holes. ENOENT: no such lease; ESTALE: it was recalled.
 */
#define HOLDFAST_HOLE 0u      /* region_offset is 0 */
#define HOLDFAST_UNWRITTEN 1u /* allocated, reads zero */
#define HOLDFAST_WRITTEN 2u
#define HOLDFAST_SHARED 3u /* written, with other owners */

struct holdfast_extent {
  uint64_t file_offset;
  uint64_t region_offset;
  uint64_t length;
  uint32_t state; /* HOLDFAST_HOLE ... */
  uint32_t reserved;
};
#define HOLDFAST_LAYOUT_MAX 64
struct holdfast_layout {
  uint32_t size;
  uint32_t flags; /* 0 */
  uint64_t offset;
  uint64_t length; /* 0 = to the end of the file */
  uint64_t lease;  /* 0, or what LEASE gave */
  uint64_t next;   /* out: file offset after the last extent */
  uint32_t count;  /* out: extents filled in */
  uint32_t reserved;
  struct holdfast_extent extents[HOLDFAST_LAYOUT_MAX];
};

/* ---- Leases and pins (semantics L1, L12, L13) -------------------------------------------------
 * A lease is the right to map a range at the layout LAYOUT tells, until it is recalled (poll:
 * POLLPRI). A write lease first allocates and unshares its range, and at a geometry of 2 MiB moves
 * its blocks, if there is room, to where they can be mapped in such units. The holder gives it back
 * with RETURN (`lease`; all of it, or the part [offset, offset + length), length 0 = all), within
 * `break_seconds` of a recall; after that it is void, but pages it still has mapped stay busy.
 * LEASE and PIN wait (EINTR) while the range is being changed, LEASE also for conflicting leases of
 * others, which it recalls, and where it writes for pins on blocks that are shared or have to move
 * (its own too). EBUSY: a void lease still maps pages there; EBADF: the file is not open for that;
 * ENXIO: a pin of a hole; ENOSPC: more leases or pins than the mount allows one process, or no
 * space; EOPNOTSUPP: cache=writeback, or a long-term pin without a lease.
 * What was taken through an open file belongs to the process that took it and is returned when that
 * process ends or the last descriptor of the open file is closed. Other processes that share the
 * open file (fork, SCM_RIGHTS) get EPERM and must open the file themselves; so must those that the
 * daemon cannot see (another pid namespace). A child that inherits a mapping of the region is not
 * protected: use madvise(MADV_DONTFORK). */
#define HOLDFAST_LEASE_WRITE 1u
#define HOLDFAST_LEASE_EXCLUSIVE 2u
struct holdfast_lease {
  uint32_t size;
  uint32_t flags; /* HOLDFAST_LEASE_* */
  uint64_t offset;
  uint64_t length;
  uint64_t lease;         /* out: its number; in for RETURN */
  uint32_t break_seconds; /* out */
  uint32_t reserved;
};

/* A pin keeps pages from being freed or moved while a device or another process may touch them. A
 * device may store to them only if the pin says WRITE: its range then gets blocks of its own, as
 * for a write lease (the file must be open for writing), and until it ends nothing shares them: a
 * reflink of the range waits, and is EBUSY after the mount's busy_timeout. */
#define HOLDFAST_PIN_LONG_TERM 1u
#define HOLDFAST_PIN_WRITE 2u
struct holdfast_pin {
  uint32_t size;
  uint32_t flags; /* HOLDFAST_PIN_* */
  uint64_t offset;
  uint64_t length;
  uint64_t pin; /* out: its number; in for UNPIN */
};

/* ---- Events -----------------------------------------------------------------------------------
 * What happened to leases and pins taken through this descriptor, oldest first. Never waits: count
 * 0 if there is nothing; poll(2) tells when there is (POLLPRI: recall, POLLERR: failure). */
#define HOLDFAST_EVENT_RECALL 1u  /* give `lease` back */
#define HOLDFAST_EVENT_VOID 2u    /* break time passed, `lease` is void */
#define HOLDFAST_EVENT_FAILURE 3u /* memory of [offset, offset + length) failed (F3) */
#define HOLDFAST_EVENT_REMOVE 4u  /* the region goes away (F7) */
#define HOLDFAST_EVENT_LOST 5u    /* the queue overflowed: take every lease as recalled */
struct holdfast_event {
  uint32_t type;
  uint32_t reserved;
  uint64_t lease; /* 0 if none */
  uint64_t inode;
  uint64_t offset;
  uint64_t length;
  uint64_t deadline_ms; /* RECALL: milliseconds left until it is void */
};
#define HOLDFAST_EVENTS_MAX 32
struct holdfast_events {
  uint32_t size;
  uint32_t flags; /* 0 */
  uint32_t count; /* out */
  uint32_t more;  /* out: 1 if more are queued */
  struct holdfast_event events[HOLDFAST_EVENTS_MAX];
};

/* ---- Queries ----------------------------------------------------------------------------------
 * Answers as one JSON object, paged: cursor 0 takes a snapshot; ask again with the returned
 * cursor until it is 0. ESTALE: not this user's, or too old by now (the mount keeps the last few);
 * begin anew. Lists stand under their plural name; snake_case keys. */
#define HOLDFAST_QUERY_INFO 1u     /* the mount: format, features, counters */
#define HOLDFAST_QUERY_BUSY 2u     /* holders, waiters, quarantined_bytes (root) */
#define HOLDFAST_QUERY_PAGES 3u    /* descriptors of [offset, offset + length) of this file */
#define HOLDFAST_QUERY_OWNERS 4u   /* owners of [offset, offset + length) of the region (root) */
#define HOLDFAST_QUERY_FAILURES 5u /* bad ranges of the region (root) */
#define HOLDFAST_TEXT_MAX 8192
struct holdfast_query {
  uint32_t size;
  uint32_t what; /* HOLDFAST_QUERY_* */
  uint64_t offset;
  uint64_t length; /* 0 = everything */
  uint64_t cursor; /* in: 0 or the one returned; out: next, 0 = done */
  uint32_t count;  /* out: bytes of text */
  uint32_t reserved;
  char text[HOLDFAST_TEXT_MAX];
};

/* ---- Media failure, by hand (root; EPERM) ------------------------------------------------------
 * INJECT makes [offset, offset + length) of an emulated region fail as bad memory does: whoever
 * touches it meets it (EOPNOTSUPP on real memory). CLEAR undoes that, or has real memory clear its
 * errors. REPORT tells all owners that the range has failed, as a patrol of the memory does before
 * anybody touches it. REMOVE: the region is about to go away; everybody is told and the filesystem
 * shuts down (offset and length are 0). ENXIO past the end of the region. */
#define HOLDFAST_FAIL_INJECT 1u
#define HOLDFAST_FAIL_CLEAR 2u
#define HOLDFAST_FAIL_REPORT 3u
#define HOLDFAST_FAIL_REMOVE 4u
struct holdfast_fail {
  uint32_t size;
  uint32_t what; /* HOLDFAST_FAIL_* */
  uint64_t offset;
  uint64_t length;
};

#define HOLDFAST_IOC_COLLAPSE _IOW(HOLDFAST_IOC_MAGIC, 1, struct holdfast_range)
#define HOLDFAST_IOC_INSERT _IOW(HOLDFAST_IOC_MAGIC, 2, struct holdfast_range)
#define HOLDFAST_IOC_UNSHARE _IOW(HOLDFAST_IOC_MAGIC, 3, struct holdfast_range)
#define HOLDFAST_IOC_SHARE _IOWR(HOLDFAST_IOC_MAGIC, 4, struct holdfast_share)
#define HOLDFAST_IOC_REFLINK _IOW(HOLDFAST_IOC_MAGIC, 5, struct holdfast_reflink)
#define HOLDFAST_IOC_LAYOUT _IOWR(HOLDFAST_IOC_MAGIC, 6, struct holdfast_layout)
#define HOLDFAST_IOC_LEASE _IOWR(HOLDFAST_IOC_MAGIC, 7, struct holdfast_lease)
#define HOLDFAST_IOC_RETURN _IOW(HOLDFAST_IOC_MAGIC, 8, struct holdfast_lease)
#define HOLDFAST_IOC_PIN _IOWR(HOLDFAST_IOC_MAGIC, 9, struct holdfast_pin)
#define HOLDFAST_IOC_UNPIN _IOW(HOLDFAST_IOC_MAGIC, 10, struct holdfast_pin)
#define HOLDFAST_IOC_EVENTS _IOWR(HOLDFAST_IOC_MAGIC, 11, struct holdfast_events)
#define HOLDFAST_IOC_QUERY _IOWR(HOLDFAST_IOC_MAGIC, 12, struct holdfast_query)
#define HOLDFAST_IOC_FAIL _IOW(HOLDFAST_IOC_MAGIC, 13, struct holdfast_fail)

#ifdef __cplusplus
}
#endif

#endif /* HOLDFAST_IOCTL_H */
