// SPDX-License-Identifier: Apache-2.0
// allocation_faults: runs each workload again and again, and lets the first, second, ... allocation
// of it fail until none is left. What cannot be done must not be done at all.
#include <fcntl.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fsmeta/allocation_fault.h"
#include "fsmeta/checker.h"
#include "tests/crash/file_steps.h"
#include "tests/crash/guarded_memory.h"
#include "tests/crash/prepared_image.h"
#include "tests/crash/suites.h"
#include "tests/support/tree_state.h"

namespace holdfast::tests {
namespace {

using fsmeta::AllocationKind;
using fsmeta::Filesystem;
using fsmeta::Result;

constexpr uint64_t kBlock = daxcore::kBlockSize;
// With so many, each an extent of its own, the inode file's extents fill its slot.
constexpr uint64_t kScatteredClusters = 11;

// How allocations fail.
struct Way {
  const char* text;
  AllocationKind kind;
  bool forever;
  int error;
};
constexpr Way kWays[] = {{"blocks, once", AllocationKind::kBlocks, false, ENOSPC},
                         {"blocks, from then on", AllocationKind::kBlocks, true, ENOSPC},
                         {"memory, once", AllocationKind::kMemory, false, ENOMEM}};

// Allocations fail while one exists.
class Failing {
 public:
  Failing(const Way& way, uint64_t nth) {
    fsmeta::allocation_fault = {.kind = way.kind, .left = nth, .forever = way.forever};
  }
  ~Failing() { fsmeta::allocation_fault.left = 0; }
  static bool Happened() { return fsmeta::allocation_fault.failed != 0; }
};

std::unique_ptr<daxcore::Region> RegionOf(std::span<const std::byte> image) {
  auto region = daxcore::Region::InMemory(image.size());
  region->persist().CopyNt(region->Target(0), image.data(), image.size());
  return region;
}

template <typename T>
T OrDie(Result<T> result, std::string_view what) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "allocation faults: %s: %s\n", std::string(what).c_str(),
               result.error().Text().c_str());
  std::abort();
}

// A workload, and what it does when nothing fails.
struct Reference {
  std::vector<std::byte> image;
  TreeState before, after;
  int error = 0;            // of the operation: some are refused
  uint64_t free_after = 0;  // blocks, once everything was removed
};

// What an image holds, as a mount sees it; nothing, if something is wrong with it.
struct Contents {
  TreeState tree;
  uint64_t free_after = 0;
};

Result<Contents> Inspect(std::span<const std::byte> image) {
  HOLDFAST_ASSIGN(const fsmeta::CheckReport report, fsmeta::CheckFilesystem(image, "(image)"));
  for (const fsmeta::Finding& finding : report.findings()) {
    if (finding.severity == fsmeta::Severity::kError) {
      return daxcore::Fail(EUCLEAN, "the checker finds: " + finding.Text());
    }
  }
  HOLDFAST_ASSIGN(const auto fs, Filesystem::Mount(RegionOf(image), {}));
  HOLDFAST_TRY(fs->FinishOrphans());
  Contents contents;
  HOLDFAST_ASSIGN(contents.tree, ReadTree(*fs));
  HOLDFAST_TRY(RemoveTree(*fs));
  HOLDFAST_ASSIGN(const auto space, fs->volume().allocator().Totals());
  contents.free_after = space.free.value();
  return contents;
}

Reference MakeReference(const Workload& workload) {
  Reference reference;
  reference.image = MakeImage(*workload.preparation);
  MountedFilesystem fs(RegionOf(reference.image), workload.preparation->mount);
  reference.before = OrDie(ReadTree(fs.fs()), workload.Name());
  if (workload.is_mount) {
    Must(fs.fs().FinishOrphans());
  } else if (const auto done = workload.operation->run(fs); !done) {
    reference.error = done.error().code;
  }
  reference.after = OrDie(ReadTree(fs.fs()), workload.Name());
  reference.free_after = OrDie(Inspect(fs.Image()), workload.Name()).free_after;
  return reference;
}

