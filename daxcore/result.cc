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

std::unexpected<Error> FailErrno(int code, std::string_view what, std::string_view subject) {
  std::string message(what);
  message.append(" ").append(subject).append(": ").append(Error{code, {}, {}}.Text());
  return Fail(code, std::move(message));
}

}  // namespace holdfast::daxcore
