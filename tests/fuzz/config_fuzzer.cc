// SPDX-License-Identifier: Apache-2.0
// Any bytes as a configuration file, and as the options of a command line. What is accepted is in
// range, what is not is explained in one line.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/config_file.h"
#include "daemon/option_table.h"

using namespace holdfast::daemon;  // NOLINT

namespace {

[[noreturn]] void Wrong(const char* what, const std::string& why) {
  std::fprintf(stderr, "wrong: %s: %s\n", what, why.c_str());
  std::abort();
}

// What the rest of the daemon relies on, whoever set it.
void MustBeSane(const Options& options) {
  using namespace std::chrono_literals;
  const auto must = [](bool holds, const char* what) {
    if (!holds) Wrong("out of range", what);
  };
  const auto& layout = options.layout;
  must(layout.busy_timeout >= 0s && layout.busy_timeout <= 366 * 24h, "busy_timeout");
  must(layout.break_time >= 1s && layout.break_time <= 366 * 24h, "break_time");
  must(options.threads <= 256, "threads");
  must(options.queue_depth >= 1 && options.queue_depth <= 16, "queue_depth");
  must(options.owner_wait >= 0s && options.owner_wait <= 24h, "owner_wait");
  must(options.sync_interval >= 0s && options.sync_interval <= 24h, "sync_interval");
  must(options.metrics_interval >= 1s && options.metrics_interval <= 24h, "metrics_interval");
  must(options.log_file.starts_with('/') || options.log_file == "auto" ||
           options.log_file == "stderr" || options.log_file == "syslog",
       "log_file");
  must(options.metrics_file.empty() || options.metrics_file.starts_with('/'), "metrics_file");
  must(!options.log_file.contains('\0') && !options.metrics_file.contains('\0'), "a NUL");
}

void MustExplain(const holdfast::daxcore::Error& error) {
  const std::string& line = error.message;
  if (line.empty()) Wrong("no explanation", "");
  if (std::ranges::any_of(line, [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
    Wrong("more than one line, or control characters", line);
  }
}

void Check(const Options& options, const Result<void>& read) {
  MustBeSane(options);
  if (!read) MustExplain(read.error());
}

Result<void> ReadFile(Options& options, std::string_view text) {
  static const int file = memfd_create("config", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (ftruncate(file, 0) != 0 ||
      pwrite(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
    Wrong("cannot write", path);
  }
  return ReadConfigFile(path, options);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Options from_file;
  Check(from_file, ReadFile(from_file, text));
  Options from_list;
  Check(from_list, SetOptionList(from_list, text));
  return 0;
}
