// SPDX-License-Identifier: Apache-2.0
// mount(2), fusermount3 and umount.
#include "daemon/kernel_mount.h"

#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_replace.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::FailErrno;
using daxcore::Result;

constexpr char kType[] = "fuse.holdfast";
constexpr char kFuseDevice[] = "/dev/fuse";

bool IsRoot() { return geteuid() == 0; }

unsigned long AtimeFlag(fsmeta::AtimeMode mode) {
  switch (mode) {
    case fsmeta::AtimeMode::kNever:
      return MS_NOATIME;
    case fsmeta::AtimeMode::kStrict:
      return MS_STRICTATIME;
    case fsmeta::AtimeMode::kRelative:
      break;
  }
  return MS_RELATIME;
}

unsigned long MountFlags(const Options& options) {
  unsigned long flags = AtimeFlag(options.atime);
  if (options.read_only) flags |= MS_RDONLY;
  if (!options.kernel.dev) flags |= MS_NODEV;
  if (!options.kernel.suid) flags |= MS_NOSUID;
  if (!options.kernel.exec) flags |= MS_NOEXEC;
  if (options.kernel.sync) flags |= MS_SYNCHRONOUS;
  if (options.kernel.dirsync) flags |= MS_DIRSYNC;
  if (!options.kernel.diratime) flags |= MS_NODIRATIME;
  return flags;
}

// Options that the FUSE kernel module understands.
std::vector<std::string> PermissionOptions(const Options& options) {
  std::vector<std::string> words;
  if (options.default_permissions.value_or(true)) words.emplace_back("default_permissions");
  if (options.allow_other.value_or(IsRoot())) words.emplace_back("allow_other");
  return words;
}

Result<FileDescriptor> OpenFuseDevice() {
  FileDescriptor device(open(kFuseDevice, O_RDWR | O_CLOEXEC));
  if (device) return device;
  const int error = errno;
  auto failed = FailErrno(error, "cannot open", kFuseDevice);
  if (error == ENOENT || error == ENODEV || error == ENXIO) {
    failed.error().message +=
        ": is the fuse module loaded (modprobe fuse), or the device passed to this "
        "container?";
  }
  return failed;
}

Result<FileDescriptor> MountAsRoot(const MountPlace& place, const Options& options) {
  HOLDFAST_ASSIGN(FileDescriptor device, OpenFuseDevice());
  auto words = PermissionOptions(options);
  words.insert(words.begin(), fmt::format("fd={},rootmode=40000,user_id={},group_id={}",
                                          device.get(), getuid(), getgid()));
  if (mount(place.region.c_str(), place.mountpoint.c_str(), kType, MountFlags(options),
            fmt::format("{}", fmt::join(words, ",")).c_str()) != 0) {
    return FailErrno(errno, "cannot mount on", place.mountpoint);
  }
  return device;
}

// What fusermount3 is asked for, in libfuse's words.
std::string FusermountOptions(const MountPlace& place, const Options& options) {
  auto words = PermissionOptions(options);
  words.push_back("fsname=" + absl::StrReplaceAll(place.region, {{"\\", "\\\\"}, {",", "\\,"}}));
  words.emplace_back("subtype=holdfast");
  if (options.read_only) words.emplace_back("ro");
  if (!options.kernel.exec) words.emplace_back("noexec");
  if (options.kernel.sync) words.emplace_back("sync");
  if (options.atime == fsmeta::AtimeMode::kNever) words.emplace_back("noatime");
  return fmt::format("{}", fmt::join(words, ","));
}

