// SPDX-License-Identifier: Apache-2.0
// The verbs store what they say, at every alignment and length around a cache line.
#include "daxcore/pmem2_persist.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "daxcore/region.h"

namespace holdfast::daxcore {
namespace {

using Verb = void (*)(Persist&, void*, const void*, size_t);

void CheckEveryEdge(Verb verb, const std::vector<char>& source) {
  auto region = Region::InMemory(3 * kBlockSize);
  for (size_t offset = 0; offset < 70; ++offset) {
    for (size_t length : {0, 1, 7, 8, 9, 63, 64, 65, 128, 1000, 4096}) {
      region->persist().ZeroNt(region->Target(0), region->size());
      verb(region->persist(), region->Target(4096 + offset), source.data(), length);
      region->persist().Drain();
      std::vector<char> expected(region->size(), 0);
      std::memcpy(expected.data() + 4096 + offset, source.data(), length);
      ASSERT_EQ(std::memcmp(region->base(), expected.data(), expected.size()), 0)
          << "offset " << offset << " length " << length;
    }
  }
}

std::vector<char> Pattern() {
  std::vector<char> pattern(4096);
  for (size_t i = 0; i < pattern.size(); ++i) pattern[i] = static_cast<char>(i % 251 + 1);
  return pattern;
}

TEST(Pmem2Persist, StoreWritesExactlyItsRange) {
  CheckEveryEdge(
      [](Persist& p, void* dst, const void* src, size_t n) {
        p.Store(dst, src, n);
        p.PersistRange(dst, n);
      },
      Pattern());
}

TEST(Pmem2Persist, CopyNtWritesExactlyItsRange) {
  CheckEveryEdge([](Persist& p, void* dst, const void* src, size_t n) { p.CopyNt(dst, src, n); },
                 Pattern());
}

TEST(Pmem2Persist, ZeroNtZeroesExactlyItsRange) {
  auto region = Region::InMemory(2 * kBlockSize);
  const std::vector<char> ones(region->size(), 1);
  region->persist().CopyNt(region->Target(0), ones.data(), ones.size());
  region->persist().ZeroNt(region->Target(4000), 200);
  std::vector<char> expected = ones;
  std::fill(expected.begin() + 4000, expected.begin() + 4200, 0);
  EXPECT_EQ(std::memcmp(region->base(), expected.data(), expected.size()), 0);
}

}  // namespace
}  // namespace holdfast::daxcore
