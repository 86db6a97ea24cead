// SPDX-License-Identifier: Apache-2.0
// Keeps the log silent where a test provokes hundreds of errors on purpose.
#pragma once

#include <spdlog/spdlog.h>

namespace holdfast::tests {

/// The default logger says nothing while one of these lives.
class QuietLog {
 public:
  QuietLog() : level_(spdlog::get_level()) { spdlog::set_level(spdlog::level::off); }
  ~QuietLog() { spdlog::set_level(level_); }
  QuietLog(const QuietLog&) = delete;
  QuietLog& operator=(const QuietLog&) = delete;

 private:
  spdlog::level::level_enum level_;
};

}  // namespace holdfast::tests
