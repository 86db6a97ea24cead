// SPDX-License-Identifier: Apache-2.0
// What is agreed with kernels that offer more or less.
#include "daemon/features.h"

#include <fuse_lowlevel.h>
#include <gtest/gtest.h>

namespace holdfast::daemon {
namespace {

fuse_conn_info Offering(uint64_t capabilities) {
  fuse_conn_info connection{};
  connection.proto_major = 7;
  connection.proto_minor = 31;
  connection.max_write = 64 << 20;
  connection.capable = static_cast<unsigned>(capabilities);
#ifdef HOLDFAST_HAVE_FUSE_FEATURE_FLAGS
  connection.capable_ext = capabilities;
#endif
  return connection;
}

TEST(Features, AKernelThatOffersNothingGetsNothing) {
  fuse_conn_info connection = Offering(0);
  const Features features = Negotiate(connection, {});
  EXPECT_FALSE(features.direct_io_mmap);
  EXPECT_FALSE(features.direct_io) << "without shared mmap of direct I/O the page cache serves";
  EXPECT_FALSE(features.writeback_cache);
  EXPECT_FALSE(features.posix_acl);
  EXPECT_EQ(connection.want, 0U);
  EXPECT_EQ(features.max_write, 1U << 20);
  EXPECT_EQ(features.protocol_minor, 31U);
}

TEST(Features, EveryOfferIsTakenThatIsOfUse) {
  fuse_conn_info connection = Offering(~uint64_t{0} >> 1);
  const Features features = Negotiate(connection, {});
  EXPECT_TRUE(features.posix_acl);
  EXPECT_TRUE(features.umask_by_us);
  EXPECT_TRUE(features.readdirplus);
  EXPECT_TRUE(features.atomic_truncate);
  EXPECT_TRUE(features.parallel_lookups);
  EXPECT_FALSE(features.writeback_cache) << "cache=none";
  EXPECT_EQ(connection.want & FUSE_CAP_SPLICE_READ, 0U);
  EXPECT_EQ(connection.want & FUSE_CAP_FLOCK_LOCKS, 0U) << "locks stay in the kernel";
}

TEST(Features, WritebackCacheExcludesDirectIo) {
  Options options;
  options.cache = CacheMode::kWriteback;
  fuse_conn_info connection = Offering(~uint64_t{0} >> 1);
  const Features features = Negotiate(connection, options);
  EXPECT_TRUE(features.writeback_cache);
  EXPECT_FALSE(features.direct_io);
  EXPECT_FALSE(features.direct_io_mmap);
}

TEST(Features, SuidGoesOneWayOrTheOther) {
  fuse_conn_info connection = Offering(FUSE_CAP_HANDLE_KILLPRIV);
  EXPECT_TRUE(Negotiate(connection, {}).kill_privileges_v1);
  connection = Offering(~uint64_t{0} >> 1);
  const Features features = Negotiate(connection, {});
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
