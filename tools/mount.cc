// SPDX-License-Identifier: Apache-2.0
// From mount(8)'s arguments to holdfastd's.
#include "tools/mount.h"

#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_join.h"

namespace holdfast::tools {
namespace {

constexpr char kName[] = "mount.holdfast";
constexpr char kDaemon[] = "holdfastd";

struct MountOptions {
  std::string region;
  std::string mountpoint;
  std::vector<std::string> option_lists;
  std::string namespace_path;
  std::string type;
  bool fake = false;
  bool verbose = false;
};

Arguments DaemonArguments(const MountOptions& options) {
  Arguments arguments = {options.region, options.mountpoint};
  for (const std::string& list : options.option_lists) {
    arguments.emplace_back("-o");
    arguments.push_back(list);
  }
  return arguments;
}

}  // namespace

std::string FindDaemon() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    for (const char* folder : {".", "../sbin", "../bin"}) {
      const auto candidate = (self.parent_path() / folder / kDaemon).lexically_normal();
      if (access(candidate.c_str(), X_OK) == 0) return candidate;
    }
  }
  return kDaemon;
}

void Exec(const std::string& program, const Arguments& arguments) {
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(program.c_str(), argv.data());
}

int MountMain(const Arguments& arguments, const Streams& streams, const ExecProgram& exec) {
  MountOptions options;
  CLI::App app("Mount a Holdfast filesystem; called by mount(8).", kName);
  app.footer("The options for -o are holdfastd's: see holdfastd --help.");
  app.add_option("REGION", options.region, "device or file made by mkfs.holdfast")->required();
  app.add_option("MOUNTPOINT", options.mountpoint, "directory to mount on")->required();
  app.add_option("-o", options.option_lists, "options, separated by commas")
      ->take_all()
      ->allow_extra_args(false);
  app.add_flag("-f", options.fake, "do everything but mount");
  app.add_flag("-v", options.verbose, "show the command that is run");
  bool ignored = false;
  app.add_flag("-n,-s", ignored, "accepted for mount(8)");
  app.add_option("-t", options.type, "accepted for mount(8)");
  app.add_option("-N", options.namespace_path, "not supported");
  if (const auto stop = Parse(app, arguments, streams)) return *stop;
  if (!options.namespace_path.empty()) {
    streams.err << kName << ": cannot mount in namespace " << options.namespace_path
                << ": not supported; enter it with nsenter(1) first\n";
    return kExitUsage;
  }
  const std::string daemon = FindDaemon();
  const Arguments words = DaemonArguments(options);
  if (options.verbose) streams.err << daemon << ' ' << absl::StrJoin(words, " ") << '\n';
  if (options.fake) return kExitOk;
  exec(daemon, words);
  return Complain(streams, kName, daxcore::FailErrno(errno, "cannot run", daemon).error());
}

}  // namespace holdfast::tools
