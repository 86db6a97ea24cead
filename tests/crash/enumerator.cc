// SPDX-License-Identifier: Apache-2.0
// Recording an operation, then trying every outcome of a power failure in it.
#include "tests/crash/enumerator.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/crash/place_name.h"
#include "tests/crash/prepared_image.h"

namespace holdfast::tests {

using fsmeta::Result;

namespace {

[[noreturn]] void GiveUp(const std::string& why) {
  std::fprintf(stderr, "crash states: %s\n", why.c_str());
  std::abort();
}

TreeState MustRead(MountedFilesystem& fs) {
  auto tree = ReadTree(fs.fs());
  if (!tree) GiveUp("cannot read the tree: " + tree.error().Text());
  return *std::move(tree);
}

}  // namespace

std::string Workload::Name() const {
  const std::string on = preparation == &FileSet() ? "" : " on " + preparation->name;
  return (first == nullptr ? "" : first->name + ", then ") + operation->name + on;
}

CrashFigures& CrashFigures::operator+=(const CrashFigures& other) {
  workloads += other.workloads;
  cuts += other.cuts;
  images += other.images;
  unique += other.unique;
  recovered += other.recovered;
  failures += other.failures;
  return *this;
}

// An operation as it happened.
struct Enumerator::Recording {
  explicit Recording(uint64_t size) : guarded(size) {}
  const Recorder& log() const { return guarded.log(); }

