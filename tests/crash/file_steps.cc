// SPDX-License-Identifier: Apache-2.0
// Steps of workloads.
#include "tests/crash/file_steps.h"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

namespace holdfast::tests {

using fsmeta::Ino;
using fsmeta::Result;

Result<void> WriteFile(MountedFilesystem& fs, std::string_view path, uint64_t offset,
                       uint64_t length, uint32_t seed) {
  HOLDFAST_ASSIGN(const Ino ino, fs.Find(path));
  std::minstd_rand random(seed + 1);
  std::vector<std::byte> data(length);
  for (std::byte& b : data) b = static_cast<std::byte>(1 + random() % 255);
  // As the kernel does while a file is open: else it leaves core, and its times are written, before
  // the call returns.
  HOLDFAST_TRY(fs.fs().AddLookup(ino));
  const auto result = fs.fs().Write(fs.op(), ino, offset, data, false);
  fs.Returned();
  fs.fs().Forget(ino, 1);
  HOLDFAST_ASSIGN(const uint64_t written, result);
  return written == length ? Result<void>() : daxcore::Fail(ENOSPC);
}

Result<void> Fallocate(MountedFilesystem& fs, std::string_view path, int mode, uint64_t offset,
                       uint64_t length) {
  HOLDFAST_ASSIGN(const Ino ino, fs.Find(path));
  return fs.fs().Allocate(fs.op(), ino, mode, offset, length);
}

Result<void> Truncate(MountedFilesystem& fs, std::string_view path, uint64_t size) {
  HOLDFAST_ASSIGN(const Ino ino, fs.Find(path));
  HOLDFAST_TRY(fs.fs().SetAttributes(fs.op(), ino, {.size = size}));
  return {};
}

Result<void> Reflink(MountedFilesystem& fs, std::string_view from, uint64_t from_offset,
                     std::string_view to, uint64_t to_offset, uint64_t length) {
  HOLDFAST_ASSIGN(const Ino source, fs.Find(from));
  HOLDFAST_ASSIGN(const Ino target, fs.Find(to));
  return fs.fs().Reflink(fs.op(), source, from_offset, target, to_offset, length);
}

Result<void> Copy(MountedFilesystem& fs, std::string_view from, uint64_t from_offset,
                  std::string_view to, uint64_t to_offset, uint64_t length) {
  HOLDFAST_ASSIGN(const Ino source, fs.Find(from));
  HOLDFAST_ASSIGN(const Ino target, fs.Find(to));
  HOLDFAST_TRY(fs.fs().CopyRange(fs.op(), source, from_offset, target, to_offset, length));
  return {};
}

Result<void> SetXattr(MountedFilesystem& fs, std::string_view path, std::string_view name,
                      std::string_view value) {
  HOLDFAST_ASSIGN(const Ino ino, fs.Find(path));
  return fs.fs().SetXattr(fs.op(), ino, name, value, 0);
}

Result<void> RemoveXattr(MountedFilesystem& fs, std::string_view path, std::string_view name) {
  HOLDFAST_ASSIGN(const Ino ino, fs.Find(path));
  return fs.fs().RemoveXattr(fs.op(), ino, name);
}

Result<void> RemoveOpen(MountedFilesystem& fs, std::string_view path) {
  HOLDFAST_ASSIGN(const Ino ino, fs.Find(path));
  HOLDFAST_TRY(fs.fs().Open(ino));
  auto removed = fs.Unlink(path);
  fs.fs().Release(ino);
  return removed;
}

void Must(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "crash states: a preparation fails: %s\n", result.error().Text().c_str());
  std::abort();
}

}  // namespace holdfast::tests
