// SPDX-License-Identifier: Apache-2.0
// spdlog set-up.
#include "daemon/log.h"

#include <fcntl.h>
#include <fuse_log.h>
#include <syslog.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/file_descriptor.h"
#include "spdlog/sinks/basic_file_sink.h"
#include "spdlog/sinks/dist_sink.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/sinks/syslog_sink.h"
#include "spdlog/spdlog.h"

namespace holdfast::daemon {
namespace {

using daxcore::Result;

constexpr char kName[] = "holdfastd";

std::string_view Stripped(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text;
}

// libfuse's own messages, which are rare and mean trouble.
void LogFromLibfuse(fuse_log_level level, const char* format, va_list args) {
  char text[512];
  vsnprintf(text, sizeof(text), format, args);
  const std::string_view line = Stripped(text);
  if (level >= FUSE_LOG_DEBUG) {
    spdlog::debug("libfuse: {}", line);
  } else if (level >= FUSE_LOG_NOTICE) {
    spdlog::info("libfuse: {}", line);
  } else if (level == FUSE_LOG_WARNING) {
    spdlog::warn("libfuse: {}", line);
  } else {
    spdlog::error("libfuse: {}", line);
  }
}

Result<spdlog::sink_ptr> MakeSink(std::string_view target) {
  if (target == "stderr") return std::make_shared<spdlog::sinks::stderr_sink_mt>();
  if (target == "syslog") {
    return std::make_shared<spdlog::sinks::syslog_sink_mt>(kName, LOG_PID, LOG_DAEMON, true);
  }
  const std::string path(target);
  // spdlog throws where it cannot open a file: see first that it can.
  const FileDescriptor probe(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  if (!probe) return daxcore::FailErrno(errno, "cannot write log file", path);
  return std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
}

// One logger for good: other threads may be inside it while it is given another file.
struct Log {
  Log() { logger->flush_on(spdlog::level::trace); }
  std::shared_ptr<spdlog::sinks::dist_sink_mt> target =
      std::make_shared<spdlog::sinks::dist_sink_mt>();
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>(kName, target);
};
Log& TheLog() {
  static Log& log = *new Log;
  return log;
}

}  // namespace

Result<void> StartLog(const Options& options, bool foreground) {
  std::string target = options.log_file;
  if (target == "auto") target = foreground ? "stderr" : "syslog";
  HOLDFAST_ASSIGN(spdlog::sink_ptr sink, MakeSink(target));
  // syslog adds time and severity itself.
  if (target == "syslog") {
    sink->set_pattern("%v");
  } else {
    sink->set_pattern("%Y-%m-%d %H:%M:%S.%e holdfastd[%P] %l: %v");
  }
  Log& log = TheLog();
  log.logger->set_level(spdlog::level::from_str(options.log_level));
  log.target->set_sinks({std::move(sink)});
  if (spdlog::default_logger_raw() != log.logger.get()) spdlog::set_default_logger(log.logger);
  fuse_set_log_func(LogFromLibfuse);
  return {};
}

}  // namespace holdfast::daemon
