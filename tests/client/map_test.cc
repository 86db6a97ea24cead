// SPDX-License-Identifier: Apache-2.0
// libholdfast on a real mount: mapping, recalls, mapping again at the same address.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "holdfast/holdfast.hpp"
#include "tests/client/mounted_region.h"

namespace holdfast {
namespace {

constexpr size_t kBlock = 4096;

class MapTest : public tests::MountedRegion {
 protected:
  // An open file of `blocks` blocks of the letter x.
  File NewFile(size_t blocks, const std::string& name = "file") {
    File file(path(name), O_RDWR | O_CREAT);
    const std::string bytes(blocks * kBlock, 'x');
    EXPECT_EQ(pwrite(file.fd(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return file;
  }
  std::string Bytes(const File& file, size_t at, size_t length) {
    std::string bytes(length, '\0');
    EXPECT_EQ(pread(file.fd(), bytes.data(), length, static_cast<off_t>(at)),
              static_cast<ssize_t>(length));
    return bytes;
  }
  int CodeOf(const auto& action) {
    try {
      action();
    } catch (const std::system_error& error) {
      EXPECT_STRNE(holdfast_message(), "");
      return error.code().value();
    }
    return 0;
  }
};

TEST_F(MapTest, TheMemoryIsTheFile) {
  File file = NewFile(4);
  Map map = file.MapRange(kBlock, 2 * kBlock, HOLDFAST_MAP_WRITE);
  ASSERT_EQ(map.size(), 2 * kBlock);
  const auto inside = map.Enter();
  auto* const bytes = static_cast<char*>(inside.data());
  EXPECT_EQ(bytes[100], 'x');
  std::memcpy(bytes + 100, "stored", 6);
  map.Sync(100, 6);
  EXPECT_EQ(Bytes(file, kBlock + 99, 8), "xstoredx");
  ASSERT_EQ(pwrite(file.fd(), "written", 7, kBlock + 200), 7);
  EXPECT_EQ(std::string(bytes + 200, 7), "written");
}

TEST_F(MapTest, AWriteMappingOfASparseCloneIsItsOwn) {
  File file = NewFile(2);
  ASSERT_EQ(ftruncate(file.fd(), 4 * kBlock), 0);
  ASSERT_TRUE(tests::Succeeds(bin("holdfast") + " reflink " + path("file") + " " + path("clone")));
  File clone(path("clone"));
  Map map = clone.MapRange(0, 4 * kBlock, HOLDFAST_MAP_WRITE);
  {
    const auto inside = map.Enter();
    std::memset(inside.data(), 'c', 4 * kBlock);
  }
  EXPECT_EQ(Bytes(clone, 0, 4 * kBlock), std::string(4 * kBlock, 'c'));
  EXPECT_EQ(Bytes(file, 0, 2 * kBlock), std::string(2 * kBlock, 'x'));
  EXPECT_EQ(Bytes(file, 2 * kBlock, 2 * kBlock), std::string(2 * kBlock, '\0'));
}

TEST_F(MapTest, AReadMappingShowsHolesAsZeroes) {
  File file = NewFile(1);
  ASSERT_EQ(ftruncate(file.fd(), 3 * kBlock), 0);
  if (alignment() > kBlock) {
    EXPECT_EQ(CodeOf([&] { file.MapRange(0, 3 * kBlock, 0); }), EOPNOTSUPP)
        << "where other blocks would show in the hole";
    return;
  }
  Map map = file.MapRange(0, 3 * kBlock, 0);
  const auto inside = map.Enter();
  const std::string seen(static_cast<const char*>(inside.data()), 3 * kBlock);
  EXPECT_EQ(seen, std::string(kBlock, 'x') + std::string(2 * kBlock, '\0'));
}

TEST_F(MapTest, ARecalledMappingComesBackAtTheSameAddress) {
  File file = NewFile(4);
  file.Start();
  Map map = file.MapRange(0, 4 * kBlock, HOLDFAST_MAP_WRITE | HOLDFAST_MAP_KEEP);
  void* const address = map.data();
  for (int round = 0; round < 20; ++round) {
    {
      const auto inside = map.Enter();
      EXPECT_EQ(inside.data(), address);
      static_cast<char*>(inside.data())[kBlock] = static_cast<char>('a' + round);
    }
    EXPECT_EQ(Bytes(file, kBlock, 1)[0], 'a' + round);
    ASSERT_EQ(fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 3 * kBlock), 0);
    const auto inside = map.Enter();
    EXPECT_EQ(inside.data(), address);
    EXPECT_EQ(static_cast<char*>(inside.data())[kBlock], '\0');
    EXPECT_EQ(static_cast<char*>(inside.data())[3 * kBlock], 'x');
  }
}

TEST_F(MapTest, L3_AChangeWaitsForWhoeverIsInside) {
  File file = NewFile(4);
  file.Start();
  Map map = file.MapRange(0, 4 * kBlock, HOLDFAST_MAP_WRITE | HOLDFAST_MAP_KEEP);
  std::atomic<bool> done{false};
  std::thread changer;
  {
    const auto inside = map.Enter();
    changer = std::thread([&] {
      EXPECT_EQ(fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kBlock), 0);
      done = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_FALSE(done);
    EXPECT_EQ(static_cast<char*>(inside.data())[0], 'x');
  }
  changer.join();
  EXPECT_EQ(Bytes(file, 0, 1), std::string(1, '\0'));
}

TEST_F(MapTest, WithoutKeepARecalledMappingIsGone) {
  File file = NewFile(4);
  Map map = file.MapRange(0, 4 * kBlock, HOLDFAST_MAP_WRITE);
  std::vector<uint32_t> seen;
  holdfast_on_event(
      file.get(),
      [](void* context, holdfast_map*, const holdfast_event* event) {
        static_cast<std::vector<uint32_t>*>(context)->push_back(event->type);
      },
      &seen);
  std::thread changer([&] { EXPECT_EQ(ftruncate(file.fd(), kBlock), 0); });
  while (seen.empty()) file.Dispatch(1000);
  changer.join();
  EXPECT_EQ(seen.front(), HOLDFAST_EVENT_RECALL);
  EXPECT_EQ(CodeOf([&] { map.Enter(); }), ESTALE);
  EXPECT_EQ(file.Dispatch(0), 0);
}

TEST_F(MapTest, AMappingOfWhatTheFileLostIsGone) {
  File file = NewFile(4);
  file.Start();
  Map map = file.MapRange(0, 4 * kBlock, HOLDFAST_MAP_KEEP);
  ASSERT_EQ(ftruncate(file.fd(), kBlock), 0);
  EXPECT_EQ(CodeOf([&] { map.Enter(); }), ESTALE);
}

TEST_F(MapTest, ManyThreadsInsideWhileTheFileChanges) {
  File file = NewFile(16);
  file.Start();
  Map map = file.MapRange(0, 16 * kBlock, HOLDFAST_MAP_WRITE | HOLDFAST_MAP_KEEP);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> entered{0};
  std::vector<std::thread> users;
  for (int i = 0; i < 4; ++i) {
    users.emplace_back([&, i] {
      while (!stop) {
        const auto inside = map.Enter();
        auto* const bytes = static_cast<volatile char*>(inside.data());
        for (size_t at = 0; at < 16; ++at) bytes[at * kBlock + i] = bytes[at * kBlock + i] + 1;
        ++entered;
      }
    });
  }
  for (int round = 0; round < 100; ++round) {
    const auto at = static_cast<off_t>(round % 15 * kBlock);
    const int mode =
        round % 2 == 0 ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_ZERO_RANGE;
    EXPECT_EQ(fallocate(file.fd(), mode, at, 2 * kBlock), 0);
  }
  stop = true;
  for (auto& user : users) user.join();
  EXPECT_GT(entered, 0u);
}

TEST_F(MapTest, L12_PinsKeepBlocksInPlace) {
  File file = NewFile(4);
  const uint64_t pin = file.Pin(0, 2 * kBlock);
  std::atomic<bool> done{false};
  std::thread changer([&] {
    EXPECT_EQ(ftruncate(file.fd(), 0), 0);
    done = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_FALSE(done);
  file.Unpin(pin);
  changer.join();
  EXPECT_EQ(CodeOf([&] { file.Unpin(pin); }), ENOENT);
  EXPECT_EQ(CodeOf([&] { file.Pin(0, kBlock); }), EINVAL);
  NewFile(4).Pin(0, kBlock);
  EXPECT_EQ(CodeOf([&] { NewFile(4).Pin(0, kBlock, HOLDFAST_PIN_LONG_TERM); }), EOPNOTSUPP);
}

TEST_F(MapTest, RefusesWhatCannotBe) {
  File file = NewFile(4);
  EXPECT_EQ(CodeOf([&] { file.MapRange(0, 0, 0); }), EINVAL);
  EXPECT_EQ(CodeOf([&] { file.MapRange(1, kBlock, 0); }), EINVAL);
  EXPECT_EQ(CodeOf([&] { file.MapRange(0, kBlock, 64); }), EINVAL);
  EXPECT_EQ(CodeOf([&] { file.MapRange(0, 5 * kBlock, 0); }), EINVAL);
  File reader(path("file"), O_RDONLY);
  EXPECT_EQ(CodeOf([&] { reader.MapRange(0, kBlock, HOLDFAST_MAP_WRITE); }), EBADF);
  EXPECT_EQ(CodeOf([&] { File{region()}; }), ENOTTY);
  EXPECT_EQ(CodeOf([&] { File{path("none")}; }), ENOENT);
  Map map = file.MapRange(0, kBlock, HOLDFAST_MAP_WRITE);
  EXPECT_EQ(CodeOf([&] { map.Sync(0, kBlock + 1); }), EINVAL);
}

TEST_F(MapTest, AForkedChildDoesNotInheritTheMapping) {
  File file = NewFile(1);
  Map map = file.MapRange(0, kBlock, HOLDFAST_MAP_WRITE);
  const pid_t child = fork();
  if (child == 0) _exit(msync(map.data(), kBlock, MS_ASYNC) == 0 ? 1 : 0);
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace holdfast
