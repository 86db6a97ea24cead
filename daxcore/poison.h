// SPDX-License-Identifier: Apache-2.0
// Memory made to fail on purpose, by this process for itself.
#pragma once

#include <cstddef>

#include "daxcore/result.h"

namespace holdfast::daxcore {

/// Every touch of these pages is a real SIGBUS at the exact address from now on, and EFAULT for the
/// kernel on our behalf, until something else is mapped there. `start` and `length` are
/// page-aligned and map a file. UFFDIO_POISON where the kernel has it for this memory, else a
/// mapping that lies beyond the end of an empty file.
Result<void> PoisonMemory(std::byte* start, size_t length);

namespace internal {
bool PoisonByUserfault(std::byte* start, size_t length);
Result<void> PoisonByEmptyFile(std::byte* start, size_t length);
}  // namespace internal

}  // namespace holdfast::daxcore
