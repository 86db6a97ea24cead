// SPDX-License-Identifier: Apache-2.0
// What workloads do to files by path, in one call each.
#pragma once

#include <cstdint>
#include <string_view>

#include "tests/support/mounted_filesystem.h"

namespace holdfast::tests {

/// Writes `length` bytes that nothing else in the workloads writes: they follow from `seed`.
fsmeta::Result<void> WriteFile(MountedFilesystem& fs, std::string_view path, uint64_t offset,
                               uint64_t length, uint32_t seed);
/// `mode` as fallocate(2).
fsmeta::Result<void> Fallocate(MountedFilesystem& fs, std::string_view path, int mode,
                               uint64_t offset, uint64_t length);
fsmeta::Result<void> Truncate(MountedFilesystem& fs, std::string_view path, uint64_t size);
fsmeta::Result<void> Reflink(MountedFilesystem& fs, std::string_view from, uint64_t from_offset,
                             std::string_view to, uint64_t to_offset, uint64_t length);
fsmeta::Result<void> Copy(MountedFilesystem& fs, std::string_view from, uint64_t from_offset,
                          std::string_view to, uint64_t to_offset, uint64_t length);
fsmeta::Result<void> SetXattr(MountedFilesystem& fs, std::string_view path, std::string_view name,
                              std::string_view value);
fsmeta::Result<void> RemoveXattr(MountedFilesystem& fs, std::string_view path,
                                 std::string_view name);
/// Removes the name while the file is open, then closes it.
fsmeta::Result<void> RemoveOpen(MountedFilesystem& fs, std::string_view path);

/// For preparations: aborts the program if the step failed.
void Must(const fsmeta::Result<void>& result);

}  // namespace holdfast::tests
