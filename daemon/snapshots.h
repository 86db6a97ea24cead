// SPDX-License-Identifier: Apache-2.0
// Long answers of a query, kept while a client reads them page by page.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace holdfast::daemon {

/// Keeps the last few answers, of one owner fewer, so that nobody's queries push everybody else's
/// out or take the daemon's memory. A cursor names the answer and the place in it. Thread-safe;
/// lost in a crash (the client asks anew).
class Snapshots {
 public:
  struct Page {
    std::string text;
    uint64_t next = 0;  ///< cursor of the next page; 0 = this was the last
  };

  /// The first page, of at most `max` bytes; keeps the rest for `owner`.
  Page First(std::string answer, uid_t owner, size_t max);
  /// A further page. Nothing if the cursor is not one of this owner's, or too old.
  std::optional<Page> Next(uint64_t cursor, uid_t owner, size_t max);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr size_t kMostKept = 64;
  static constexpr size_t kMostOfOne = 8;
  static constexpr size_t kMostBytes = size_t{64} << 20;  // but always the newest answer
  static constexpr std::chrono::minutes kKeptFor{5};
  static constexpr int kOffsetBits = 30;

  struct Answer {
    uint64_t id;
    uid_t owner;
    Clock::time_point made;
    std::string text;
  };
  static Page PageOf(const Answer& answer, uint64_t offset, size_t max);
  void MakeRoom(uid_t owner, size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  std::deque<Answer> answers_ ABSL_GUARDED_BY(mutex_);  // oldest first
  uint64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace holdfast::daemon
