// SPDX-License-Identifier: Apache-2.0
// Which region a mounted file belongs to, and how it can be mapped.
#pragma once

#include <cstdint>
#include <string>

namespace holdfast::client {

/// Source (region path) of the Holdfast mount that holds the open file `fd`; empty if there is
/// none.
std::string RegionOfMount(int fd);

/// In what units the region can be mapped, bytes: the alignment of a devdax device, else 4096.
uint64_t MappingUnit(int region_fd);

}  // namespace holdfast::client
