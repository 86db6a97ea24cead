// SPDX-License-Identifier: Apache-2.0
// crash_states: enumerates what a power failure can leave of whole suites of workloads.
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>

#include "tests/crash/enumerator.h"
#include "tests/crash/suites.h"

namespace holdfast::tests {
namespace {

struct Arguments {
  std::string suite = "singles";
  uint64_t shard = 0;
  uint64_t shards = 1;
  std::string only;
  bool list = false;
  bool each = false;
  EnumeratorOptions options;
};

void Print(const char* what, const CrashFigures& f, double seconds) {
  std::printf(
      "%s: %lu workloads, %lu cuts, %lu images (%lu different, %lu after recovery), %lu "
      "failures, %.1f s, %.0f images/s\n",
      what, f.workloads, f.cuts, f.images, f.unique, f.recovered, f.failures, seconds,
      static_cast<double>(f.images) / std::max(seconds, 1e-9));
}

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int Run(const Arguments& arguments) {
  Enumerator enumerator(arguments.options);
  const auto start = std::chrono::steady_clock::now();
  uint64_t number = 0;
  ForEachWorkload(arguments.suite, [&](const Workload& workload) {
    if (number++ % arguments.shards != arguments.shard) return;
    if (workload.Name().find(arguments.only) == std::string::npos) return;
    if (arguments.list) {
      std::puts(workload.Name().c_str());
      return;
    }
    const CrashFigures before = enumerator.figures();
    const auto began = std::chrono::steady_clock::now();
    enumerator.Run(workload);
    if (!arguments.each) return;
    CrashFigures own = enumerator.figures();
    own.cuts -= before.cuts;
    own.images -= before.images;
    own.unique -= before.unique;
    own.recovered -= before.recovered;
    own.failures -= before.failures;
    own.workloads = 1;
    Print(workload.Name().c_str(), own, SecondsSince(began));
  });
  if (arguments.list) return 0;
  Print("crash states", enumerator.figures(), SecondsSince(start));
  if (enumerator.figures().workloads == 0) {
    std::fprintf(stderr, "crash states: no workload of suite %s matches\n",
                 arguments.suite.c_str());
    return 2;
  }
  return enumerator.figures().failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::tests

int main(int argc, char** argv) {
  holdfast::tests::Arguments arguments;
  CLI::App app("Cuts the power at every drain of every operation and checks what is left.");
  app.add_option("--suite", arguments.suite, "singles, pairs, extras or triples")
      ->check(CLI::IsMember({"singles", "pairs", "extras", "triples"}));
  app.add_option("--shard", arguments.shard, "run only each Nth workload, from this one on");
  app.add_option("--shards", arguments.shards, "N")->check(CLI::PositiveNumber);
  app.add_option("--only", arguments.only, "only workloads whose name contains this");
  app.add_option("--save", arguments.options.save_folder, "folder for images that fail");
  app.add_flag("--list", arguments.list, "name the workloads, run none");
  app.add_flag("--each", arguments.each, "figures of each workload");
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::off);
  return holdfast::tests::Run(arguments);
}
