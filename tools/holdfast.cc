// SPDX-License-Identifier: Apache-2.0
// The subcommands, put together.
#include "tools/holdfast.h"

namespace holdfast::tools {

int HoldfastMain(const Arguments& arguments, const Streams& streams) {
  constexpr char kName[] = "holdfast";
  CLI::App app("Work with the files, mounts and regions of Holdfast.", kName);
  app.require_subcommand(1);
  Action chosen;
  AddReflinkCommand(app, chosen);
  AddRangeCommands(app, chosen);
  AddExtentsCommand(app, chosen);
  AddInfoCommand(app, chosen);
  AddFailCommand(app, chosen);
  AddOwnerCommand(app, chosen);
  AddHoldCommands(app, chosen);
  AddBusyCommand(app, chosen);
  AddPagesCommand(app, chosen);
  AddDumpCommand(app, chosen);
  if (const auto stop = Parse(app, arguments, streams)) return *stop;
  return Finish(streams, kName, chosen(streams.out));
}

}  // namespace holdfast::tools
