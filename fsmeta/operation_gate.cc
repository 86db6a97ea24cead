// SPDX-License-Identifier: Apache-2.0
// Counting in shards: whoever enters counts first and looks second, whoever closes does it the
// other way round, so that one of them sees the other.
#include "fsmeta/operation_gate.h"

#include <algorithm>

#include "fsmeta/thread_ordinal.h"

namespace holdfast::fsmeta {

OperationGate::Pass OperationGate::Enter() {
  Shard& shard = shards_[ThreadOrdinal() % kShards];
  for (;;) {
    shard.inside.fetch_add(1);
    if (!closed_.load()) [[likely]] {
      return Pass(this, &shard);
    }
    Leave(shard);
    WaitUntilOpen();
  }
}

void OperationGate::Leave(Shard& shard) {
  shard.inside.fetch_sub(1);
  if (closed_.load()) [[unlikely]] {
    absl::MutexLock wake_who_closes(&mutex_);
  }
}

bool OperationGate::IsEmpty() const {
  return std::ranges::all_of(shards_, [](const Shard& shard) { return shard.inside.load() == 0; });
}

void OperationGate::WaitUntilOpen() {
  const auto open = [this] { return !closed_.load(); };
  absl::MutexLock lock(&mutex_, absl::Condition(&open));
}

void OperationGate::Close() {
  closed_.store(true);
  const auto empty = [this] { return IsEmpty(); };
  absl::MutexLock lock(&mutex_, absl::Condition(&empty));
}

void OperationGate::Open() {
  absl::MutexLock lock(&mutex_);
  closed_.store(false);
}

}  // namespace holdfast::fsmeta
