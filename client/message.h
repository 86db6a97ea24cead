// SPDX-License-Identifier: Apache-2.0
// The per-thread line that says what a failed call of libholdfast failed on.
#pragma once

#include <string>

namespace holdfast::client {

/// Remembers `what` (with the errno's text) for holdfast_message() and returns -code.
int FailWith(int code, std::string what);

}  // namespace holdfast::client
