// SPDX-License-Identifier: Apache-2.0
// The errno of a result, for tests that compare it.
#pragma once

#include "daxcore/result.h"

namespace holdfast::tests {

/// 0 for success.
template <typename T>
int ErrorOf(const daxcore::Result<T>& result) {
  return result ? 0 : result.error().code;
}

}  // namespace holdfast::tests