// But for which blocks each has, and how many.
TreeState WithoutSpace(TreeState tree) {
  for (auto& [path, entry] : tree) {
    std::string& text = entry.attributes;
    text.erase(std::min(text.find(" layout"), text.size()));
    const size_t at = text.find(" blocks ");
    text.erase(at, text.find(" rdev ") - at);
  }
  return tree;
}

// One workload with one failure in it.
class Trial {
 public:
  Trial(const Workload& workload, const Reference& reference, const Way& way, uint64_t nth)
      : workload_(workload), reference_(reference), way_(way), nth_(nth) {}

  /// False: there is no such allocation. What is wrong is added to `failures`.
  bool Run(uint64_t* failures) {
    const bool happened = workload_.is_mount ? TryMount() : TryOperation();
    if (!wrong_.empty()) {
      ++*failures;
      std::fprintf(stderr, "FAILED: %s, where allocation %lu fails (%s): %s\n",
                   workload_.Name().c_str(), nth_, way_.text, wrong_.c_str());
    }
    return happened;
  }

 private:
  bool TryMount();
  bool TryOperation();
  void CheckOutcome(const TreeState& tree, const Result<void>& done);
  void CheckImage(std::span<const std::byte> image, const TreeState& tree);
  void TryAgain(MountedFilesystem& fs);
  bool MayBe(const TreeState& tree, bool failed) const;
  bool DropsLater(const TreeState& tree) const;
  void Wrong(const std::string& text) {
    if (wrong_.empty()) wrong_ = text;
  }

  const Workload& workload_;
  const Reference& reference_;
  const Way& way_;
  const uint64_t nth_;
  std::string wrong_;
};

// A mount that fails leaves an image that mounts.
bool Trial::TryMount() {
  GuardedMemory memory(reference_.image.size());
  auto region = memory.MakeRegion();
  region->persist().CopyNt(region->Target(0), reference_.image.data(), reference_.image.size());
  Result<void> done;
  {
    const Failing failing(way_, nth_);
    const auto fs = Filesystem::Mount(std::move(region), workload_.preparation->mount);
    done = fs ? (*fs)->FinishOrphans() : daxcore::Fail(fs.error().code, fs.error().message);
  }
  if (!Failing::Happened()) return false;
  if (!done && done.error().code != way_.error) Wrong("it fails otherwise: " + done.error().Text());
  CheckImage(memory.bytes(), reference_.after);
  return true;
}

bool Trial::TryOperation() {
  MountedFilesystem fs(RegionOf(reference_.image), workload_.preparation->mount);
  Result<void> done;
  {
    const Failing failing(way_, nth_);
    done = workload_.operation->run(fs);
  }
  if (!Failing::Happened()) return false;
  const auto tree = ReadTree(fs.fs());
  if (!tree) {
    Wrong("the tree cannot be read afterwards: " + tree.error().Text());
    return true;
  }
  CheckOutcome(*tree, done);
  CheckImage(fs.Image(), done && DropsLater(*tree) ? reference_.after : *tree);
  if (!done && workload_.operation->atomicity != Atomicity::kInSteps) TryAgain(fs);
  return true;
}

// A truncation is done once the size has changed; blocks past it may be left to the next mount.
bool Trial::DropsLater(const TreeState& tree) const {
  return WithoutSpace(tree) == WithoutSpace(reference_.after);
}

bool Trial::MayBe(const TreeState& tree, bool failed) const {
  if (tree == (failed ? reference_.before : reference_.after)) return true;
  if (!failed && DropsLater(tree)) return true;
  if (workload_.operation->atomicity == Atomicity::kInSteps) return true;
  // Where space ends, a write is a short one.
  if (way_.error == ENOSPC && workload_.operation->name.starts_with("write")) {
    return IsPartial(tree, reference_.before, reference_.after);
  }
  return workload_.operation->atomicity == Atomicity::kInPlace &&
         IsBetween(tree, reference_.before, reference_.after);
}

