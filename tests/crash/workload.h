// SPDX-License-Identifier: Apache-2.0
// What is interrupted: an operation on a filesystem that was prepared for it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/mounted_filesystem.h"

namespace holdfast::tests {

/// What a crash may leave of an operation that it interrupts.
enum class Atomicity {
  kWhole,    ///< the state before or the state after
  kInPlace,  ///< also any mixture of old and new data, by aligned 8 bytes (data=inplace)
  kInSteps,  ///< also the states between its transactions, and mixtures of one and the next
};

struct Operation {
  std::string name;
  std::function<fsmeta::Result<void>(MountedFilesystem&)> run;
  Atomicity atomicity = Atomicity::kWhole;
};

/// A filesystem image and how it was made.
struct Preparation {
  std::string name;
  std::function<void(MountedFilesystem&)> run;
  uint64_t bytes = uint64_t{4} << 20;
  /// Names hash the same each time: the workloads that split an index count on it.
  fsmeta::FormatOptions format = {.uuid = fsmeta::Uuid{0xc4}, .hash_seed = 4};
  fsmeta::MountOptions mount = {};
  /// If set, the power fails in this operation, as it makes that many drains: later stores are
  /// lost.
  std::optional<Operation> interrupted = std::nullopt;
  uint64_t drains = 0;
};

/// `operation` is interrupted, once `first`, if there is one, has completed.
struct Workload {
  const Preparation* preparation;
  const Operation* first = nullptr;
  const Operation* operation;
  /// The operation is a mount with the finishing of orphans, of the image as the preparation left
  /// it when the power failed.
  bool is_mount = false;

  std::string Name() const;
};

/// Two directories and three files: /foo, /A/bar, /B/baz.
const Preparation& FileSet();
/// The 56 operations of {create, mkdir, allocate, write, link, unlink, remove, rename, truncate,
/// rmdir} on the file set.
const std::vector<Operation>& BasicOperations();

/// Everything else, each with its own preparation.
struct ExtraWorkload {
  Preparation preparation;
  Operation operation;
  bool is_mount = false;
};
const std::vector<ExtraWorkload>& ExtraWorkloads();

}  // namespace holdfast::tests
