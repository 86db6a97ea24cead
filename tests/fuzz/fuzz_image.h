// SPDX-License-Identifier: Apache-2.0
// Images for fuzzers: a small input says what is changed in a filesystem that has one of
// everything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "tests/corrupt/specimen.h"
#include "tests/crash/image_memory.h"

namespace holdfast::tests {

/// Owns the memory of the image. One thread.
///
/// An input is a list of patches, each of 5 bytes and what it needs besides: how (lowest two bits:
/// bytes follow, xor with a byte that follows, all zeroes or ones, copied from the place and offset
/// that follow; next two bits: 1 << so many bytes; bit 4: ones), place (16 bits, one of the places
/// below), offset (16 bits, in the place). Numbers wrap. Checksums of what was changed are made
/// right afterwards, so that the changes reach the code behind them.
class FuzzImage {
 public:
  /// Every object of the filesystem and every lane is a place; of a region whose journal is to be
  /// changed, `lanes_only`.
  explicit FuzzImage(const Specimen& specimen, bool lanes_only = false);

  /// The image is what `input` makes of the specimen.
  void Apply(std::span<const uint8_t> input);
  ImageMemory& memory() { return memory_; }

 private:
  struct Place {
    uint64_t offset;
    uint64_t size;
    Seal seal;
  };
  using Bytes = std::vector<std::byte>;

  void FindPlaces(std::span<const std::byte> image, bool lanes_only);
  Bytes& Changed(size_t place);
  void SealAll();

  ImageMemory memory_;
  std::vector<Place> places_;
  std::map<size_t, Bytes> changed_;  // by number of the place
};

}  // namespace holdfast::tests
