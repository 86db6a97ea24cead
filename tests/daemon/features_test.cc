// SPDX-License-Identifier: Apache-2.0
// What is agreed with kernels that offer more or less.
#include "daemon/features.h"

#include <fuse_lowlevel.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>

namespace holdfast::daemon {
namespace {

// libfuse keeps what is wanted in the session around the connection as well, so a connection of a
// test needs room around it.
class Kernel {
 public:
  explicit Kernel(uint64_t capabilities) {
    connection.proto_major = 7;
    connection.proto_minor = 31;
    connection.max_write = 64 << 20;
    connection.capable = static_cast<unsigned>(capabilities);
#ifdef HOLDFAST_HAVE_FUSE_FEATURE_FLAGS
    connection.capable_ext = capabilities;
#endif
  }

 private:
  [[maybe_unused]] std::array<std::byte, 8192> before_{};

 public:
  fuse_conn_info connection{};

 private:
  [[maybe_unused]] std::array<std::byte, 8192> after_{};
};

Features NegotiateWith(uint64_t capabilities, const Options& options = {}) {
  Kernel kernel(capabilities);
  return Negotiate(kernel.connection, options);
}

constexpr uint64_t kEverything = ~uint64_t{0} >> 1;

TEST(Features, AKernelThatOffersNothingGetsNothing) {
  Kernel kernel(0);
  const Features features = Negotiate(kernel.connection, {});
  EXPECT_FALSE(features.direct_io_mmap);
  EXPECT_FALSE(features.direct_io) << "without shared mmap of direct I/O the page cache serves";
  EXPECT_FALSE(features.writeback_cache);
  EXPECT_FALSE(features.posix_acl);
  EXPECT_EQ(kernel.connection.want, 0U);
  EXPECT_EQ(features.max_write, 1U << 20);
  EXPECT_EQ(features.protocol_minor, 31U);
}

TEST(Features, EveryOfferIsTakenThatIsOfUse) {
  Kernel kernel(kEverything);
  const Features features = Negotiate(kernel.connection, {});
  EXPECT_TRUE(features.posix_acl);
  EXPECT_TRUE(features.umask_by_us);
  EXPECT_TRUE(features.readdirplus);
  EXPECT_TRUE(features.atomic_truncate);
  EXPECT_TRUE(features.parallel_lookups);
  EXPECT_FALSE(features.writeback_cache) << "cache=none";
  EXPECT_EQ(kernel.connection.want & FUSE_CAP_SPLICE_READ, 0U);
  EXPECT_EQ(kernel.connection.want & FUSE_CAP_FLOCK_LOCKS, 0U) << "locks stay in the kernel";
}

TEST(Features, WritebackCacheExcludesDirectIo) {
  Options options;
  options.cache = CacheMode::kWriteback;
  const Features features = NegotiateWith(kEverything, options);
  EXPECT_TRUE(features.writeback_cache);
  EXPECT_FALSE(features.direct_io);
  EXPECT_FALSE(features.direct_io_mmap);
}

#ifdef HOLDFAST_HAVE_FUSE_NOFLUSH
TEST(Features, ClosingAsksNothingWhereTheKernelKnowsThat) {
  const auto noflush = [](unsigned minor, CacheMode cache) {
    Options options;
    options.cache = cache;
    Kernel kernel(FUSE_CAP_WRITEBACK_CACHE);
    kernel.connection.proto_minor = minor;
    return Negotiate(kernel.connection, options).noflush;
  };
  EXPECT_FALSE(noflush(34, CacheMode::kNone));
  EXPECT_TRUE(noflush(35, CacheMode::kNone));
  EXPECT_FALSE(noflush(38, CacheMode::kWriteback)) << "cached writes go out at close";
}
#endif

TEST(Features, SuidGoesOneWayOrTheOther) {
  EXPECT_TRUE(NegotiateWith(FUSE_CAP_HANDLE_KILLPRIV).kill_privileges_v1);
  const Features features = NegotiateWith(kEverything);
  EXPECT_NE(features.kill_privileges, features.kill_privileges_v1);
}

TEST(Features, EveryNamedFeatureIsAFeature) {
  Features features;
  for (const NamedFeature& named : NamedFeatures()) {
    EXPECT_FALSE(named.name.empty());
    features.*named.on = true;
    EXPECT_TRUE(features.*named.on);
  }
}

}  // namespace
}  // namespace holdfast::daemon
