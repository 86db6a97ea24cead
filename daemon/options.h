// SPDX-License-Identifier: Apache-2.0
// Everything a user can set on a mount.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "daxcore/layout_types.h"
#include "fsmeta/volume.h"

namespace holdfast::daemon {

enum class CacheMode : uint8_t {
  kNone,       ///< direct I/O; shared mmap where the kernel has FUSE_DIRECT_IO_ALLOW_MMAP
  kWriteback,  ///< page cache with write-back; leases and pins are refused
};

enum class TransportChoice : uint8_t { kAuto, kFuse, kIoUring };

/// What the kernel's mount(2) is told; the defaults are those of other local filesystems.
struct KernelMountFlags {
  bool dev = true;
  bool suid = true;
  bool exec = true;
  bool sync = false;
  bool dirsync = false;
  bool diratime = true;
};

/// The settings of one mount, as the option table reads them from the file and the command line.
struct Options {
  bool read_only = false;
  bool remount = false;
  fsmeta::DataMode data = fsmeta::DataMode::kInPlace;
  fsmeta::AtimeMode atime = fsmeta::AtimeMode::kRelative;
  daxcore::LayoutPolicy layout;

  CacheMode cache = CacheMode::kNone;
  TransportChoice transport = TransportChoice::kAuto;
  unsigned threads = 0;                    ///< of the /dev/fuse loop; 0 = by the number of CPUs
  unsigned queue_depth = 2;                ///< requests served at once per CPU over io_uring
  std::chrono::seconds owner_wait{3};      ///< for a previous daemon that is just leaving
  std::chrono::seconds sync_interval{30};  ///< between writes of lazy timestamps; 0 = never

  std::optional<bool> allow_other;  ///< unset: on for root
  std::optional<bool> default_permissions;
  KernelMountFlags kernel;

  std::string log_level = "info";
  std::string log_file = "auto";
  std::string metrics_file;  ///< empty: none
  std::chrono::seconds metrics_interval{15};
};

}  // namespace holdfast::daemon
