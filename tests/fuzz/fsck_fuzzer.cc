// SPDX-License-Identifier: Apache-2.0
// Checks and repairs a changed filesystem. What is called clean, by -n, -p or -y, must be usable,
// and what was refused is as it was.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "fsmeta/checker.h"
#include "fsmeta/repairer.h"
#include "tests/fuzz/fuzz_image.h"
#include "tests/support/image_probe.h"
#include "tests/support/quiet_log.h"

using namespace holdfast::fsmeta;  // NOLINT
using namespace holdfast::tests;   // NOLINT

namespace {

[[noreturn]] void Wrong(const char* what, const std::string& why = {}) {
  std::fprintf(stderr, "%s: %s\n", what, why.c_str());
  std::abort();
}

void MustBeUsable(ImageMemory& memory) {
  const auto fs = Filesystem::Mount(memory.MakeRegion(), {});
  if (!fs) Wrong("called clean, but does not mount", fs.error().Text());
  if (const auto done = (*fs)->FinishOrphans(); !done) Wrong("orphans", done.error().Text());
  for (const auto& [path, file] : LookAround(**fs)) {
    if (file.digest.find("error") != std::string::npos) {
      Wrong("called clean, but cannot be read", path + ": " + file.digest);
    }
  }
}

// Repairs; true if that ended well.
bool Repair(ImageMemory& memory, bool may_lose) {
  const RepairOptions options{.may_lose = may_lose, .boot_id = std::array<uint8_t, 16>{9, 9}};
  const uint64_t before = memory.Hash();
  const auto region = memory.MakeRegion();
  const auto report = RepairRegion(*region, options);
  if (!report || report->outcome == RepairOutcome::kRefused) {
    if (memory.Hash() != before) Wrong("refused, but changed");
    return false;
  }
  if (!report->check.clean()) Wrong("repaired, but not clean", report->check.findings()[0].Text());
  const auto again = RepairRegion(*region, options);
  if (!again) Wrong("a second repair fails", again.error().Text());
  if (again->outcome != RepairOutcome::kClean) Wrong("a second repair finds something");
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const QuietLog quiet;
  static FuzzImage image(MakeRichSpecimen());
  image.Apply({data, size});
  const auto report = CheckFilesystem(image.memory().image(), "fuzz");
  const bool clean = report && report->clean();
  if (clean || Repair(image.memory(), false) || Repair(image.memory(), true)) {
    MustBeUsable(image.memory());
  }
  return 0;
}
