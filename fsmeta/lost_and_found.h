// SPDX-License-Identifier: Apache-2.0
// The directory lost+found, where a repair puts what has no name any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "daxcore/result.h"
#include "fsmeta/repair_state.h"

namespace holdfast::fsmeta {

/// Gives names, "#" and the inode number, in /lost+found, which is made when it is first needed.
/// One thread; after RepairDirectories.
class LostAndFound {
 public:
  explicit LostAndFound(RepairState& state) : state_(state) {}

  /// Every inode that should have a name and has none gets one; every link count is right
  /// afterwards. ENOSPC.
  Result<void> Run();

 private:
  Result<void> Adopt(uint64_t ino);
  Result<uint64_t> Directory();
  Result<uint64_t> FindOrMake();
  std::optional<uint64_t> FindName(uint64_t directory, const std::string& name);
  Result<uint64_t> MakeDirectory(const std::string& name);
  Result<uint64_t> FreeInode();
  Result<void> AddEntry(uint64_t directory, const std::string& name, uint64_t ino);

  RepairState& state_;
  uint64_t directory_ = 0;                  // 0: not needed yet
  absl::flat_hash_set<std::string> names_;  // in it
};

}  // namespace holdfast::fsmeta
