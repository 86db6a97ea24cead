// SPDX-License-Identifier: Apache-2.0
// Injected failures fail exactly where they should, by both means.
#include "daxcore/poison.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace holdfast::daxcore {
namespace {

constexpr size_t kPage = 4096, kPages = 8;

class PoisonTest : public testing::Test {
 protected:
  PoisonTest() {
    const int fd = memfd_create("poison-test", MFD_CLOEXEC);
    EXPECT_EQ(ftruncate(fd, kPage * kPages), 0);
    base_ = static_cast<std::byte*>(
        mmap(nullptr, kPage * kPages, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    close(fd);
    EXPECT_EQ(pipe(pipe_), 0);
  }
  ~PoisonTest() override {
    munmap(base_, kPage * kPages);
    close(pipe_[0]);
    close(pipe_[1]);
  }
  // Pages that the kernel cannot read for us.
  std::vector<size_t> Failing() {
    std::vector<size_t> failing;
    for (size_t page = 0; page < kPages; ++page) {
      char c;
      if (write(pipe_[1], base_ + page * kPage, 1) == 1) {
        EXPECT_EQ(read(pipe_[0], &c, 1), 1);
      } else if (errno == EFAULT) {
        failing.push_back(page);
      }
    }
    return failing;
  }

  std::byte* base_;
  int pipe_[2];
};

TEST_F(PoisonTest, ByAnEmptyFile) {
  ASSERT_TRUE(internal::PoisonByEmptyFile(base_ + 2 * kPage, 3 * kPage));
  EXPECT_EQ(Failing(), (std::vector<size_t>{2, 3, 4}));
}

TEST_F(PoisonTest, ByUserfault) {
  base_[3 * kPage] = std::byte{1};  // a page that is mapped already, beside ones that are not
  if (!internal::PoisonByUserfault(base_ + 2 * kPage, 3 * kPage)) {
    GTEST_SKIP() << "this kernel has no UFFDIO_POISON";
  }
  EXPECT_EQ(Failing(), (std::vector<size_t>{2, 3, 4}));
}

TEST_F(PoisonTest, FallsBackWhereUserfaultDoesNotReach) {
  // Private file mappings cannot be registered.
  char path[] = "/tmp/holdfast-poison-XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_EQ(unlink(path), 0);
  ASSERT_EQ(ftruncate(fd, kPage), 0);
  ASSERT_NE(mmap(base_, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), MAP_FAILED);
  close(fd);
  EXPECT_FALSE(internal::PoisonByUserfault(base_, kPage));
  ASSERT_TRUE(PoisonMemory(base_, kPage));
  EXPECT_EQ(Failing(), (std::vector<size_t>{0}));
}

}  // namespace
}  // namespace holdfast::daxcore
