// SPDX-License-Identifier: Apache-2.0
// The bitmap of one group, for the checker: counting bits by the word.
#pragma once

#include <cstdint>
#include <vector>

#include "fsmeta/check_image.h"
#include "fsmeta/check_report.h"
#include "fsmeta/group_layout.h"

namespace holdfast::fsmeta {

/// The sound bitmap blocks of a group; an unsound one is reported once and then agrees with
/// everything.
class GroupBits {
 public:
  GroupBits(CheckImage& image, CheckReport& report, uint64_t group, const GroupLayout& layout);

  /// How many of bits [from, to) of the group are not `used`, and the first of them.
  struct Difference {
    uint64_t count = 0;
    uint64_t first = 0;
  };
  Difference Compare(uint64_t from, uint64_t to, bool used) const;
  bool complete() const { return complete_; }

 private:
  std::vector<const BitmapBlock*> blocks_;  // null: unsound
  bool complete_ = true;
};

}  // namespace holdfast::fsmeta
