// SPDX-License-Identifier: Apache-2.0
// The memory of the page descriptors, and which page a page number belongs to.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "daxcore/page_order.h"
#include "daxcore/result.h"
#include "daxcore/types.h"

namespace holdfast::daxcore {

/// One page's record (semantics section 1). All zero is IDLE, so untouched memory needs no start-up
/// (C2).
///
/// Notes: IDLE iff mapping == 0 and union_value == 0; then refs, maps and order are 0 too (the one
/// exception is a page that a bug let go while it was referenced, until its last put). SHARED(n)
/// iff mapping == 0 and union_value == n >= 1 (P1). OWNED iff mapping != 0; union_value is then the
/// block index in the file (P6). maps <= refs (P12).
struct PageDescriptor {
  uint64_t union_value : 48;  ///< index of the owner's block (OWNED) or share count (SHARED)
  uint64_t order : 2;         ///< PageOrder
  uint64_t unused : 14;
  uint64_t mapping : 24;  ///< MappingId, 0 = null
  uint64_t refs : 20;     ///< R: everything that may still touch the page
  uint64_t maps : 20;     ///< C: those of them that come from mappings

  bool idle() const { return mapping == 0 && union_value == 0; }
  bool in_use() const { return !idle() || refs != 0; }
};
static_assert(sizeof(PageDescriptor) == 16);

/// A page: where it starts and how large it is.
struct PageKey {
  Pfn head;
  PageOrder order = PageOrder::k4K;

  constexpr BlockCount length() const { return BlocksOf(order); }
  constexpr Pfn end() const { return head + length(); }
  constexpr bool operator==(const PageKey&) const = default;
};

/// Owns lazily zeroed memory for descriptors. Those of each order lie in an array of their own: a
/// compound has one descriptor and no tails (C2), and the heads of neighbours share cache lines.
/// Beside them are counts of what is in use below each 2 MiB and 1 GiB boundary, so that orders are
/// kept apart without looking at 512 pages. Not thread-safe: everything inside one 1 GiB unit is
/// guarded by one lock of the PageTable.
class DescriptorArray {
 public:
  /// ENOMEM if there is no address space.
  static Result<std::unique_ptr<DescriptorArray>> Create(BlockCount pages);
  ~DescriptorArray();
  DescriptorArray(const DescriptorArray&) = delete;
  DescriptorArray& operator=(const DescriptorArray&) = delete;

  BlockCount pages() const { return pages_; }
  PageDescriptor& At(PageKey page) const { return arrays_[Index(page.order)][Slot(page)]; }

  /// The page that `pfn` lies in: a compound if one in use covers it, else a single page.
  PageKey Locate(Pfn pfn) const;
  /// True if a page of another order that is in use covers `page` or lies inside it.
  bool Conflicts(PageKey page) const;

  /// The page is in use from now on. Sets its order.
  void Use(PageKey page);
  /// It is not any more: all of it is zero.
  void Free(PageKey page);
  /// The compound becomes 512 pages of the next order, each with its counts, mapping or share, and
  /// its own index (C4).
  void Split(PageKey compound);

  /// False if nothing in the 1 GiB unit, or 2 MiB group, of `pfn` was ever in use.
  bool UnitTouched(Pfn pfn) const { return (unit_use_[pfn.value() >> 18] & kTouched) != 0; }
  bool GroupTouched(Pfn pfn) const { return (group_use_[pfn.value() >> 9] & kTouched) != 0; }
  /// True if no page in use covers or lies in the 2 MiB group of `pfn`.
  bool GroupIdle(Pfn pfn) const;

 private:
  static constexpr uint16_t kTouched = 0x8000;

  explicit DescriptorArray(BlockCount pages) : pages_(pages) {}
  static size_t Index(PageOrder order) { return static_cast<size_t>(order); }
  static size_t Slot(PageKey page) { return page.head.value() >> (9 * Index(page.order)); }
  static void Count(uint16_t& use, int delta);
  static uint16_t InUse(uint16_t use) { return static_cast<uint16_t>(use & ~kTouched); }

  const BlockCount pages_;
  void* memory_ = nullptr;
  size_t mapped_bytes_ = 0;
  std::array<PageDescriptor*, 3> arrays_{};  // by order
  uint16_t* group_use_ = nullptr;            // 4 KiB pages in use in each 2 MiB, and kTouched
  uint16_t* unit_use_ = nullptr;             // 2 MiB groups in use in each 1 GiB, and kTouched
};

}  // namespace holdfast::daxcore
