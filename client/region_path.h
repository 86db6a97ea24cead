// SPDX-License-Identifier: Apache-2.0
// Which region a mounted file belongs to.
#pragma once

#include <string>

namespace holdfast::client {

/// Source (region path) of the Holdfast mount that holds the open file `fd`; empty if there is
/// none.
std::string RegionOfMount(int fd);

}  // namespace holdfast::client
