// SPDX-License-Identifier: Apache-2.0
// Negotiation of FUSE features, with every libfuse since 3.14.
#include "daemon/features.h"

#include <fuse_lowlevel.h>

namespace holdfast::daemon {
namespace {

// The protocol's minor version since which an open file can be closed without a FLUSH.
[[maybe_unused]] constexpr uint32_t kNoFlushMinor = 35;
constexpr uint32_t kMaxTransfer = 1U << 20;
// Asynchronous requests that the kernel hands out before it makes more wait. Parked ones count
// (foreground ones never do), so it is well above what can usefully run at once.
constexpr uint32_t kMaxBackground = 1024;

bool Offered(const fuse_conn_info& connection, uint64_t feature) {
#ifdef HOLDFAST_HAVE_FUSE_FEATURE_FLAGS
  return (connection.capable_ext & feature) != 0;
#else
  return (connection.capable & feature) != 0;
#endif
}

bool Want(fuse_conn_info& connection, uint64_t feature, bool wanted = true) {
  const bool on = wanted && Offered(connection, feature);
#ifdef HOLDFAST_HAVE_FUSE_FEATURE_FLAGS
  if (on) {
    fuse_set_feature_flag(&connection, feature);
  } else {
    fuse_unset_feature_flag(&connection, feature);
  }
#else
  const auto bit = static_cast<unsigned>(feature);
  connection.want = on ? connection.want | bit : connection.want & ~bit;
#endif
  return on;
}

void NegotiateCaching(fuse_conn_info& connection, const Options& options, Features& features) {
  features.writeback_cache =
      Want(connection, FUSE_CAP_WRITEBACK_CACHE, options.cache == CacheMode::kWriteback);
#ifdef HOLDFAST_HAVE_FUSE_DIRECT_IO_ALLOW_MMAP
  features.direct_io_mmap =
      Want(connection, FUSE_CAP_DIRECT_IO_ALLOW_MMAP, options.cache == CacheMode::kNone);
#endif
  // Where a file with direct I/O cannot be mapped shared, the page cache has to serve.
  features.direct_io = options.cache == CacheMode::kNone && features.direct_io_mmap;
  features.async_direct_io = Want(connection, FUSE_CAP_ASYNC_DIO);
  // One writer, and it is this kernel: nothing it caches changes behind its back.
  Want(connection, FUSE_CAP_AUTO_INVAL_DATA, false);
  Want(connection, FUSE_CAP_EXPLICIT_INVAL_DATA);
  features.symlink_cache = Want(connection, FUSE_CAP_CACHE_SYMLINKS);
  features.directory_cache = Want(connection, FUSE_CAP_NO_OPENDIR_SUPPORT);
#ifdef HOLDFAST_HAVE_FUSE_PARALLEL_DIRECT_WRITES
  features.parallel_direct_writes = features.direct_io;
#endif
#ifdef HOLDFAST_HAVE_FUSE_NOFLUSH
  // Not negotiated: kernels before it ignore it, as does one that caches writes, and take the
  // file's lock when it is closed.
  features.noflush = connection.proto_minor >= kNoFlushMinor && !features.writeback_cache;
#endif
}

void NegotiatePermissions(fuse_conn_info& connection, Features& features) {
  features.posix_acl = Want(connection, FUSE_CAP_POSIX_ACL);
  features.umask_by_us = Want(connection, FUSE_CAP_DONT_MASK);
#ifdef HOLDFAST_HAVE_FUSE_KILL_SUIDGID
  features.kill_privileges = Want(connection, FUSE_CAP_HANDLE_KILLPRIV_V2);
#endif
  features.kill_privileges_v1 =
      Want(connection, FUSE_CAP_HANDLE_KILLPRIV, !features.kill_privileges);
}

}  // namespace

Features Negotiate(fuse_conn_info& connection, const Options& options) {
  Features features;
  NegotiateCaching(connection, options, features);
  NegotiatePermissions(connection, features);
  // Replies go from the region and requests into it by plain copies: splicing pages costs more.
  for (uint64_t splice : {FUSE_CAP_SPLICE_READ, FUSE_CAP_SPLICE_WRITE, FUSE_CAP_SPLICE_MOVE}) {
    Want(connection, splice, false);
  }
  features.readdirplus = Want(connection, FUSE_CAP_READDIRPLUS);
  Want(connection, FUSE_CAP_READDIRPLUS_AUTO);
  features.export_support = Want(connection, FUSE_CAP_EXPORT_SUPPORT);
  features.atomic_truncate = Want(connection, FUSE_CAP_ATOMIC_O_TRUNC);
  features.parallel_lookups = Want(connection, FUSE_CAP_PARALLEL_DIROPS);
  Want(connection, FUSE_CAP_ASYNC_READ);
  Want(connection, FUSE_CAP_IOCTL_DIR);
  // Advisory locks stay in the kernel, which is the only client: no POSIX_LOCKS, no FLOCK_LOCKS.

  connection.max_write = std::min(connection.max_write, kMaxTransfer);
  connection.max_background = kMaxBackground;
  connection.congestion_threshold = kMaxBackground / 4 * 3;
  connection.time_gran = 1;
  features.max_write = connection.max_write;
  features.max_background = connection.max_background;
  features.protocol_major = connection.proto_major;
  features.protocol_minor = connection.proto_minor;
  return features;
}

std::span<const NamedFeature> NamedFeatures() {
  static constexpr NamedFeature kNamed[] = {
      {"direct_io", &Features::direct_io},
      {"direct_io_mmap", &Features::direct_io_mmap},
      {"writeback_cache", &Features::writeback_cache},
      {"parallel_direct_writes", &Features::parallel_direct_writes},
      {"async_direct_io", &Features::async_direct_io},
      {"noflush", &Features::noflush},
      {"kill_privileges", &Features::kill_privileges},
      {"posix_acl", &Features::posix_acl},
      {"readdirplus", &Features::readdirplus},
      {"directory_cache", &Features::directory_cache},
      {"symlink_cache", &Features::symlink_cache},
      {"export_support", &Features::export_support},
      {"atomic_truncate", &Features::atomic_truncate},
      {"parallel_lookups", &Features::parallel_lookups},
  };
  return kNamed;
}

}  // namespace holdfast::daemon
