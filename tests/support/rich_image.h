// SPDX-License-Identifier: Apache-2.0
// A filesystem with one of everything in it, as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace holdfast::tests {

/// Files in every form that the medium knows: extents in slots and in trees, shared, unwritten and
/// orphaned ones, directories with and without an index, short and long links, a device, attributes
/// in blocks and chains. As after a power failure: no journal record is live, one orphan waits.
/// `entries` is how many files the directory with an index has, 70 or more.
std::vector<std::byte> MakeRichImage(uint64_t bytes = uint64_t{8} << 20, int entries = 180);

}  // namespace holdfast::tests
