// SPDX-License-Identifier: Apache-2.0
// Preparing images, some of them by an operation that the power fails in.
#include "tests/crash/prepared_image.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/crash/guarded_recorder.h"

namespace holdfast::tests {
namespace {

// The image after the first `drains` drains of an operation; what is in flight then is lost.
std::vector<std::byte> Interrupt(std::vector<std::byte> image, const Operation& operation,
                                 uint64_t drains, const fsmeta::MountOptions& options) {
  GuardedRecorder guarded(image.size());
  Recorder& recorder = guarded.log();
  auto region = guarded.MakeRegion();
  recorder.Pause();
  region->persist().CopyNt(region->Target(0), image.data(), image.size());
  MountedFilesystem fs(std::move(region), options);
  image.assign(guarded.bytes().begin(), guarded.bytes().end());
  recorder.Resume();
  static_cast<void>(operation.run(fs));
  recorder.Pause();
  InFlight in_flight(JournalOf(image));
  for (const RecordedEvent& event : recorder.Events()) {
    if (event.kind != PersistEvent::kDrain) {
      in_flight.Add(recorder, event);
      continue;
    }
    if (drains-- == 0) return image;
    for (const StoreUnit& unit : in_flight.Drain()) {
      std::ranges::copy(unit.bytes, image.begin() + static_cast<ptrdiff_t>(unit.offset));
    }
  }
  std::fprintf(stderr, "crash states: %s makes fewer drains than it is to be interrupted after\n",
               operation.name.c_str());
  std::abort();
}

}  // namespace

ByteRange JournalOf(std::span<const std::byte> image) {
  const auto& s = *reinterpret_cast<const fsmeta::Superblock*>(image.data());
  const uint64_t blocks = uint64_t{s.lane_count} * s.lane_blocks;
  return {s.journal_start << daxcore::kBlockShift, (s.journal_start + blocks)
                                                       << daxcore::kBlockShift};
}

std::vector<std::byte> MakeImage(const Preparation& preparation) {
  MountedFilesystem fs(preparation.bytes, preparation.mount, preparation.format);
  preparation.run(fs);
  std::vector<std::byte> image = fs.Image();
  if (!preparation.interrupted) return image;
  return Interrupt(std::move(image), *preparation.interrupted, preparation.drains,
                   preparation.mount);
}

}  // namespace holdfast::tests