  GuardedRecorder guarded;
  std::unique_ptr<MountedFilesystem> fs;
  std::vector<std::byte> start;  // the region when it began
  TreeState before, after;
  std::vector<std::vector<std::byte>> commits;  // kInSteps: the region after each transaction
  std::vector<TreeState> steps;
};

// One moment of the power failure.
struct Enumerator::Cut {
  const Workload& workload;
  std::string when;
  std::span<const StoreUnit> units;
  Promise promise;
  bool completed;  // the operation has returned
};

const std::vector<std::byte>& Enumerator::PreparedImage(const Preparation& preparation) {
  auto& image = prepared_[&preparation];
  if (image.empty()) image = MakeImage(preparation);
  return image;
}

void Enumerator::Record(const Workload& workload, Recording* recording) {
  const Preparation& preparation = *workload.preparation;
  const std::vector<std::byte>& prepared = PreparedImage(preparation);
  Recorder& recorder = recording->guarded.log();
  auto region = recording->guarded.MakeRegion();
  recorder.Pause();
  region->persist().CopyNt(region->Target(0), prepared.data(), prepared.size());
  const auto copy_of_region = [bytes = recording->guarded.bytes()] {
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };

  if (workload.is_mount) {
    recording->start = prepared;
    recorder.Resume();
    recording->fs = std::make_unique<MountedFilesystem>(std::move(region), preparation.mount);
    const auto finished = recording->fs->fs().FinishOrphans();
    recorder.Pause();
    if (!finished) GiveUp(workload.Name() + ": " + finished.error().Text());
    recording->after = MustRead(*recording->fs);
    recording->before = recording->after;
    return;
  }
  recording->fs = std::make_unique<MountedFilesystem>(std::move(region), preparation.mount);
  MountedFilesystem& fs = *recording->fs;
  if (workload.first != nullptr) static_cast<void>(workload.first->run(fs));
  recording->before = MustRead(fs);
  recording->start = copy_of_region();
  if (workload.operation->atomicity == Atomicity::kInSteps) {
    fs.volume().transactions().set_after_commit(
        [recording, copy_of_region] { recording->commits.push_back(copy_of_region()); });
  }
  if (workload.operation->atomicity == Atomicity::kInPlace) {
    fs.set_on_return([&recorder] { recorder.Mark(0); });
  }
  recorder.Resume();
  static_cast<void>(workload.operation->run(fs));
  recorder.Pause();
  recording->after = MustRead(fs);
}

void Enumerator::Run(const Workload& workload) {
  Recording recording(PreparedImage(*workload.preparation).size());
  Record(workload, &recording);
  if (memory_ == nullptr || memory_->image().size() != recording.start.size()) {
    memory_ = std::make_unique<ImageMemory>(recording.start);
  }
  for (const std::vector<std::byte>& commit : recording.commits) {
    memory_->Restart(commit);
    auto fs = fsmeta::Filesystem::Mount(memory_->MakeRegion(), {});
    if (!fs || !(*fs)->FinishOrphans()) GiveUp(workload.Name() + ": a commit does not mount");
    auto tree = ReadTree(**fs);
    if (!tree) GiveUp(workload.Name() + ": " + tree.error().Text());
    recording.steps.push_back(*std::move(tree));
  }
  ++figures_.workloads;
  seen_images_.clear();
  seen_recovered_.clear();
  failures_here_ = 0;
  Enumerate(workload, recording);
}

void Enumerator::Enumerate(const Workload& workload, const Recording& recording) {
  memory_->Restart(recording.start);
  const Atomicity atomicity = workload.operation->atomicity;
  Promise promise;
  promise.trees.push_back(&recording.before);
  for (const TreeState& step : recording.steps) promise.trees.push_back(&step);
  promise.trees.push_back(&recording.after);
  promise.may_mix = atomicity != Atomicity::kWhole;

  InFlight in_flight(JournalOf(recording.start));
  const auto events = recording.log().Events();
  const auto drains = std::ranges::count(events, PersistEvent::kDrain, &RecordedEvent::kind);
  int64_t drain = 0;
  bool completed = false;
  const auto try_cut = [&](std::string when) {
    TryCut({workload, std::move(when), in_flight.units(), promise, completed});
  };
  for (const RecordedEvent& event : events) {
    if (event.thread != events.front().thread) GiveUp(workload.Name() + ": two threads store");
    if (event.kind == PersistEvent::kMark) {
      completed = true;
      promise = {{&recording.after}, false};
      try_cut("as the call returned");
    } else if (event.kind == PersistEvent::kDrain) {
      try_cut(absl::StrFormat("at drain %d of %d", ++drain, drains));
      for (const StoreUnit& unit : in_flight.Drain()) memory_->MakeDurable(unit.offset, unit.bytes);
    } else {
      in_flight.Add(recording.log(), event);
    }
  }
  completed = true;
  promise = {{&recording.after}, false};
  try_cut("after it returned");
}

void Enumerator::TryCut(const Cut& cut) {
  ++figures_.cuts;
  ForEachOutcome(cut.units, [&](std::string_view kind, std::span<const Survivor> survivors) {
    const uint64_t enough = options_.stop_at_first ? 1 : options_.stop_after;
    if (failures_here_ < enough) TryOutcome(cut, kind, survivors);
  });
}

void Enumerator::Apply(const Cut& cut, std::span<const Survivor> survivors) {
  for (const Survivor& survivor : survivors) {
    const StoreUnit& unit = cut.units[survivor.unit];
    memory_->Write(unit.offset + survivor.start,
                   unit.bytes.subspan(survivor.start, survivor.end - survivor.start));
  }
}

void Enumerator::TryOutcome(const Cut& cut, std::string_view kind,
                            std::span<const Survivor> survivors) {
  // What an image must show depends on whether the operation had returned.
  const uint64_t salt = cut.completed ? 0x9e3779b97f4a7c15 : 0;
  ++figures_.images;
  Apply(cut, survivors);
  if (seen_images_.insert(memory_->Hash() ^ salt).second) {
    ++figures_.unique;
    const bool recovered = Recover(*memory_);
    if (!recovered || seen_recovered_.insert(memory_->RecoveredHash() ^ salt).second) {
      ++figures_.recovered;
      memory_->Reset();
      Apply(cut, survivors);
      const auto wrong = CheckImage(*memory_, cut.promise);
      if (wrong) {
        memory_->Reset();
        Report(cut, kind, survivors, *wrong);
      }
    }
  }
  memory_->Reset();
}

void Enumerator::Report(const Cut& cut, std::string_view kind, std::span<const Survivor> survivors,
                        const std::string& wrong) {
  ++figures_.failures;
  ++failures_here_;
  std::string text =
      absl::StrFormat("FAILED: %s, power lost %s with %d stores in flight, %s survive\n",
                      cut.workload.Name(), cut.when, cut.units.size(), kind);
  const PlaceNames names(memory_->durable(), cut.units);
  for (const bool present : {true, false}) {
    constexpr int kMost = 12;
    int shown = 0;
    for (size_t i = 0; i < cut.units.size(); ++i) {
      const StoreUnit& unit = cut.units[i];
      std::string part;
      for (const Survivor& s : survivors) {
        if (s.unit == i)
          part = absl::StrFormat(" bytes %d to %d of %d", s.start, s.end, unit.bytes.size());
      }
      if (part.empty() == present || ++shown > kMost) continue;
      absl::StrAppendFormat(&text, "  %s %s%s\n",
                            present ? "there:  " : "missing:", names.Of(unit.offset, unit.end()),
                            present ? part : "");
    }
    if (shown > kMost) absl::StrAppendFormat(&text, "  and %d more\n", shown - kMost);
  }
  absl::StrAppend(&text, "  ", wrong, "\n");
  if (!options_.save_folder.empty()) {
    Apply(cut, survivors);
    const std::string path = absl::StrFormat("%s/crash-state-%d-%d.img", options_.save_folder,
                                             figures_.workloads, failures_here_);
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(memory_->image().data()),
               static_cast<std::streamsize>(memory_->image().size()));
    absl::StrAppend(&text, file ? "  the image is " : "  the image could not be saved to ", path,
                    "\n");
    memory_->Reset();
  }
  if (!options_.stop_at_first) std::fputs(text.c_str(), stderr);
}

}  // namespace holdfast::tests
