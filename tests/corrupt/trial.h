// SPDX-License-Identifier: Apache-2.0
// One changed field: who notices, and what a repair makes of it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tests/corrupt/specimen.h"
#include "tests/crash/image_memory.h"

namespace holdfast::tests {

struct Verdict {
  bool noticed = false;  ///< by fsck -n, by the mount, or by who looked around
  bool repaired = false;
  bool refused = false;  ///< by fsck -y
  /// What must never be: one line each.
  std::vector<std::string> faults = {};
};

/// Owns the memory in which images are tried. One thread.
class Trials {
 public:
  /// `specimen` outlives this.
  explicit Trials(const Specimen& specimen);

  /// With `bytes` in the place of the victim's object: checks, mounts, looks at everything and
  /// changes it; then, from the same state, repairs with -p and, if that would lose something, -y,
  /// again, and compares what is there with what was.
  Verdict Run(const Victim& victim, std::span<const std::byte> bytes);

 private:
  void Damage(const Victim& victim, std::span<const std::byte> bytes);
  bool LivesIn(const Victim& victim, const std::string& path) const;
  bool FsckNotices();
  bool MountNotices();
  void Repair(const Victim& victim, Verdict* verdict);
  void LookForLosses(const Victim& victim, Verdict* verdict);

  const Specimen& specimen_;
  ImageMemory memory_;
  std::vector<std::string> usual_findings_;
};

}  // namespace holdfast::tests
