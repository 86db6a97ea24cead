// SPDX-License-Identifier: Apache-2.0
// holdfast extents: where a file's bytes are in the region.
#include <fcntl.h>

#include <memory>

#include "tools/holdfast.h"
#include "tools/json_text.h"
#include "tools/layout_reader.h"
#include "tools/mount_file.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Result;

struct ExtentsOptions {
  std::string file;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool json = false;
};

Result<void> ShowExtents(const ExtentsOptions& options, std::ostream& out) {
  HOLDFAST_ASSIGN(const MountFile file, MountFile::Open(options.file, O_RDONLY));
  HOLDFAST_ASSIGN(const auto extents, ReadExtents(file, options.offset, options.length));
  if (options.json) {
    PrintJson(out, ToJson(extents));
  } else {
    PrintTable(extents, out);
  }
  return {};
}

}  // namespace

void AddExtentsCommand(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<ExtentsOptions>();
  CLI::App* sub = app.add_subcommand("extents", "show where the bytes of a file are");
  sub->add_option("FILE", options->file, "a file of a Holdfast mount")->required();
  AddSize(*sub, "--offset", options->offset, "first byte to show");
  AddSize(*sub, "--length", options->length, "bytes to show; default: to the end of the file");
  sub->add_flag("--json", options->json, "one JSON object");
  sub->callback([options, &chosen] {
    chosen = [options](std::ostream& out) { return ShowExtents(*options, out); };
  });
}

}  // namespace holdfast::tools
