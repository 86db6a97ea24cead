// SPDX-License-Identifier: Apache-2.0
// The recorder: stores happen, and the log alone rebuilds them.
#include "tests/support/recorder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace holdfast::tests {
namespace {

using daxcore::kBlockSize;

std::vector<std::byte> Replay(const Recorder& recorder, uint64_t size) {
  std::vector<std::byte> image(size);
  for (const RecordedEvent& event : recorder.Events()) recorder.Apply(event, image);
  return image;
}

TEST(Recorder, LogRebuildsTheRegion) {
  Recorder recorder;
  auto region = recorder.MakeRegion(2 * kBlockSize);
  region->persist().CopyNt(region->Target(10), "abcdef", 6);
  region->persist().Store(region->Target(64), "12345678", 8);
  region->persist().ZeroNt(region->Target(12), 2);
  region->persist().PersistRange(region->At(64), 8);
  const auto image = Replay(recorder, region->size());
  EXPECT_EQ(std::memcmp(region->base(), image.data(), image.size()), 0);
  EXPECT_EQ(std::memcmp(image.data() + 10, "ab\0\0ef", 6), 0);
}

TEST(Recorder, SeesEveryVerbInOrderWithItsRange) {
  Recorder recorder;
  auto region = recorder.MakeRegion(kBlockSize);
  region->persist().Store(region->Target(1), "x", 1);
  region->persist().CopyNt(region->Target(2), "yz", 2);
  region->persist().ZeroNt(region->Target(3), 3);
  region->persist().Flush(region->At(4), 4);
  region->persist().Drain();
  recorder.Mark(99);
  const auto events = recorder.Events();
  ASSERT_EQ(events.size(), 6U);
  const PersistEvent kinds[] = {PersistEvent::kStore, PersistEvent::kCopyNt, PersistEvent::kZeroNt,
                                PersistEvent::kFlush, PersistEvent::kDrain,  PersistEvent::kMark};
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].kind, kinds[i]);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(events[i].offset, i + 1);
    EXPECT_EQ(events[i].length, i + 1);
  }
  EXPECT_EQ(events[5].tag, 99U);
  EXPECT_EQ(recorder.BytesOf(events[1])[1], std::byte{'z'});
}

TEST(Recorder, AppliesPartsOfAStore) {
  Recorder recorder;
  auto region = recorder.MakeRegion(kBlockSize);
  region->persist().CopyNt(region->Target(60), "abcdefgh", 8);
  std::vector<std::byte> image(kBlockSize);
  recorder.Apply(recorder.Events()[0], image, 64, 64);
  EXPECT_EQ(std::memcmp(image.data() + 60, "\0\0\0\0efgh", 8), 0);
  recorder.Apply(recorder.Events()[0], image, 0, 61);
  EXPECT_EQ(std::memcmp(image.data() + 60, "a\0\0\0efgh", 8), 0);
}

TEST(Recorder, PausedStoresHappenButAreNotLogged) {
  Recorder recorder;
  auto region = recorder.MakeRegion(kBlockSize);
  recorder.Pause();
  region->persist().Store(region->Target(0), "x", 1);
  recorder.Resume();
  EXPECT_EQ(*region->At(0), std::byte{'x'});
  EXPECT_TRUE(recorder.Events().empty());
  region->persist().Drain();
  EXPECT_EQ(recorder.Events().size(), 1U);
  recorder.Clear();
  EXPECT_TRUE(recorder.Events().empty());
}

TEST(Recorder, TellsThreadsApart) {
  Recorder recorder;
  auto region = recorder.MakeRegion(kBlockSize);
  region->persist().Drain();
  std::thread([&] { region->persist().Drain(); }).join();
  EXPECT_NE(recorder.Events()[0].thread, recorder.Events()[1].thread);
}

}  // namespace
}  // namespace holdfast::tests