// libfuse mounts through the setuid helper for a session of its own; only its channel is wanted.
Result<FileDescriptor> MountByHelper(const MountPlace& place, const Options& options) {
  std::string program = "holdfastd";
  std::string flag = "-o";
  std::string words = FusermountOptions(place, options);
  char* argv[] = {program.data(), flag.data(), words.data()};
  fuse_args args = FUSE_ARGS_INIT(3, argv);
  const fuse_lowlevel_ops none{};
  fuse_session* session = fuse_session_new(&args, &none, sizeof(none), nullptr);
  const absl::Cleanup free_args = [&args] { fuse_opt_free_args(&args); };
  if (session == nullptr) return Fail(EINVAL, "libfuse refuses options " + words);
  const absl::Cleanup destroy = [session] { fuse_session_destroy(session); };
  if (fuse_session_mount(session, place.mountpoint.c_str()) != 0) {
    return Fail(
        EPERM,
        fmt::format("cannot mount on {}: fusermount3 refused or is not installed (package fuse3)",
                    place.mountpoint));
  }
  return FileDescriptor(fcntl(fuse_session_fd(session), F_DUPFD_CLOEXEC, 0));
}

// Octal escapes of /proc/self/mountinfo.
std::string Unescaped(const std::string& text) {
  return absl::StrReplaceAll(text,
                             {{"\\040", " "}, {"\\011", "\t"}, {"\\012", "\n"}, {"\\134", "\\"}});
}

// major:minor of what is mounted at `path` (the last, if several are). Asks the kernel's tables,
// not the filesystem, which may not answer any more.
std::string DeviceMountedAt(const std::string& path) {
  std::string found;
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string id, parent, device, root, where;
    fields >> id >> parent >> device >> root >> where;
    if (Unescaped(where) == path) found = device;
  }
  return found;
}

bool RunFusermountUnmount(const std::string& mountpoint, std::string flags) {
  std::string program = "fusermount3", end = "--", where = mountpoint;
  char* argv[] = {program.data(), flags.data(), end.data(), where.data(), nullptr};
  pid_t pid = 0;
  int status = -1;
  if (posix_spawnp(&pid, program.c_str(), nullptr, nullptr, argv, environ) != 0) return false;
  return waitpid(pid, &status, 0) == pid && status == 0;
}

}  // namespace

KernelMount::KernelMount(MountPlace place, FileDescriptor channel)
    : place_(std::move(place)),
      channel_(std::move(channel)),
      device_(DeviceMountedAt(place_.mountpoint)) {}

Result<std::unique_ptr<KernelMount>> KernelMount::Make(const MountPlace& place,
                                                       const Options& options) {
  HOLDFAST_ASSIGN(FileDescriptor channel,
                  IsRoot() ? MountAsRoot(place, options) : MountByHelper(place, options));
  return std::unique_ptr<KernelMount>(new KernelMount(place, std::move(channel)));
}

Result<void> KernelMount::Change(const MountPlace& place, const Options& options) {
  if (mount(place.region.c_str(), place.mountpoint.c_str(), kType, MountFlags(options) | MS_REMOUNT,
            nullptr) != 0) {
    return FailErrno(errno, "cannot remount", place.mountpoint);
  }
  return {};
}

KernelMount::~KernelMount() { Cut(); }

bool KernelMount::IsThere() const {
  return !device_.empty() && DeviceMountedAt(place_.mountpoint) == device_;
}

bool KernelMount::TryUnmount() {
  if (!IsThere()) return true;
  if (!IsRoot()) return RunFusermountUnmount(place_.mountpoint, "-uq");
  return umount2(place_.mountpoint.c_str(), UMOUNT_NOFOLLOW) == 0;
}

void KernelMount::Cut() {
  if (!IsThere()) return;
  if (!IsRoot()) {
    RunFusermountUnmount(place_.mountpoint, "-uzq");
    return;
  }
  // Forcing ends the connection first, so that nobody waits for an answer that will not come. Where
  // nobody used the mount it is gone then, and what is there now is somebody else's.
  if (umount2(place_.mountpoint.c_str(), MNT_FORCE | UMOUNT_NOFOLLOW) == 0) return;
  umount2(place_.mountpoint.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace holdfast::daemon
