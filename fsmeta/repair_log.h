// SPDX-License-Identifier: Apache-2.0
// What a repair did, or would do: one line for each change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"

namespace holdfast::fsmeta {

/// One line, such as "directory 17: its index is rebuilt".
struct RepairAction {
  std::string text;
  bool loses = false;  ///< something that was there before cannot be had any more
};

/// Collects actions, the first kMaxActions of each kind. One thread.
class RepairLog {
 public:
  static constexpr uint64_t kMaxActions = 10000;

  /// Nothing is lost by it: what is rebuilt follows from what is left as it is.
  void Fixed(std::string_view structure, uint64_t number, std::string_view what) {
    Add(absl::StrCat(std::string(structure), " ", number, ": ", std::string(what)), false);
  }
  void Fixed(std::string text) { Add(std::move(text), false); }
  /// A name, contents or attributes are given up.
  void Lost(std::string_view structure, uint64_t number, std::string_view what) {
    Add(absl::StrCat(std::string(structure), " ", number, ": ", std::string(what)), true);
  }

  const std::vector<RepairAction>& actions() const { return actions_; }
  uint64_t count() const { return fixed_ + lost_; }
  uint64_t lost() const { return lost_; }
  /// Actions that were counted but not kept.
  uint64_t suppressed() const { return count() - actions_.size(); }

 private:
  void Add(std::string text, bool loses) {
    uint64_t& counter = loses ? lost_ : fixed_;
    if (counter++ < kMaxActions) actions_.push_back({std::move(text), loses});
  }

  std::vector<RepairAction> actions_;
  uint64_t fixed_ = 0;
  uint64_t lost_ = 0;
};

}  // namespace holdfast::fsmeta
