// SPDX-License-Identifier: Apache-2.0
// A copy of a filesystem whose fields a test changes one at a time, checksums made right again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "fsmeta/check_report.h"
#include "fsmeta/format.h"
#include "fsmeta/superblock.h"

namespace holdfast::tests {

/// Owns the bytes. One thread.
class DamagedImage {
 public:
  explicit DamagedImage(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {
    std::memcpy(&superblock_, bytes_.data(), sizeof(superblock_));
  }

  std::span<const std::byte> bytes() const { return bytes_; }
  std::vector<std::byte>& raw() { return bytes_; }
  /// As it was when the image was made.
  const fsmeta::Superblock& superblock() const { return superblock_; }

  template <typename T>
  T Get(uint64_t offset) const {
    T object;
    std::memcpy(&object, bytes_.data() + offset, sizeof(object));
    return object;
  }
  /// Changes the object at `offset` and seals it again: sound by itself, wrong in its place.
  template <typename T, typename F>
  void Change(uint64_t offset, F&& change) {
    T object = Get<T>(offset);
    change(object);
    std::memcpy(bytes_.data() + offset, &object, sizeof(object));
    Reseal(offset, sizeof(object));
  }
  /// Computes the checksum of the object at `offset` afresh.
  void Reseal(uint64_t offset, size_t size) {
    const uint32_t sum = fsmeta::ObjectChecksum(std::span(bytes_).subspan(offset, size));
    std::memcpy(bytes_.data() + offset + offsetof(fsmeta::ObjectHeader, crc32c), &sum, sizeof(sum));
  }

  uint64_t GroupOffset(uint64_t group) const;
  uint64_t BitmapOffset(uint64_t group) const;
  uint64_t ClusterOffset() const { return superblock_.inode_cluster0 << 12; }
  /// Of any inode, as long as the inode file keeps its extents in its slot.
  uint64_t SlotOffset(uint64_t ino) const;
  /// Of the first block of an inode that keeps its extents in its slot.
  uint64_t FirstBlockOf(uint64_t ino) const;

  /// The findings of a check, one line each.
  std::vector<std::string> Findings() const;

 private:
  std::vector<std::byte> bytes_;
  fsmeta::Superblock superblock_;
};

}  // namespace holdfast::tests
