// SPDX-License-Identifier: Apache-2.0
// Guarded memory: verbs reach it, other stores do not.
#include "tests/crash/guarded_memory.h"

#include <gtest/gtest.h>

namespace holdfast::tests {
namespace {

TEST(GuardedMemory, VerbsStoreAndEverybodySeesIt) {
  GuardedMemory memory(8192);
  auto region = memory.MakeRegion();
  region->persist().Store(region->Target(8), "12345678", 8);
  region->persist().CopyNt(region->Target(4096), "abc", 3);
  region->persist().ZeroNt(region->Target(9), 1);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(region->At(4096)), 3), "abc");
  EXPECT_EQ(region->base()[8], std::byte{'1'});
  EXPECT_EQ(memory.bytes()[9], std::byte{0});
}

TEST(GuardedMemoryDeathTest, AStorePastTheVerbsDies) {
  GuardedMemory memory(4096);
  auto region = memory.MakeRegion();
  auto* const place = static_cast<volatile char*>(region->Target(100));
  EXPECT_DEATH(*place = 'x', "");
}

}  // namespace
}  // namespace holdfast::tests
