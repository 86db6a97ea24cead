// SPDX-License-Identifier: Apache-2.0
// holdfast owner: who owns a piece of the region.
#include <memory>
#include <string>

#include "tools/holdfast.h"
#include "tools/mount_query.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Result;

struct OwnerOptions {
  std::string mount;
  uint64_t offset = 0;
  uint64_t length = 1;
  bool json = false;
};

}  // namespace

void AddOwnerCommand(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<OwnerOptions>();
  CLI::App* sub = app.add_subcommand("owner", "show what owns a piece of a mounted region");
  sub->add_option("MNT", options->mount, "a directory or file of the mount")->required();
  AddSize(*sub, "--offset", options->offset, "first byte, in the region")->required();
  AddSize(*sub, "--length", options->length, "bytes; default: 1, 0: up to the end of the region");
  sub->add_flag("--json", options->json, "one JSON object");
  sub->callback([options, &chosen] {
    chosen = [options](std::ostream& out) -> Result<void> {
      holdfast_query question{};
      question.what = HOLDFAST_QUERY_OWNERS;
      question.offset = options->offset;
      question.length = options->length;
      HOLDFAST_ASSIGN(const Json owners, AskMount(options->mount, question));
      Print(out, owners, options->json);
      return {};
    };
  });
}

}  // namespace holdfast::tools
