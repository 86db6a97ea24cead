// SPDX-License-Identifier: Apache-2.0
// Per-thread error line.
#include "client/message.h"

#include <cstring>

#include "holdfast/holdfast.h"

namespace holdfast::client {
namespace {

std::string& LastMessage() {
  thread_local std::string message = "no error";
  return message;
}

}  // namespace

int FailWith(int code, std::string what) {
  char text[128];
  LastMessage() = std::move(what) + ": " + strerror_r(code, text, sizeof(text));
  return -code;
}

}  // namespace holdfast::client

const char* holdfast_message(void) { return holdfast::client::LastMessage().c_str(); }
