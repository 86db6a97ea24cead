// SPDX-License-Identifier: Apache-2.0
// Mounting crash images and looking at what is there.
#include "tests/crash/image_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "fsmeta/checker.h"
#include "fsmeta/journal.h"
#include "fsmeta/superblock.h"

namespace holdfast::tests {

using daxcore::Result;
using fsmeta::Filesystem;

namespace {

std::optional<std::string> Unsound(ImageMemory& memory, const std::string& when,
                                   bool orphans_allowed) {
  const auto report = fsmeta::CheckFilesystem(memory.image(), "(image)");
  if (!report) return absl::StrCat("the checker refuses it ", when, ": ", report.error().Text());
  if (!report->clean()) {
    std::string text = absl::StrCat("the checker complains ", when, ":");
    for (const auto& finding : report->findings()) {
      if (finding.severity == fsmeta::Severity::kError)
        absl::StrAppend(&text, "\n    ", finding.Text());
    }
    return text;
  }
  if (!orphans_allowed && report->totals.orphans != 0) {
    return absl::StrCat(report->totals.orphans, " orphans are left ", when);
  }
  return std::nullopt;
}

bool Keeps(const Promise& promise, const TreeState& tree) {
  const auto is_tree = [&](const TreeState* allowed) { return *allowed == tree; };
  if (std::ranges::any_of(promise.trees, is_tree)) return true;
  for (size_t i = 0; promise.may_mix && i + 1 < promise.trees.size(); ++i) {
    if (IsBetween(tree, *promise.trees[i], *promise.trees[i + 1])) return true;
  }
  return false;
}

std::string Broken(const Promise& promise, const TreeState& tree) {
  std::string text = "it shows a tree that was never promised";
  for (size_t i = 0; i < promise.trees.size(); ++i) {
    const bool first = i == 0, last = i + 1 == promise.trees.size();
    if (!first && !last) continue;
    absl::StrAppend(&text, "\n  against the state ", last ? "after" : "before", ":\n",
                    Differences("found", tree, "promised", *promise.trees[i]));
  }
  return text;
}

// Null, or what is wrong, as an error's text.
Result<void> Inhabit(Filesystem& fs, const Promise& promise, std::string* wrong) {
  HOLDFAST_TRY(fs.FinishOrphans());
  HOLDFAST_ASSIGN(const TreeState tree, ReadTree(fs));
  if (!Keeps(promise, tree)) {
    *wrong = Broken(promise, tree);
    return {};
  }
  HOLDFAST_TRY(RemoveTree(fs));
  HOLDFAST_ASSIGN(const TreeState left, ReadTree(fs));
  if (left.size() != 1) *wrong = "not everything could be removed";
  return fs.Sync();
}

}  // namespace

bool Recover(ImageMemory& memory) {
  const auto superblock = fsmeta::ReadSuperblock(memory.region());
  if (!superblock) return false;
  fsmeta::Medium medium(memory.region(), *superblock);
  return fsmeta::Journal::Replay(medium).has_value();
}

std::optional<std::string> CheckImage(ImageMemory& memory, const Promise& promise) {
  if (auto wrong = Unsound(memory, "before the mount", /*orphans_allowed=*/true)) return wrong;
  {
    auto fs = Filesystem::Mount(memory.MakeRegion(), {});
    if (!fs) return "it does not mount: " + fs.error().Text();
    std::string wrong;
    const auto done = Inhabit(**fs, promise, &wrong);
    if (!done) return "an operation fails: " + done.error().Text();
    if (!wrong.empty()) return wrong;
  }
  return Unsound(memory, "after everything was removed", /*orphans_allowed=*/false);
}

}  // namespace holdfast::tests
