// SPDX-License-Identifier: Apache-2.0
// FUSE over io_uring as the kernel speaks it (6.14 and later), for builds with older headers.
#pragma once

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>

namespace holdfast::daemon {

/// FUSE_OVER_IO_URING in the second word of INIT's flags.
inline constexpr uint32_t kInitOverIoUring = 1U << 9;
/// Set in the id of an INTERRUPT; the rest is the id of the request it is for.
inline constexpr uint64_t kInterruptBit = 1;
inline constexpr size_t kRingHeaderBytes = 128;

/// Commands of IORING_OP_URING_CMD on /dev/fuse.
enum class RingCommandCode : uint32_t {
  kRegister = 1,        ///< gives an entry with its memory; completes when it holds a request
  kCommitAndFetch = 2,  ///< answers the entry's request; completes when it holds the next one
};

/// struct fuse_uring_ent_in_out.
struct RingEntryInOut {
  uint64_t flags;
  uint64_t commit_id;     ///< says whose answer it is; the request's id
  uint32_t payload_size;  ///< bytes
  uint32_t padding;
  uint64_t reserved;
};
static_assert(sizeof(RingEntryInOut) == 32);

/// struct fuse_uring_req_header: an entry's memory beside its payload.
struct RingHeader {
  std::byte in_out[kRingHeaderBytes];     ///< fuse_in_header, then fuse_out_header
  std::byte operation[kRingHeaderBytes];  ///< the first argument of the operation
  RingEntryInOut entry;
};
static_assert(sizeof(RingHeader) == 288);

/// struct fuse_uring_cmd_req: in the 80 bytes of a big submission.
struct RingCommand {
  uint64_t flags;
  uint64_t commit_id;
  uint16_t queue;
  uint8_t padding[6];
};
static_assert(sizeof(RingCommand) == 24);

}  // namespace holdfast::daemon