void Trial::CheckOutcome(const TreeState& tree, const Result<void>& done) {
  if (!done && done.error().code != way_.error && done.error().code != reference_.error) {
    Wrong("it fails otherwise: " + done.error().Text());
  }
  const bool failed = !done && done.error().code == way_.error;
  if (MayBe(tree, failed)) return;
  Wrong(absl::StrCat(
      failed ? "it fails and changes something\n" : "it succeeds and has not done it\n",
      Differences("found", tree, "should be", failed ? reference_.before : reference_.after)));
}

void Trial::CheckImage(std::span<const std::byte> image, const TreeState& tree) {
  const auto contents = Inspect(image);
  if (!contents) return Wrong("the next mount: " + contents.error().Text());
  if (contents->tree != tree) {
    return Wrong("the next mount shows something else\n" +
                 Differences("mount", contents->tree, "before it", tree));
  }
  // What has not grown has more of them.
  if (contents->free_after >= reference_.free_after) return;
  Wrong(absl::StrFormat("%d blocks are free once everything is removed, and %d if nothing fails",
                        contents->free_after, reference_.free_after));
}

// Nothing that the failure left in memory is in the way.
void Trial::TryAgain(MountedFilesystem& fs) {
  const auto done = workload_.operation->run(fs);
  if (!done && done.error().code != reference_.error) {
    return Wrong("it fails again: " + done.error().Text());
  }
  const auto tree = ReadTree(fs.fs());
  if (!tree) return Wrong("the tree cannot be read after the second try: " + tree.error().Text());
  if (*tree != reference_.after) {
    Wrong("the second try ends otherwise\n" +
          Differences("found", *tree, "should be", reference_.after));
  }
  CheckImage(fs.Image(), *tree);
}

// Free space in small pieces and no free inode: with the next one, the inode file's extents need a
// tree.
void ScatterInodes(MountedFilesystem& fs) {
  Must(fs.MakeDirectory("A"));
  Must(fs.Create("big"));
  const auto space = OrDie(fs.volume().allocator().Totals(), "a preparation");
  const uint64_t blocks = space.available.value() - 200;
  Must(Fallocate(fs, "big", 0, 0, blocks * kBlock));
  for (uint64_t at = 0; at < 800; at += 40) {
    Must(
        Fallocate(fs, "big", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at * kBlock, 20 * kBlock));
  }
  const auto end = [&] { return OrDie(fs.volume().inodes().End(fs.volume().medium()), "the end"); };
  uint64_t made = 0;
  const auto make = [&] { Must(fs.Create(absl::StrCat("A/", ++made))); };
  while (end() < kScatteredClusters * fsmeta::kInodesPerCluster) make();
  for (uint64_t i = 1; i < fsmeta::kInodesPerCluster; ++i) make();
}

const ExtraWorkload& InodeFileInATree() {
  static const ExtraWorkload workload{
      .preparation = {.name = "inodes in many places",
                      .run = ScatterInodes,
                      .bytes = uint64_t{8} << 20},
      .operation = {"inode file needs a tree",
                    [](MountedFilesystem& fs) { return fs.Create("A/last"); }}};
  return workload;
}

void ForEachTrialled(const std::function<void(const Workload&)>& fn) {
  for (const char* suite : {"singles", "extras"}) ForEachWorkload(suite, fn);
  const ExtraWorkload& extra = InodeFileInATree();
  fn({.preparation = &extra.preparation, .operation = &extra.operation});
}

int Run(std::string_view only) {
  constexpr uint64_t kMostFailures = 20;
  uint64_t workloads = 0, trials = 0, failures = 0;
  ForEachTrialled([&](const Workload& workload) {
    if (workload.Name().find(only) == std::string::npos || failures >= kMostFailures) return;
    ++workloads;
    const Reference reference = MakeReference(workload);
    for (const Way& way : kWays) {
      for (uint64_t nth = 1; Trial(workload, reference, way, nth).Run(&failures); ++nth) ++trials;
    }
  });
  std::printf("allocation faults: %lu workloads, %lu allocations failed, %lu failures\n", workloads,
              trials, failures);
  return trials > 0 && failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::tests

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::off);
  return holdfast::tests::Run(argc > 1 ? argv[1] : "");
}
