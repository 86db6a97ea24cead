// SPDX-License-Identifier: Apache-2.0
// seeded_bugs: switches each seeded bug on and runs workloads until one catches it.
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/crash/enumerator.h"
#include "tests/crash/seeded/bug_names.h"
#include "tests/crash/suites.h"

namespace holdfast::tests {
namespace {

constexpr const char* kSuites[] = {"singles", "extras", "pairs"};
constexpr rlim_t kSeconds = 300;  // of the processor, for each
constexpr int kCaught = 10;

// Every workload of every suite until one fails, in a process of its own: a bug may also crash it.
[[noreturn]] void Hunt(Enumerator& enumerator, const NamedBug& bug) {
  const rlimit limit{kSeconds, kSeconds};
  setrlimit(RLIMIT_CPU, &limit);
  fsmeta::seeded_bug = bug.bug;
  for (const char* suite : kSuites) {
    ForEachWorkload(suite, [&](const Workload& workload) {
      enumerator.Run(workload);
      if (enumerator.figures().failures == 0) return;
      std::printf("caught:   %.*s\n            by %s, after %lu images\n",
                  static_cast<int>(bug.name.size()), bug.name.data(), workload.Name().c_str(),
                  enumerator.figures().images);
      std::fflush(stdout);
      _exit(kCaught);
    });
  }
  std::printf("MISSED:   %.*s, in %lu images\n", static_cast<int>(bug.name.size()), bug.name.data(),
              enumerator.figures().images);
  std::fflush(stdout);
  _exit(0);
}

bool IsCaught(Enumerator& enumerator, const NamedBug& bug) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) Hunt(enumerator, bug);
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return false;
  if (WIFSIGNALED(status)) {
    const bool late = WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL;
    std::printf("%s %.*s\n            by %s\n",
                late ? "MISSED:  " : "caught:  ", static_cast<int>(bug.name.size()),
                bug.name.data(), late ? "nothing in time" : strsignal(WTERMSIG(status)));
    return !late;
  }
  return WEXITSTATUS(status) == kCaught;
}

int Run(std::string_view only) {
  Enumerator enumerator({.stop_at_first = true});
  for (const char* suite : kSuites) {
    ForEachWorkload(suite, [&](const Workload& workload) { enumerator.Prepare(workload); });
  }
  int caught = 0, tried = 0;
  for (const NamedBug& bug : kSeededBugs) {
    if (bug.name.find(only) == std::string_view::npos) continue;
    ++tried;
    caught += IsCaught(enumerator, bug) ? 1 : 0;
  }
  std::printf("%d of %d seeded bugs caught\n", caught, tried);
  return tried > 0 && caught == tried ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::tests

int main(int argc, char** argv) {
  spdlog::set_level(spdlog::level::off);
  return holdfast::tests::Run(argc > 1 ? argv[1] : "");
}
