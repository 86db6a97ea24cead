// SPDX-License-Identifier: Apache-2.0
// Following stores, flushes and drains.
#include "tests/crash/in_flight.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "fsmeta/format.h"

namespace holdfast::tests {
namespace {

using fsmeta::kLine;

std::span<const std::byte> Zeroes(uint64_t n) {
  static const std::array<std::byte, size_t{1} << 20> zeroes{};
  assert(n <= zeroes.size());
  return std::span(zeroes).first(n);
}

}  // namespace

void InFlight::Add(const Recorder& recorder, const RecordedEvent& event) {
  switch (event.kind) {
    case PersistEvent::kStore:
      return AddStore(event.offset, recorder.BytesOf(event), /*cached=*/true);
    case PersistEvent::kCopyNt:
      return AddStore(event.offset, recorder.BytesOf(event), /*cached=*/false);
    case PersistEvent::kZeroNt:
      return AddStore(event.offset, Zeroes(event.length), /*cached=*/false);
    case PersistEvent::kFlush:
      for (StoreUnit& unit : units_) {
        const uint64_t line = unit.offset / kLine * kLine;
        const bool hit = line < event.offset + event.length && event.offset < line + kLine;
        unit.flushed = unit.flushed || (unit.cached && hit);
      }
      return;
    case PersistEvent::kDrain:
    case PersistEvent::kMark:
      return;
  }
}

void InFlight::AddStore(uint64_t offset, std::span<const std::byte> bytes, bool cached) {
  const bool in_journal = offset >= split_.start && offset < split_.end;
  if (!cached && !in_journal && bytes.size() > StoreUnit::kLargestLineStore) {
    units_.push_back({.offset = offset, .bytes = bytes});
    return;
  }
  while (!bytes.empty()) {
    const uint64_t part = std::min<uint64_t>(bytes.size(), kLine - offset % kLine);
    units_.push_back({.offset = offset, .bytes = bytes.first(part), .cached = cached});
    bytes = bytes.subspan(part);
    offset += part;
  }
}

std::vector<StoreUnit> InFlight::Drain() {
  std::vector<StoreUnit> durable;
  std::erase_if(units_, [&](const StoreUnit& unit) {
    if (unit.cached && !unit.flushed) return false;
    durable.push_back(unit);
    return true;
  });
  return durable;
}

}  // namespace holdfast::tests
