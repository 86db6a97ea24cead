// SPDX-License-Identifier: Apache-2.0
// holdfast reflink: a file, or a range of one, that shares the blocks of another.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "holdfast/ioctl.h"
#include "tools/holdfast.h"
#include "tools/mount_file.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Fail;
using daxcore::Result;

struct ReflinkOptions {
  std::string source;
  std::string destination;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint64_t destination_offset = 0;
  bool whole = true;  // no range was given
};

// The destination, and whether this command made it.
struct Destination {
  MountFile file;
  bool is_new;
};

Result<Destination> OpenDestination(const ReflinkOptions& options, mode_t mode) {
  auto made = MountFile::Open(options.destination, O_RDWR | O_CREAT | O_EXCL, mode & 0777);
  if (made) return Destination{*std::move(made), true};
  if (made.error().code != EEXIST) return std::unexpected(std::move(made).error());
  HOLDFAST_ASSIGN(MountFile file, MountFile::Open(options.destination, O_RDWR));
  return Destination{std::move(file), false};
}

Result<void> CheckPair(const ReflinkOptions& options, const struct stat& source,
                       const struct stat& destination) {
  if (source.st_dev != destination.st_dev) {
    return Fail(EXDEV, "cannot reflink " + options.source + " to " + options.destination +
                           ": they are on different mounts; copy it instead");
  }
  if (options.whole && source.st_ino == destination.st_ino) {
    return Fail(EINVAL, "cannot reflink " + options.source + " to itself");
  }
  return {};
}

Result<void> ShareBlocks(const ReflinkOptions& options, const MountFile& source,
                         const MountFile& destination) {
  holdfast_share share{};
  share.size = sizeof(share);
  HOLDFAST_TRY(source.Control(HOLDFAST_IOC_SHARE, &share, "reflink"));
  holdfast_reflink reflink{};
  reflink.size = sizeof(reflink);
  std::memcpy(reflink.token, share.token, sizeof(reflink.token));
  reflink.source_offset = options.offset;
  reflink.length = options.length;
  reflink.destination_offset = options.destination_offset;
  return destination.Change(HOLDFAST_IOC_REFLINK, &reflink, "reflink to");
}

// A whole file replaces what was there: blocks are shared first, so that a failure leaves the old
// contents, then the size is made the same.
Result<void> Reflink(const ReflinkOptions& options) {
  HOLDFAST_ASSIGN(const MountFile source, MountFile::Open(options.source, O_RDONLY));
  HOLDFAST_ASSIGN(const struct stat source_status, source.Stat());
  if (!S_ISREG(source_status.st_mode)) {
    return Fail(EINVAL, "cannot reflink " + options.source + ": not a regular file");
  }
  HOLDFAST_ASSIGN(const Destination destination, OpenDestination(options, source_status.st_mode));
  absl::Cleanup undo = [&] { unlink(options.destination.c_str()); };
  if (!destination.is_new) std::move(undo).Cancel();
  HOLDFAST_ASSIGN(const struct stat destination_status, destination.file.Stat());
  HOLDFAST_TRY(CheckPair(options, source_status, destination_status));
  if (!options.whole || source_status.st_size > 0) {
    HOLDFAST_TRY(ShareBlocks(options, source, destination.file));
  }
  if (options.whole && destination_status.st_size > source_status.st_size &&
      ftruncate(destination.file.fd(), source_status.st_size) != 0) {
    return FailOnFile(errno, "truncate", options.destination);
  }
  if (destination.is_new) std::move(undo).Cancel();
  return {};
}

}  // namespace

void AddReflinkCommand(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<ReflinkOptions>();
  CLI::App* sub = app.add_subcommand("reflink", "make DST share the blocks of SRC");
  sub->add_option("SRC", options->source, "a file of a Holdfast mount")->required();
  sub->add_option("DST", options->destination, "a file of the same mount; made if it is not there")
      ->required();
  CLI::Option* range[] = {
      AddSize(*sub, "--offset", options->offset, "first byte of SRC, a multiple of 4K"),
      AddSize(*sub, "--length", options->length, "bytes; default: to the end of SRC"),
      AddSize(*sub, "--dest-offset", options->destination_offset, "first byte of DST")};
  sub->footer("Without a range DST becomes a clone of SRC.");
  const std::vector<CLI::Option*> range_options(std::begin(range), std::end(range));
  sub->callback([options, range_options, &chosen] {
    for (const CLI::Option* option : range_options) options->whole &= option->count() == 0;
    chosen = [options](std::ostream&) { return Reflink(*options); };
  });
}

}  // namespace holdfast::tools
