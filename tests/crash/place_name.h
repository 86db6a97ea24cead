// SPDX-License-Identifier: Apache-2.0
// What lies at a place of the region, by structure and field: for people who read a failure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "fsmeta/format.h"
#include "tests/crash/in_flight.h"

namespace holdfast::tests {

/// Looks at an image and at stores on their way to it (new blocks have their header only there).
/// Both must outlive it.
class PlaceNames {
 public:
  PlaceNames(std::span<const std::byte> image, std::span<const StoreUnit> units)
      : image_(image), units_(units) {}

  /// "inode 17: nlink, size, blocks" for bytes [start, end) of the region.
  std::string Of(uint64_t start, uint64_t end) const;

 private:
  fsmeta::ObjectHeader HeaderAt(uint64_t offset) const;
  std::string InJournal(const fsmeta::Superblock& superblock, uint64_t start, uint64_t end) const;
  std::string InObject(const fsmeta::ObjectHeader& header, uint64_t base, uint64_t start,
                       uint64_t end) const;

  std::span<const std::byte> image_;
  std::span<const StoreUnit> units_;
};

}  // namespace holdfast::tests
