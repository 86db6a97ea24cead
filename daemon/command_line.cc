// SPDX-License-Identifier: Apache-2.0
// Parsing by CLI11; options from the file first, then from -o.
#include "daemon/command_line.h"

#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "daemon/config_file.h"
#include "daemon/option_table.h"
#include "fmt/format.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::FailErrno;

constexpr char kSystemConfig[] = "/etc/holdfast/holdfast.toml";

struct RawArguments {
  std::string region;
  std::string mountpoint;
  std::vector<std::string> option_lists;
  std::string config;
  bool foreground = false;
};

std::string KeysHelp() {
  std::string text = "Options for -o and keys of the configuration file, with their defaults:\n";
  for (const OptionKey& key : OptionKeys()) {
    text += fmt::format("  {} = {}  ({})\n", key.name, key.fallback, key.help);
  }
  return text + "Also the words of mount(8): rw, noatime, nodev, nosuid, noexec, ...";
}

Result<Options> CollectOptions(const RawArguments& raw) {
  Options options;
  if (!raw.config.empty()) {
    HOLDFAST_TRY(ReadConfigFile(raw.config, options));
  } else if (access(kSystemConfig, F_OK) == 0) {
    HOLDFAST_TRY(ReadConfigFile(kSystemConfig, options));
  }
  for (const std::string& list : raw.option_lists) HOLDFAST_TRY(SetOptionList(options, list));
  return options;
}

Result<std::string> RealPath(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  if (real == nullptr) return FailErrno(errno, "cannot use", path);
  std::string result(real);
  free(real);
  return result;
}

Result<std::string> ResolveMountpoint(const std::string& path) {
  HOLDFAST_ASSIGN(std::string real, RealPath(path));
  struct stat status{};
  if (stat(real.c_str(), &status) != 0) return FailErrno(errno, "cannot use", path);
  if (!S_ISDIR(status.st_mode)) {
    return Fail(ENOTDIR, fmt::format("cannot mount on {}: not a directory", path));
  }
  return real;
}

ParsedCommandLine Stop(int status, const std::string& message) {
  fprintf(stderr, "holdfastd: %s\n", message.c_str());
  return {std::nullopt, status};
}

}  // namespace

ParsedCommandLine ParseCommandLine(int argc, const char* const* argv) {
  RawArguments raw;
  CLI::App app("Serves a Holdfast region as a mounted filesystem.", "holdfastd");
  app.set_version_flag("--version,-V", "holdfastd " HOLDFAST_VERSION);
  app.add_option("REGION", raw.region, "device or file made by mkfs.holdfast")->required();
  app.add_option("MOUNTPOINT", raw.mountpoint, "directory to mount on")->required();
  app.add_option("-o", raw.option_lists, "options, separated by commas")
      ->take_all()
      ->allow_extra_args(false);
  app.add_option("--config", raw.config,
                 fmt::format("configuration file, instead of {}", kSystemConfig));
  app.add_flag("--foreground,-f", raw.foreground, "stay in the foreground, log to stderr");
  app.footer(KeysHelp());
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return {std::nullopt, app.exit(error)};
    return Stop(kExitUsage, std::string(error.what()) + " (--help tells more)");
  }
  auto options = CollectOptions(raw);
  if (!options) {
    const int status = options.error().code == EINVAL ? kExitUsage : kExitFailure;
    return Stop(status, options.error().Text());
  }
  auto region = RealPath(raw.region);
  if (!region) return Stop(kExitFailure, region.error().Text());
  auto mountpoint = ResolveMountpoint(raw.mountpoint);
  if (!mountpoint) return Stop(kExitFailure, mountpoint.error().Text());
  return {CommandLine{*region, *mountpoint, raw.foreground, *std::move(options)}, 0};
}

}  // namespace holdfast::daemon
