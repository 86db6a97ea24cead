// SPDX-License-Identifier: Apache-2.0
// holdfast busy: who holds blocks of a mount, and what waits for them.
#include <memory>
#include <string>

#include "tools/holdfast.h"
#include "tools/json_text.h"
#include "tools/mount_query.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Result;

struct BusyOptions {
  std::string path;
  bool json = false;
};

std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "?";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

// "inode 16 from 0 to 65536 since 2026-11-21T09:08:04.061Z"
std::string Place(const Json& item) {
  const uint64_t end = item.value("file_offset", uint64_t{0}) + item.value("length", uint64_t{0});
  const std::string to = end >= uint64_t{1} << 60 ? "the end" : std::to_string(end);
  return "inode " + Text(item, "inode") + " from " + Text(item, "file_offset") + " to " + to +
         " since " + Text(item, "since");
}

std::string Process(const Json& item) {
  return Text(item, "pid") + " (" + Text(item, "command") + ")";
}

void PrintHolder(std::ostream& out, const Json& holder) {
  out << Process(holder) << " holds " << Text(holder, "kind") << ' ' << Text(holder, "id") << " on "
      << Place(holder);
  if (holder.contains("state")) {
    out << ", " << Text(holder, "state") << ", "
        << SizeText(holder.value("mapped_bytes", uint64_t{0})) << " mapped";
  }
  out << '\n';
}

void PrintBusy(std::ostream& out, const Json& busy) {
  for (const Json& holder : busy.value("holders", Json::array())) PrintHolder(out, holder);
  for (const Json& waiter : busy.value("waiters", Json::array())) {
    out << Process(waiter) << " waits in " << Text(waiter, "operation") << " for " << Place(waiter)
        << '\n';
  }
  for (const Json& run : busy.value("quarantines", Json::array())) {
    out << "quarantined: " << SizeText(run.value("length", uint64_t{0})) << " at region offset "
        << Text(run, "region_offset") << ", once of inode " << Text(run, "inode") << '\n';
  }
  out << "in quarantine: " << SizeText(busy.value("quarantined_bytes", uint64_t{0})) << '\n';
}

Result<void> ShowBusy(const BusyOptions& options, std::ostream& out) {
  holdfast_query question{};
  question.what = HOLDFAST_QUERY_BUSY;
  HOLDFAST_ASSIGN(const Json busy, AskMount(options.path, question));
  options.json ? PrintJson(out, busy) : PrintBusy(out, busy);
  return {};
}

}  // namespace

void AddBusyCommand(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<BusyOptions>();
  CLI::App* sub = app.add_subcommand("busy", "show who holds blocks and what waits for them");
  sub->add_option("MOUNT", options->path, "a directory or file of a mount")->required();
  sub->add_flag("--json", options->json, "one JSON object");
  sub->callback([options, &chosen] {
    chosen = [options](std::ostream& out) { return ShowBusy(*options, out); };
  });
}

}  // namespace holdfast::tools
