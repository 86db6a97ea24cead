// SPDX-License-Identifier: Apache-2.0
// flock with a name for the holder, and a wait that ends with the holder's exit.
#include "daxcore/owner_lock.h"

#include <dirent.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daxcore/process.h"

namespace holdfast::daxcore {
namespace {

using Clock = std::chrono::steady_clock;

// An owner may also let go of the lock without exiting; look again this often at the latest.
constexpr std::chrono::milliseconds kLongestNap{50};

struct DirCloser {
  void operator()(DIR* d) const { closedir(d); }
};
using Dir = std::unique_ptr<DIR, DirCloser>;

// As the kernel names files in lists of locks.
std::string IdOf(const struct stat& file) {
  return absl::StrFormat("%02x:%02x:%u", major(file.st_dev), minor(file.st_dev),
                         static_cast<uint64_t>(file.st_ino));
}

// Who took the lock that a line tells of, if it is one on that file. The line reads "1: FLOCK
// ADVISORY  WRITE 1234 00:1b:5678 0 EOF".
std::optional<pid_t> TakerIn(const std::string& line, const std::string& id) {
  std::istringstream fields(line);
  std::string number, type, mandatory, access, pid, inode;
  fields >> number >> type >> mandatory >> access >> pid >> inode;
  int taker = 0;
  if (type != "FLOCK" || inode != id || !absl::SimpleAtoi(pid, &taker) || taker <= 0) {
    return std::nullopt;
  }
  return taker;
}

std::optional<pid_t> LockTaker(const std::string& id) {
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    if (const auto taker = TakerIn(line, id)) return taker;
  }
  return std::nullopt;
}

// Asks nothing of the files themselves: some may be on mounts that do not answer.
bool HoldsLock(pid_t pid, const std::string& id) {
  constexpr std::string_view kKey = "lock:";
  const std::string folder = absl::StrCat("/proc/", pid, "/fdinfo/");
  const Dir fds(opendir(folder.c_str()));
  if (fds == nullptr) return false;
  while (const dirent* entry = readdir(fds.get())) {
    std::ifstream info(folder + entry->d_name);
    for (std::string line; std::getline(info, line);) {
      if (line.starts_with(kKey) && TakerIn(line.substr(kKey.size()), id)) return true;
    }
  }
  return false;
}

// /proc/locks names the process that took the lock; a daemon that forked afterwards is another.
std::optional<pid_t> AnyHolder(const std::string& id) {
  const Dir proc(opendir("/proc"));
  if (proc == nullptr) return std::nullopt;
  while (const dirent* entry = readdir(proc.get())) {
    int pid = 0;
    if (absl::SimpleAtoi(entry->d_name, &pid) && HoldsLock(pid, id)) return pid;
  }
  return std::nullopt;
}

// Sleeps until `pid` has exited or the time is over. Its descriptors are closed before its pidfd
// becomes readable, so the lock is free by then.
void AwaitExit(std::optional<pid_t> pid, std::chrono::milliseconds time) {
  const int fd = pid ? static_cast<int>(syscall(SYS_pidfd_open, *pid, 0)) : -1;
  pollfd exit_event{fd, POLLIN, 0};
  poll(&exit_event, 1, static_cast<int>(time.count()));
  if (fd >= 0) close(fd);
}

std::unexpected<Error> NameTheOwner(int fd, const std::string& path) {
  const auto owner = FindOwner(fd);
  if (!owner) {
    return Fail(EBUSY,
                absl::StrCat("region ", path, " is in use by another process; unmount it first"));
  }
  return Fail(EBUSY, absl::StrCat("region ", path, " is in use by pid ", owner->pid, " (",
                                  owner->command, "); unmount it or end that process first"));
}

}  // namespace

std::optional<ProcessName> FindOwner(int fd) {
  struct stat file;
  if (fstat(fd, &file) != 0) return std::nullopt;
  const std::string id = IdOf(file);
  auto pid = LockTaker(id);
  if (pid && access(absl::StrCat("/proc/", *pid).c_str(), F_OK) != 0) pid = AnyHolder(id);
  if (!pid) return std::nullopt;
  return ProcessName{*pid, CommandOf(*pid)};
}

Result<void> LockFile(int fd, const std::string& path, bool exclusive,
                      std::chrono::milliseconds wait) {
  const auto deadline = Clock::now() + wait;
  while (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK) {
      return Fail(errno, absl::StrCat("cannot lock ", path, ": ", Error{errno, {}, {}}.Text()));
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return NameTheOwner(fd, path);
    const auto owner = FindOwner(fd);
    const bool other = owner && owner->pid != getpid();
    AwaitExit(other ? std::optional(owner->pid) : std::nullopt, std::min(left, kLongestNap));
  }
  return {};
}

}  // namespace holdfast::daxcore
