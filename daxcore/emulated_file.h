// SPDX-License-Identifier: Apache-2.0
// Plain files that emulate persistent memory: made whole, so that no store can meet a hole.
#pragma once

#include <cstdint>
#include <string>

#include "daxcore/result.h"

namespace holdfast::daxcore {

/// Creates `path` with `size` zeroed, allocated bytes, readable and writable by its owner only. An
/// existing plain file is replaced in place when `force` is set, else EEXIST; an existing region
/// that is in use is EBUSY. On ENOSPC a new file is removed again; an old one keeps its bytes where
/// the lack of space could be foreseen.
Result<void> CreateEmulatedFile(const std::string& path, uint64_t size, bool force);

/// Allocates what is missing of an existing file (it was copied with holes): a store to a hole of a
/// full filesystem would be a SIGBUS. ENOSPC names `path`.
Result<void> FillHoles(int fd, const std::string& path, uint64_t size);

}  // namespace holdfast::daxcore
