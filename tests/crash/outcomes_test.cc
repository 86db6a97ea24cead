// SPDX-License-Identifier: Apache-2.0
// Which outcomes of a power failure are tried.
#include "tests/crash/outcomes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>

namespace holdfast::tests {
namespace {

using Image = std::vector<std::byte>;

// Units of 8 bytes in lines of their own, each of its own value.
class OutcomesTest : public testing::Test {
 protected:
  StoreUnit Unit(uint64_t offset, size_t n, bool cached = false) {
    storage_.emplace_back(n, std::byte(storage_.size() + 1));
    return {.offset = offset, .bytes = storage_.back(), .cached = cached};
  }
  // All images that come out, by kind.
  std::map<std::string, std::set<Image>> Images(const std::vector<StoreUnit>& units) {
    std::map<std::string, std::set<Image>> images;
    ForEachOutcome(units, [&](std::string_view kind, std::span<const Survivor> survivors) {
      Image image(8192);
      size_t last = 0;
      for (const Survivor& s : survivors) {
        EXPECT_GE(s.unit, last) << "in order";
        last = s.unit;
        for (uint64_t i = s.start; i < s.end; ++i) {
          image[units[s.unit].offset + i] = units[s.unit].bytes[i];
        }
      }
      images[std::string(kind)].insert(std::move(image));
    });
    return images;
  }
  std::deque<Image> storage_;
};

TEST_F(OutcomesTest, NothingInFlightIsOneImage) {
  const auto images = Images({});
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images.begin()->first, "none of them");
}

TEST_F(OutcomesTest, NoneAllEachAllButEachAndPairs) {
  auto images = Images({Unit(0, 8), Unit(64, 8), Unit(128, 8), Unit(192, 8)});
  EXPECT_EQ(images["none of them"].size(), 1U);
  EXPECT_EQ(images["all of them"].size(), 1U);
  EXPECT_EQ(images["one of them"].size(), 4U);
  EXPECT_EQ(images["all but one"].size(), 4U);
  EXPECT_EQ(images["two of them"].size(), 6U);
  EXPECT_EQ(images.count("one alone, torn"), 0U) << "8 bytes do not tear";
}

TEST_F(OutcomesTest, LinesTearAtEightBytes) {
  auto images = Images({Unit(0, 64), Unit(68, 20)});
  EXPECT_EQ(images["one alone, torn"].size(), 7U + 2U);
  EXPECT_EQ(images["all, one of them torn"].size(), 7U + 2U);
}

TEST_F(OutcomesTest, DataLosesItsFirstMiddleOrLastLine) {
  auto images = Images({Unit(100, 4000)});
  const auto& without = images["all but a line of data"];
  ASSERT_EQ(without.size(), 3U);
  for (const Image& image : without) {
    EXPECT_EQ(std::ranges::count(image, std::byte{1}), image[100] == std::byte{0}    ? 4000 - 28
                                                       : image[4099] == std::byte{0} ? 4000 - 4
                                                                                     : 4000 - 64);
  }
}

TEST_F(OutcomesTest, CachedStoresToOneLineSurviveInOrder) {
  const std::vector<StoreUnit> units = {Unit(0, 8, true), Unit(0, 8, true), Unit(8, 8, true)};
  for (const auto& [kind, images] : Images(units)) {
    for (const Image& image : images) {
      const bool third = image[8] == std::byte{3};
      EXPECT_TRUE(!third || image[0] == std::byte{2}) << kind;
    }
  }
}

TEST_F(OutcomesTest, ManyUnitsAreNotAllPaired) {
  std::vector<StoreUnit> units;
  for (uint64_t i = 0; i < 120; ++i) units.push_back(Unit(64 * i, 8));
  EXPECT_LT(Images(units)["two of them"].size(), 64U * 63 / 2 + 120);
}

}  // namespace
}  // namespace holdfast::tests
