// SPDX-License-Identifier: Apache-2.0
// Access control lists written as text, for tests.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::tests {

/// The attribute value of a list such as "u::rw- u:1000:r-- g::r-x m::rwx o::---". It need not be a
/// sound list.
std::string AclValue(std::string_view text);

}  // namespace holdfast::tests
