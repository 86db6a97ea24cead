// SPDX-License-Identifier: Apache-2.0
// Handle numbers and share tokens.
#include "daemon/handle_table.h"

#include <sys/random.h>

#include <chrono>

namespace holdfast::daemon {
namespace {

// Handles of one daemon start at its start time in milliseconds: an earlier daemon on this mount
// cannot have opened that many files before.
uint64_t FirstNumber() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(
             std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count())
         << 8;
}

}  // namespace

HandleTable::HandleTable() : next_(FirstNumber()) {}

Handle HandleTable::New(int open_flags) {
  return {next_.fetch_add(1, std::memory_order_relaxed), open_flags};
}

void HandleTable::Close(Handle handle) {
  if (shared_count_.load(std::memory_order_acquire) == 0) return;
  const absl::MutexLock hold(&mutex_);
  const auto found = token_of_.find(handle.value());
  if (found == token_of_.end()) return;
  shared_.erase(found->second);
  token_of_.erase(found);
  shared_count_.fetch_sub(1, std::memory_order_release);
}

daxcore::Result<ShareToken> HandleTable::Share(Handle handle, daxcore::Ino ino) {
  const absl::MutexLock hold(&mutex_);
  if (const auto found = token_of_.find(handle.value()); found != token_of_.end()) {
    return found->second;
  }
  ShareToken token;
  if (getrandom(token.data(), token.size(), 0) != static_cast<ssize_t>(token.size())) {
    return daxcore::Fail(EIO);
  }
  shared_.emplace(token, Shared{handle.value(), ino});
  token_of_.emplace(handle.value(), token);
  shared_count_.fetch_add(1, std::memory_order_release);
  return token;
}

std::optional<daxcore::Ino> HandleTable::FindShared(const ShareToken& token) const {
  const absl::MutexLock hold(&mutex_);
  const auto found = shared_.find(token);
  if (found == shared_.end()) return std::nullopt;
  return found->second.ino;
}

}  // namespace holdfast::daemon
