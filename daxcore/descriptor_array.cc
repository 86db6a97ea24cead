// SPDX-License-Identifier: Apache-2.0
// Descriptor memory and the shapes of pages.
#include "daxcore/descriptor_array.h"

#include <sys/mman.h>

#include <cassert>

namespace holdfast::daxcore {
namespace {

constexpr uint64_t kFanout = 512;  // pages of one order in a page of the next
constexpr uint64_t kIndexMask = (uint64_t{1} << 48) - 1;

uint64_t DivideUp(uint64_t n, uint64_t d) { return (n + d - 1) / d; }

}  // namespace

Result<std::unique_ptr<DescriptorArray>> DescriptorArray::Create(BlockCount pages) {
  std::unique_ptr<DescriptorArray> array(new DescriptorArray(pages));
  const uint64_t groups = DivideUp(pages.value(), kFanout);
  const uint64_t units = DivideUp(groups, kFanout);
  const uint64_t descriptors = pages.value() + groups + units;
  const uint64_t bytes = descriptors * sizeof(PageDescriptor) + (groups + units) * sizeof(uint16_t);
  // Zeroes that exist only where somebody wrote: C2 costs address space and nothing else.
  array->memory_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (array->memory_ == MAP_FAILED) {
    array->memory_ = nullptr;
    return FailErrno(errno, "cannot map", "page descriptors");
  }
  array->mapped_bytes_ = bytes;
  // A huge page here would make one mapped page cost 2 MiB of descriptors.
  madvise(array->memory_, bytes, MADV_NOHUGEPAGE);
  array->arrays_[0] = static_cast<PageDescriptor*>(array->memory_);
  array->arrays_[1] = array->arrays_[0] + pages.value();
  array->arrays_[2] = array->arrays_[1] + groups;
  array->group_use_ = reinterpret_cast<uint16_t*>(array->arrays_[2] + units);
  array->unit_use_ = array->group_use_ + groups;
  return array;
}

DescriptorArray::~DescriptorArray() {
  if (memory_ != nullptr) munmap(memory_, mapped_bytes_);
}

PageKey DescriptorArray::Locate(Pfn pfn) const {
  for (const PageOrder order : {PageOrder::k1G, PageOrder::k2M}) {
    const PageKey compound{HeadOf(pfn, order), order};
    if (At(compound).in_use()) return compound;
  }
  return {pfn, PageOrder::k4K};
}

bool DescriptorArray::Conflicts(PageKey page) const {
  const PageKey covering = Locate(page.head);
  if (covering.order > page.order) return true;
  if (page.order == PageOrder::k1G) return InUse(unit_use_[page.head.value() >> 18]) != 0;
  if (page.order == PageOrder::k2M) return InUse(group_use_[page.head.value() >> 9]) != 0;
  return false;
}

bool DescriptorArray::GroupIdle(Pfn pfn) const {
  return InUse(group_use_[pfn.value() >> 9]) == 0 && Locate(pfn).order == PageOrder::k4K;
}

void DescriptorArray::Count(uint16_t& use, int delta) {
  use = static_cast<uint16_t>((use + delta) | kTouched);
}

void DescriptorArray::Use(PageKey page) {
  At(page).order = static_cast<uint8_t>(page.order);
  uint16_t& unit = unit_use_[page.head.value() >> 18];
  uint16_t& group = group_use_[page.head.value() >> 9];
  const bool group_was_idle = InUse(group) == 0;
  Count(group, page.order == PageOrder::k4K ? 1 : 0);
  Count(unit, page.order != PageOrder::k1G && group_was_idle ? 1 : 0);
}

void DescriptorArray::Free(PageKey page) {
  At(page) = PageDescriptor{};
  uint16_t& group = group_use_[page.head.value() >> 9];
  Count(group, page.order == PageOrder::k4K ? -1 : 0);
  const bool group_is_idle = InUse(group) == 0;
  Count(unit_use_[page.head.value() >> 18], page.order != PageOrder::k1G && group_is_idle ? -1 : 0);
}

void DescriptorArray::Split(PageKey compound) {
  assert(compound.order != PageOrder::k4K);
  const PageDescriptor whole = At(compound);
  const PageOrder order = Smaller(compound.order);
  Free(compound);
  for (uint64_t i = 0; i < kFanout; ++i) {
    const uint64_t offset = i * BlocksOf(order).value();
    const PageKey part{compound.head + BlockCount(offset), order};
    At(part) = whole;
    if (whole.mapping != 0) At(part).union_value = (whole.union_value + offset) & kIndexMask;
    Use(part);
  }
}

}  // namespace holdfast::daxcore
