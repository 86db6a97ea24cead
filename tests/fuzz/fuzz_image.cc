// SPDX-License-Identifier: Apache-2.0
// Decoding patches and applying them.
#include "tests/fuzz/fuzz_image.h"

#include <cstring>

#include "fsmeta/inode_cluster.h"
#include "fsmeta/journal_lane.h"
#include "fsmeta/medium.h"
#include "fsmeta/superblock.h"
#include "tests/fuzz/fuzz_input.h"

namespace holdfast::tests {

using namespace fsmeta;  // NOLINT: all of it is about the medium's structs

FuzzImage::FuzzImage(const Specimen& specimen, bool lanes_only) : memory_(specimen.image) {
  FindPlaces(specimen.image, lanes_only);
}

void FuzzImage::FindPlaces(std::span<const std::byte> image, bool lanes_only) {
  Superblock superblock;
  std::memcpy(&superblock, image.data(), sizeof(superblock));
  const uint64_t lane_bytes = uint64_t{superblock.lane_blocks} << kBlockShift;
  for (uint32_t lane = 0; lane < superblock.lane_count; ++lane) {
    places_.push_back({LaneOffset(superblock, lane), lane_bytes, Seal::kRecord});
  }
  const auto add_if_sound = [&](uint64_t at, uint64_t size) {
    uint32_t magic;
    std::memcpy(&magic, image.data() + at, sizeof(magic));
    const ObjectId id{static_cast<ObjectType>(magic), at, size, kAnyOwner};
    if (CheckObject(image.data() + at, id, UuidOf(superblock))) {
      places_.push_back({at, size, Seal::kObject});
    }
  };
  for (uint64_t at = 0; at < image.size() && !lanes_only; at += kMetadataBlock) {
    add_if_sound(at, kMetadataBlock);
    for (uint64_t i = 0; i < kSlotsPerBlock; ++i) add_if_sound(at + i * kSlotBytes, kSlotBytes);
  }
}

FuzzImage::Bytes& FuzzImage::Changed(size_t place) {
  const auto [found, is_new] = changed_.try_emplace(place);
  if (is_new) {
    const auto bytes = memory_.image().subspan(places_[place].offset, places_[place].size);
    found->second.assign(bytes.begin(), bytes.end());
  }
  return found->second;
}

void FuzzImage::Apply(std::span<const uint8_t> bytes) {
  memory_.Reset();
  changed_.clear();
  FuzzInput input(bytes);
  while (!input.empty()) {
    const uint64_t how = input.Take(1);
    Bytes& target = Changed(input.Take(2) % places_.size());
    const size_t n = size_t{1} << (how >> 2 & 3);
    const size_t at = input.Take(2) % (target.size() - n + 1);
    uint64_t value = (how & 16) != 0 ? ~uint64_t{0} : 0;
    if ((how & 3) == 0) {
      value = input.Take(n);
    } else if ((how & 3) == 1) {
      std::memcpy(&value, target.data() + at, n);
      value ^= input.Take(1);
    } else if ((how & 3) == 3) {
      const Bytes& source = Changed(input.Take(2) % places_.size());
      std::memcpy(&value, source.data() + input.Take(2) % (source.size() - n + 1), n);
    }
    std::memcpy(target.data() + at, &value, n);
  }
  SealAll();
}

void FuzzImage::SealAll() {
  for (auto& [place, bytes] : changed_) {
    const auto& [offset, size, seal] = places_[place];
    Victim victim{};
    victim.seal = seal;
    victim.object = seal == Seal::kRecord ? kLine : 0;
    victim.object_size = seal == Seal::kRecord ? sizeof(RecordHead) : size;
    Reseal(bytes, victim);
    memory_.Write(offset, bytes);
  }
}

}  // namespace holdfast::tests
