// SPDX-License-Identifier: Apache-2.0
// Distinct integer types for the quantities that must never be mixed up: pages, blocks, bytes,
// inodes.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <utility>

namespace holdfast::daxcore {

/// An integer that only mixes with its own kind. `Tag` names the quantity. Trivially copyable, so
/// it can stand in registers and be hashed by absl; it is never written to the medium as such.
template <typename Tag, typename Rep = uint64_t>
class Quantity {
 public:
  using rep = Rep;

  constexpr Quantity() = default;
  constexpr explicit Quantity(Rep value) : value_(value) {}

  constexpr Rep value() const { return value_; }

  constexpr auto operator<=>(const Quantity&) const = default;

  template <typename H>
  friend H AbslHashValue(H h, const Quantity& q) {
    return H::combine(std::move(h), q.value_);
  }

 private:
  Rep value_ = 0;
};

/// Number of a 4 KiB page (= block) of the region, counted from its start.
using Pfn = Quantity<struct PfnTag>;
/// Number of 4 KiB blocks.
using BlockCount = Quantity<struct BlockCountTag>;
/// Index of a 4 KiB block inside a file (the "linear page index" of rule P6).
using FileBlock = Quantity<struct FileBlockTag>;
/// Inode number; equals the FUSE node id.
using Ino = Quantity<struct InoTag>;

inline constexpr uint64_t kBlockShift = 12;
inline constexpr uint64_t kBlockSize = uint64_t{1} << kBlockShift;
inline constexpr uint64_t kCacheLine = 64;

constexpr Pfn operator+(Pfn p, BlockCount n) { return Pfn(p.value() + n.value()); }
constexpr Pfn operator-(Pfn p, BlockCount n) { return Pfn(p.value() - n.value()); }
constexpr BlockCount operator-(Pfn a, Pfn b) { return BlockCount(a.value() - b.value()); }
constexpr FileBlock operator+(FileBlock b, BlockCount n) {
  return FileBlock(b.value() + n.value());
}
constexpr FileBlock operator-(FileBlock b, BlockCount n) {
  return FileBlock(b.value() - n.value());
}
constexpr BlockCount operator-(FileBlock a, FileBlock b) {
  return BlockCount(a.value() - b.value());
}
constexpr BlockCount operator+(BlockCount a, BlockCount b) {
  return BlockCount(a.value() + b.value());
}
constexpr BlockCount operator-(BlockCount a, BlockCount b) {
  return BlockCount(a.value() - b.value());
}
constexpr Pfn& operator+=(Pfn& p, BlockCount n) { return p = p + n; }
constexpr FileBlock& operator+=(FileBlock& b, BlockCount n) { return b = b + n; }
constexpr BlockCount& operator+=(BlockCount& a, BlockCount b) { return a = a + b; }
constexpr BlockCount& operator-=(BlockCount& a, BlockCount b) { return a = a - b; }

/// Byte offset of the start of a block, in its file or in the region.
constexpr uint64_t ByteOffset(FileBlock b) { return b.value() << kBlockShift; }
constexpr uint64_t ByteOffset(Pfn p) { return p.value() << kBlockShift; }
constexpr uint64_t Bytes(BlockCount n) { return n.value() << kBlockShift; }

/// Block that holds byte `offset` of a file.
constexpr FileBlock FileBlockOf(uint64_t offset) { return FileBlock(offset >> kBlockShift); }
/// First block that starts at or after byte `offset`. `offset` <= 2^64 - 4096.
constexpr FileBlock FileBlockCeil(uint64_t offset) {
  return FileBlock((offset + kBlockSize - 1) >> kBlockShift);
}
/// Blocks needed to hold `bytes`.
constexpr BlockCount BlocksFor(uint64_t bytes) {
  return BlockCount((bytes >> kBlockShift) + ((bytes & (kBlockSize - 1)) != 0 ? 1 : 0));
}

constexpr uint64_t AlignDown(uint64_t v, uint64_t a) { return v - v % a; }
constexpr uint64_t AlignUp(uint64_t v, uint64_t a) { return AlignDown(v + a - 1, a); }

}  // namespace holdfast::daxcore
