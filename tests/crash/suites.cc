// SPDX-License-Identifier: Apache-2.0
// Composing workloads.
#include "tests/crash/suites.h"

#include <algorithm>
#include <deque>

#include "absl/strings/match.h"

namespace holdfast::tests {
namespace {

using WorkloadFn = std::function<void(const Workload&)>;

// Two operations done one after the other, as one.
Operation Both(const Operation& first, const Operation& second) {
  return {.name = first.name + ", then " + second.name, .run = [&](MountedFilesystem& fs) {
            static_cast<void>(first.run(fs));
            return second.run(fs);
          }};
}

void Triples(const WorkloadFn& fn) {
  std::vector<const Operation*> some;
  for (const Operation& operation : BasicOperations()) {
    const auto is = [&](const char* verb) { return absl::StartsWith(operation.name, verb); };
    if (is("write") || is("link") || is("unlink") || is("rename")) some.push_back(&operation);
  }
  for (const Operation* a : some) {
    for (const Operation* b : some) {
      const Operation both = Both(*a, *b);
      for (const Operation* c : some) {
        fn({.preparation = &FileSet(), .first = &both, .operation = c});
      }
    }
  }
}

}  // namespace

void ForEachWorkload(std::string_view suite, const WorkloadFn& fn) {
  if (suite == "singles") {
    for (const Operation& operation : BasicOperations()) {
      fn({.preparation = &FileSet(), .operation = &operation});
    }
  } else if (suite == "pairs") {
    for (const Operation& first : BasicOperations()) {
      for (const Operation& second : BasicOperations()) {
        fn({.preparation = &FileSet(), .first = &first, .operation = &second});
      }
    }
  } else if (suite == "extras") {
    for (const ExtraWorkload& extra : ExtraWorkloads()) {
      fn({.preparation = &extra.preparation,
          .operation = &extra.operation,
          .is_mount = extra.is_mount});
    }
  } else {
    Triples(fn);
  }
}

}  // namespace holdfast::tests
