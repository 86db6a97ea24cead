// SPDX-License-Identifier: Apache-2.0
// Writing back CPU caches of directly mapped memory, with the best instruction the CPU has.
#pragma once

#include <cstddef>

namespace holdfast::client {

/// Starts and completes the write-back of the cache lines that overlap [at, at + length). Returns
/// false where the architecture offers no such instruction to user space: the caller uses msync.
bool FlushCaches(const void* at, size_t length);

}  // namespace holdfast::client
