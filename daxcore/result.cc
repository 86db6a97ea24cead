// SPDX-License-Identifier: Apache-2.0
// Text of errors.
#include "daxcore/result.h"

#include <cstring>

namespace holdfast::daxcore {

std::string Error::Text() const {
  if (!message.empty()) return message;
  char buffer[128];
  return strerror_r(code, buffer, sizeof(buffer));
}

}  // namespace holdfast::daxcore
