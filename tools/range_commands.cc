// SPDX-License-Identifier: Apache-2.0
// Subcommands that change a range of a file: by fallocate(2) where FUSE forwards it, else by ioctl.
#include <fcntl.h>
#include <linux/falloc.h>

#include <memory>

#include "holdfast/ioctl.h"
#include "tools/holdfast.h"
#include "tools/mount_file.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Fail;
using daxcore::Result;

struct RangeOptions {
  std::string file;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool keep_size = false;
};

// How a subcommand reaches the daemon: `mode` for fallocate, or an ioctl.
struct RangeCommand {
  const char* name;
  const char* description;
  int mode;
  unsigned long request;  // 0: fallocate
  bool offers_keep_size;
  bool length_required;
};

constexpr RangeCommand kCommands[] = {
    {"allocate", "allocate the blocks of a range, unwritten", 0, 0, true, true},
    {"punch", "make a range a hole", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, false, true},
    {"zero", "make a range read zero, with blocks allocated", FALLOC_FL_ZERO_RANGE, 0, true, true},
    {"collapse", "take a range out; what follows moves down", 0, HOLDFAST_IOC_COLLAPSE, false,
     true},
    {"insert", "put a hole in; what follows moves up", 0, HOLDFAST_IOC_INSERT, false, true},
    {"unshare", "give a range blocks of its own (default: to the end of the file)", 0,
     HOLDFAST_IOC_UNSHARE, false, false},
};

// fallocate(2) would change a file of any filesystem, and a path is easily off by a letter.
Result<void> RequireMount(const MountFile& file, const RangeCommand& command) {
  holdfast_layout layout{};
  layout.size = sizeof(layout);
  return file.Control(HOLDFAST_IOC_LAYOUT, &layout, command.name);
}

Result<void> Fallocate(const MountFile& file, const RangeCommand& command,
                       const RangeOptions& options) {
  HOLDFAST_TRY(RequireMount(file, command));
  constexpr uint64_t kMost = uint64_t{1} << 60;
  if (options.offset > kMost || options.length > kMost) {
    return FailOnFile(EFBIG, command.name, options.file);
  }
  const int mode = command.mode | (options.keep_size ? FALLOC_FL_KEEP_SIZE : 0);
  while (fallocate(file.fd(), mode, static_cast<off_t>(options.offset),
                   static_cast<off_t>(options.length)) != 0) {
    if (errno != EINTR) return FailOnFile(errno, command.name, options.file);
  }
  return {};
}

Result<void> Control(const MountFile& file, const RangeCommand& command,
                     const RangeOptions& options) {
  holdfast_range range{
      .size = sizeof(range), .flags = 0, .offset = options.offset, .length = options.length};
  if (range.length == 0) {
    HOLDFAST_ASSIGN(const struct stat status, file.Stat());
    const auto size = static_cast<uint64_t>(status.st_size);
    if (range.offset >= size) return {};  // nothing there to be shared
    range.length = size - range.offset;
  }
  return file.Change(command.request, &range, command.name);
}

}  // namespace

void AddRangeCommands(CLI::App& app, Action& chosen) {
  for (const RangeCommand& command : kCommands) {
    auto options = std::make_shared<RangeOptions>();
    CLI::App* sub = app.add_subcommand(command.name, command.description);
    sub->add_option("FILE", options->file, "a file of a Holdfast mount")->required();
    AddSize(*sub, "--offset", options->offset, "first byte of the range");
    auto* length = AddSize(*sub, "--length", options->length, "bytes of the range");
    if (command.length_required) length->required();
    if (command.offers_keep_size) {
      sub->add_flag("--keep-size", options->keep_size, "leave the file's size as it is");
    }
    sub->callback([options, &command, &chosen] {
      chosen = [options, &command](std::ostream&) -> Result<void> {
        HOLDFAST_ASSIGN(const MountFile file, MountFile::Open(options->file, O_RDWR));
        return command.request == 0 ? Fallocate(file, command, *options)
                                    : Control(file, command, *options);
      };
    });
  }
}

}  // namespace holdfast::tools
