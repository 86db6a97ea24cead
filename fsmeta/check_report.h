// SPDX-License-Identifier: Apache-2.0
// What a check of a filesystem found, and what it counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daxcore/result.h"

namespace holdfast::fsmeta {

enum class Severity {
  kNote,   ///< nothing is wrong: what a mount would do first, or a lost spare
  kError,  ///< the filesystem is damaged
};

/// One thing that is not as it must be. `expected` and `found` are empty where `what` says it all.
struct Finding {
  Severity severity;
  std::string structure;  ///< "inode", "group", "journal lane", ...
  std::string location;   ///< which one: a number, a block, a name; empty for the only one
  std::string what;       ///< the field, or what is wrong in words
  std::string expected;
  std::string found;

  /// One line: "inode 17: nlink is 3, expected 2".
  std::string Text() const;
};

/// Why something is unsound, without the advice to run the check that is running.
std::string ReasonOf(const daxcore::Error& error);

/// What a check counted on its way.
struct CheckTotals {
  uint64_t blocks = 0;
  uint64_t used_blocks = 0;    ///< by what was found, metadata included
  uint64_t shared_blocks = 0;  ///< with more than one owner
  uint64_t quarantined_blocks = 0;
  uint64_t inodes = 0;
  uint64_t files = 0;
  uint64_t directories = 0;
  uint64_t symlinks = 0;
  uint64_t others = 0;  ///< devices, fifos, sockets
  uint64_t orphans = 0;
  uint64_t extents = 0;
  uint64_t live_records = 0;  ///< of the journal, seen as replayed
};

/// Collects findings, the first kMaxFindings of them. One thread.
class CheckReport {
 public:
  /// Beyond so many the medium is garbage, and one line more helps nobody.
  static constexpr size_t kMaxFindings = 1000;

  void Note(std::string_view structure, std::string location, std::string what) {
    Add({Severity::kNote, std::string(structure), std::move(location), std::move(what), {}, {}});
  }
  void Error(std::string_view structure, std::string location, std::string what) {
    Add({Severity::kError, std::string(structure), std::move(location), std::move(what), {}, {}});
  }
  /// Reports `what` unless it is as expected; true if it is.
  template <typename T>
  bool Expect(std::string_view structure, const std::string& location, std::string_view what,
              const T& found, const T& expected) {
    if (found == expected) return true;
    Add({Severity::kError, std::string(structure), location, std::string(what),
         absl::StrCat(expected), absl::StrCat(found)});
    return false;
  }

  const std::vector<Finding>& findings() const { return findings_; }
  uint64_t errors() const { return errors_; }
  /// Findings that were counted but not kept.
  uint64_t suppressed() const { return suppressed_; }
  bool clean() const { return errors_ == 0; }

  CheckTotals totals;

 private:
  void Add(Finding finding);

  std::vector<Finding> findings_;
  uint64_t errors_ = 0;
  uint64_t suppressed_ = 0;
};

}  // namespace holdfast::fsmeta
