// SPDX-License-Identifier: Apache-2.0
// Memory that the kernel fills with one request at a time and takes one answer at a time from.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "daemon/ring_protocol.h"
#include "daxcore/result.h"

namespace holdfast::daemon {

class RingWorker;

/// Owns the memory of one ring entry. It belongs to the kernel from registration or commit until
/// its completion, then to the request it holds: to the thread that serves it, or that answers it.
class RingEntry {
 public:
  /// `owner`: whose ring it is registered with, for good. `payload_size` in bytes. ENOMEM.
  static daxcore::Result<std::unique_ptr<RingEntry>> Create(RingWorker& owner, size_t payload_size);
  ~RingEntry();
  RingEntry(const RingEntry&) = delete;
  RingEntry& operator=(const RingEntry&) = delete;

  RingWorker& owner() const { return owner_; }
  /// Header and payload, as the kernel is told of them.
  std::span<const iovec, 2> pieces() const { return pieces_; }

  /// The request in it as one message, as /dev/fuse would have given it. Its payload stays where it
  /// is. EPROTO if its lengths make no sense.
  daxcore::Result<std::span<std::byte>> Message();
  /// The request's id; valid after Message.
  uint64_t id() const { return id_; }
  /// FUSE_...; valid after Message.
  uint32_t operation() const { return operation_; }
  /// The inode it is about; valid after Message.
  uint64_t node() const { return node_; }
  /// The thread that waits for the answer, 0 if it cannot be told; valid after Message.
  pid_t caller() const { return caller_; }

  /// Puts the answer into it: a fuse_out_header and what follows. File data may come straight from
  /// the region; where the memory has failed, the answer becomes EIO (F1).
  void Answer(std::span<const iovec> message);
  /// An answer without data. `error`: positive errno.
  void AnswerError(int error);

 private:
  RingEntry(RingWorker& owner, std::byte* memory, size_t payload_size);
  RingHeader& header() { return *reinterpret_cast<RingHeader*>(memory_); }
  void Finish(int error, size_t payload_size);

  RingWorker& owner_;
  std::byte* const memory_;  // one page with the header, then the payload
  const size_t payload_size_;
  const iovec pieces_[2];
  uint64_t id_ = 0;
  uint32_t operation_ = 0;
  uint64_t node_ = 0;
  pid_t caller_ = 0;
};

}  // namespace holdfast::daemon
