// SPDX-License-Identifier: Apache-2.0
// holdfast lease and holdfast pin: hold a range of a file, as a direct client does, until told.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "holdfast/ioctl.h"
#include "tools/holdfast.h"
#include "tools/json_text.h"
#include "tools/layout_reader.h"
#include "tools/mount_file.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Fail;
using daxcore::Result;

struct HoldOptions {
  std::string file;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool pins = false;
  bool write = false;
  bool exclusive = false;
  bool long_term = false;
  double seconds = 0;  // 0: for ever
  bool json = false;
};

// What the command holds; all of it goes with the descriptor.
struct Held {
  uint64_t lease = 0;
  uint64_t pin = 0;
};

Result<uint64_t> LengthOf(const MountFile& file, const HoldOptions& options) {
  if (options.length != 0) return options.length;
  HOLDFAST_ASSIGN(const struct stat status, file.Stat());
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size <= options.offset) {
    return Fail(EINVAL, "cannot hold " + options.file + ": it ends at or before byte " +
                            std::to_string(options.offset));
  }
  return size - options.offset;
}

Result<uint64_t> TakeLease(const MountFile& file, const HoldOptions& options, uint64_t length) {
  holdfast_lease lease{};
  lease.size = sizeof(lease);
  lease.flags = (options.write ? HOLDFAST_LEASE_WRITE : 0) |
                (options.exclusive ? HOLDFAST_LEASE_EXCLUSIVE : 0);
  lease.offset = options.offset;
  lease.length = length;
  HOLDFAST_TRY(file.Control(HOLDFAST_IOC_LEASE, &lease, "lease"));
  return lease.lease;
}

Result<uint64_t> TakePin(const MountFile& file, const HoldOptions& options, uint64_t length) {
  holdfast_pin pin{};
  pin.size = sizeof(pin);
  pin.flags =
      (options.long_term ? HOLDFAST_PIN_LONG_TERM : 0) | (options.write ? HOLDFAST_PIN_WRITE : 0);
  pin.offset = options.offset;
  pin.length = length;
  HOLDFAST_TRY(file.Control(HOLDFAST_IOC_PIN, &pin, "pin"));
  return pin.pin;
}

// A long-term pin needs a lease, through which it can be recalled.
Result<Held> Take(const MountFile& file, const HoldOptions& options, uint64_t length) {
  Held held;
  if (!options.pins || options.long_term) {
    HOLDFAST_ASSIGN(held.lease, TakeLease(file, options, length));
  }
  if (options.pins) {
    HOLDFAST_ASSIGN(held.pin, TakePin(file, options, length));
  }
  return held;
}

Result<void> Show(const MountFile& file, const HoldOptions& options, uint64_t length,
                  const Held& held, std::ostream& out) {
  HOLDFAST_ASSIGN(const auto extents,
                  ReadExtents(file, options.offset, length, options.pins ? 0 : held.lease));
  if (options.json) {
    Json object = ToJson(extents);
    object["pid"] = getpid();
    if (held.lease != 0) object["lease"] = held.lease;
    if (held.pin != 0) object["pin"] = held.pin;
    PrintJson(out, object);
  } else {
    out << "process " << getpid() << " holds " << (options.pins ? "pin " : "lease ")
        << (options.pins ? held.pin : held.lease) << " on " << options.file << ":\n";
    PrintTable(extents, out);
  }
  out.flush();
  return {};
}

