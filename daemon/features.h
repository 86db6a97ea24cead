// SPDX-License-Identifier: Apache-2.0
// What was agreed with the kernel when the mount was made.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "daemon/options.h"

struct fuse_conn_info;

namespace holdfast::daemon {

/// The outcome of INIT, remembered: `holdfast info` shows it, and a daemon that takes the mount
/// over must keep to it.
struct Features {
  uint32_t protocol_major = 0;
  uint32_t protocol_minor = 0;
  uint32_t max_write = 0;       ///< bytes of one read or write request
  uint32_t max_background = 0;  ///< asynchronous requests in flight
  bool direct_io = true;        ///< FOPEN_DIRECT_IO on every file
  bool direct_io_mmap = false;  ///< shared mmap of such files
  bool writeback_cache = false;
  bool parallel_direct_writes = false;
  bool async_direct_io = false;
  bool noflush = false;             ///< close() asks nothing
  bool kill_privileges = false;     ///< the kernel says when suid and sgid must go
  bool kill_privileges_v1 = false;  ///< we decide it ourselves on each write and truncate
  bool posix_acl = false;
  bool umask_by_us = false;  ///< FUSE_DONT_MASK
  bool readdirplus = false;
  bool directory_cache = false;  ///< no OPENDIR, listings stay cached
  bool export_support = false;
  bool atomic_truncate = false;
  bool symlink_cache = false;
  bool parallel_lookups = false;
};

/// Chooses among what the kernel offers (INIT) and says so to libfuse.
Features Negotiate(fuse_conn_info& connection, const Options& options);

/// Name and state of each feature, in a fixed order.
struct NamedFeature {
  std::string_view name;
  bool Features::* on;
};
std::span<const NamedFeature> NamedFeatures();

}  // namespace holdfast::daemon