// What ended the wait: a signal or the time (nothing), or an event.
Result<std::optional<holdfast_event>> WaitForEnd(const MountFile& file, int signals,
                                                 double seconds) {
  const double wanted = std::ceil(seconds * 1000);
  const int timeout = seconds <= 0 || wanted > 2e9 ? -1 : static_cast<int>(wanted);
  for (;;) {
    pollfd fds[] = {{file.fd(), POLLPRI, 0}, {signals, POLLIN, 0}};
    const int ready = poll(fds, 2, timeout);
    if (ready < 0) return FailOnFile(errno, "wait for events of", file.path());
    if (ready == 0) return std::nullopt;
    if (fds[1].revents != 0) {
      signalfd_siginfo taken;  // else it would end us as soon as it is not blocked any more
      [[maybe_unused]] const ssize_t n = read(signals, &taken, sizeof(taken));
      return std::nullopt;
    }
    holdfast_events events{};
    events.size = sizeof(events);
    HOLDFAST_TRY(file.Control(HOLDFAST_IOC_EVENTS, &events, "read events of"));
    if (events.count != 0) return events.events[0];
  }
}

Result<void> Explain(const holdfast_event& event, const HoldOptions& options, std::ostream& out) {
  if (event.type == HOLDFAST_EVENT_FAILURE) {
    return Fail(EIO, "the memory of " + options.file + " from byte " +
                         std::to_string(event.offset) + " failed");
  }
  if (!options.json) out << "recalled: given back\n";
  return {};
}

// Whatever ends it, leaving returns everything.
Result<void> Hold(const HoldOptions& options, std::ostream& out) {
  HOLDFAST_ASSIGN(const MountFile file,
                  MountFile::Open(options.file, options.write ? O_RDWR : O_RDONLY));
  HOLDFAST_ASSIGN(const uint64_t length, LengthOf(file, options));
  HOLDFAST_ASSIGN(const Held held, Take(file, options, length));

  // Only from here on: taking it may wait, and then a signal must end us.
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, signal);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &ends, &before);
  const absl::Cleanup unblock = [&before] { pthread_sigmask(SIG_SETMASK, &before, nullptr); };
  const int signals = signalfd(-1, &ends, SFD_CLOEXEC);
  if (signals < 0) return FailOnFile(errno, "wait for signals with", options.file);
  const absl::Cleanup close_signals = [signals] { close(signals); };

  HOLDFAST_TRY(Show(file, options, length, held, out));
  HOLDFAST_ASSIGN(const auto event, WaitForEnd(file, signals, options.seconds));
  return event ? Explain(*event, options, out) : Result<void>{};
}

CLI::App* AddHold(CLI::App& app, Action& chosen, const char* name, const char* description,
                  const std::shared_ptr<HoldOptions>& options) {
  CLI::App* sub = app.add_subcommand(name, description);
  sub->add_option("FILE", options->file, "a file of a Holdfast mount")->required();
  AddSize(*sub, "--offset", options->offset, "first byte to hold");
  AddSize(*sub, "--length", options->length, "bytes to hold; default: to the end of the file");
  sub->add_option("--for", options->seconds, "seconds to hold it; default: until a signal")
      ->check(CLI::NonNegativeNumber);
  sub->add_flag("--json", options->json, "one JSON object");
  sub->callback([options, &chosen] {
    chosen = [options](std::ostream& out) { return Hold(*options, out); };
  });
  return sub;
}

}  // namespace

void AddHoldCommands(CLI::App& app, Action& chosen) {
  auto lease = std::make_shared<HoldOptions>();
  CLI::App* sub = AddHold(app, chosen, "lease", "lease a range and hold it", lease);
  sub->add_flag("--write", lease->write, "allocate and unshare the range, to store to it");
  sub->add_flag("--exclusive", lease->exclusive, "let nobody else lease it");
  sub->footer("A recall ends it: the lease is given back at once.");

  auto pin = std::make_shared<HoldOptions>();
  pin->pins = true;
  sub = AddHold(app, chosen, "pin", "pin the blocks of a range and hold them", pin);
  sub->add_flag("--write", pin->write, "for a device that stores to them");
  sub->add_flag("--long-term", pin->long_term, "with a lease, whose recall ends the pin");
  sub->footer("Without --long-term nothing but its end takes the pin away.");
}

}  // namespace holdfast::tools
