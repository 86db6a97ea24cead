// SPDX-License-Identifier: Apache-2.0
// Ioctls of any kind with any arguments, in any order, as the kernel sends them; between them what
// else can happen to the files. Then the mount must work and leave a sound filesystem.
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <iterator>
#include <span>
#include <string>

#include "client/include/holdfast/ioctl.h"
#include "nlohmann/json.hpp"
#include "tests/daemon/ioctl_fixture.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/fuzz_mount.h"
#include "tests/support/quiet_log.h"

namespace holdfast::tests {
namespace {

using daemon::Sized;

constexpr unsigned long kCommands[] = {
    HOLDFAST_IOC_COLLAPSE, HOLDFAST_IOC_INSERT, HOLDFAST_IOC_UNSHARE, HOLDFAST_IOC_SHARE,
    HOLDFAST_IOC_REFLINK,  HOLDFAST_IOC_LAYOUT, HOLDFAST_IOC_LEASE,   HOLDFAST_IOC_RETURN,
    HOLDFAST_IOC_PIN,      HOLDFAST_IOC_UNPIN,  HOLDFAST_IOC_EVENTS,  HOLDFAST_IOC_QUERY,
    HOLDFAST_IOC_FAIL,
};

// Offsets and lengths that matter, in a byte.
uint64_t Bytes(uint8_t code) {
  constexpr uint64_t kBlock = 4096;
  constexpr uint64_t kEdges[] = {UINT64_MAX,
                                 UINT64_MAX - kBlock + 1,
                                 uint64_t{1} << 63,
                                 INT64_MAX,
                                 uint64_t{1} << 60,
                                 1,
                                 kBlock - 1,
                                 (uint64_t{1} << 60) + 1,
                                 1ULL << 52,
                                 1ULL << 40,
                                 UINT32_MAX,
                                 uint64_t{1} << 32,
                                 (uint64_t{1} << 60) - 4096};
  if (code < 96) return code * kBlock;
  if (code < 160) return (code - 96) * uint64_t{512} + 1;
  if (code < 200) return (code - 159) * (uint64_t{2} << 20);
  return kEdges[(code - 200) % std::size(kEdges)];
}

// The first byte of an input. Those that are in a hurry do not wait for more than a moment.
daemon::Options OptionsFrom(uint8_t code) {
  using namespace std::chrono_literals;
  daemon::Options options;
  options.threads = 1;
  options.layout.busy_policy = static_cast<daxcore::BusyPolicy>(code % 3);
  const bool hurry = (code & 4) != 0;
  options.layout.busy_timeout = hurry ? 1ms : 1h;
  options.layout.break_time = hurry ? 1ms : 1h;
  if ((code & 8) != 0) options.data = fsmeta::DataMode::kCow;
  if ((code & 16) != 0) options.cache = daemon::CacheMode::kWriteback;
  options.read_only = (code & 32) != 0;
  if ((code & 64) != 0) {
    options.layout.max_leases_per_process = 2;
    options.layout.max_pins_per_process = 2;
    options.layout.max_pinned_blocks_per_process = 3;
  }
  return options;
}

template <typename T>
std::string Packed(const T& argument) {
  return std::string(BytesOf(argument));
}

/// An input is the options, then steps of six bytes: which (the ioctls, in the order above; another
/// number; a file operation; an event outside), how (lowest three bits: which open file; next two:
/// the argument as it should be, saying another size, of another size, or with a byte changed, for
/// which one more follows; next two: asked by this process, another, another user, nobody that can
/// be seen), and four numbers, which mean what the step makes of them.
class Script {
 public:
  explicit Script(std::span<const uint8_t> input)
      : input_(input), mount_(OptionsFrom(static_cast<uint8_t>(input_.Take(1)))) {}

  void Run() {
    while (!input_.empty()) Step();
    how_ = 0;
    file_ = mount_.file(0);
    SetCaller();
    auto clear = Sized<holdfast_fail>();
    clear.what = HOLDFAST_FAIL_CLEAR;
    clear.length = UINT64_MAX;
    Ask(HOLDFAST_IOC_FAIL, Packed(clear));
    mount_.Finish();
  }

 private:
  void Step() {
    const auto which = static_cast<uint8_t>(input_.Take(1));
    how_ = static_cast<uint8_t>(input_.Take(1));
    for (uint8_t& number : numbers_) number = static_cast<uint8_t>(input_.Take(1));
    file_ = mount_.file(how_ & 7);
    SetCaller();
    if (which % 16 < std::size(kCommands)) {
      const unsigned long command = kCommands[which % 16];
      Ask(command, Mangled(Argument(command)));
    } else if (which % 16 == 13) {
      const uint32_t command =
          _IOC(numbers_[0] & 3u, HOLDFAST_IOC_MAGIC, numbers_[2], uint32_t{numbers_[1]} << 6);
      Ask(command, std::string(_IOC_SIZE(command), '\0'));
    } else if (which % 16 == 14) {
      UseFile();
    } else {
      Outside();
    }
  }

  void SetCaller() {
    const FakeKernel::Caller callers[] = {{.pid = static_cast<uint32_t>(getpid())},
                                          {.pid = static_cast<uint32_t>(getppid())},
                                          {.uid = 1000, .pid = static_cast<uint32_t>(getpid())},
                                          {}};
    mount_.kernel().set_caller(callers[how_ >> 5 & 3]);
  }

  // -- Arguments.

  std::string Argument(unsigned long command) const {
    switch (command) {
      case HOLDFAST_IOC_SHARE:
        return Packed(Sized<holdfast_share>());
      case HOLDFAST_IOC_REFLINK:
        return Packed(Reflink());
      case HOLDFAST_IOC_LAYOUT:
        return Packed(Layout());
      case HOLDFAST_IOC_LEASE:
        return Packed(Ranged<holdfast_lease>(Flags(numbers_[2], 3)));
      case HOLDFAST_IOC_RETURN:
        return Packed(Return());
      case HOLDFAST_IOC_PIN:
        return Packed(Ranged<holdfast_pin>(Flags(numbers_[2], 3)));
      case HOLDFAST_IOC_UNPIN:
        return Packed(Unpin());
      case HOLDFAST_IOC_EVENTS:
        return Packed(Sized<holdfast_events>());
      case HOLDFAST_IOC_QUERY:
        return Packed(Query());
      case HOLDFAST_IOC_FAIL:
        return Packed(Failure());
      default:
        return Packed(Ranged<holdfast_range>(Flags(numbers_[2], 0)));
    }
  }

  // Mostly those that are known.
  static uint32_t Flags(uint8_t code, uint32_t known) { return code < 240 ? code & known : code; }
  // A number that was given out not long ago, zero, or any.
  static uint64_t Recent(uint64_t last, uint8_t code) {
    if (code == 255) return 0;
    return code < 32 ? last - code : Bytes(code);
  }

  // One with a range: the first two numbers.
  template <typename T>
  T Ranged(uint32_t flags) const {
    T argument = Sized<T>();
    argument.flags = flags;
    argument.offset = Bytes(numbers_[0]);
    argument.length = Bytes(numbers_[1]);
    return argument;
  }

  holdfast_layout Layout() const {
    auto layout = Ranged<holdfast_layout>(Flags(numbers_[3], 0));
    layout.lease = Recent(lease_, numbers_[2]);
    return layout;
  }

  holdfast_lease Return() const {
    auto lease = Ranged<holdfast_lease>(Flags(numbers_[3], 0));
    lease.lease = Recent(lease_, numbers_[2]);
    return lease;
  }

  holdfast_pin Unpin() const {
    auto pin = Sized<holdfast_pin>();
    pin.flags = Flags(numbers_[3], 0);
    pin.pin = Recent(pin_, numbers_[2]);
    return pin;
  }

  holdfast_reflink Reflink() const {
    const auto [a, b, c, d] = numbers_;
    auto link = Sized<holdfast_reflink>();
    link.source_offset = Bytes(a);
    link.length = Bytes(b);
    link.destination_offset = Bytes(c);
    std::memcpy(link.token, tokens_[d % 2].token, sizeof(link.token));
    if (d >= 192) ++link.token[0];
    return link;
  }

  holdfast_query Query() const {
    const auto [a, b, c, d] = numbers_;
    auto query = Sized<holdfast_query>();
    query.what = c % 7u;
    query.offset = Bytes(a);
    query.length = Bytes(b);
    query.cursor = d == 0 ? 0 : cursor_ + d - 1;
    return query;
  }

  // Somewhere in the region: at what LAYOUT told last, or anywhere.
  holdfast_fail Failure() const {
    const auto [a, b, c, d] = numbers_;
    const uint64_t anywhere = (uint64_t{a} | uint64_t{d & 15u} << 8) << 10;
    auto failure = Sized<holdfast_fail>();
    failure.what = c % 6u;
    failure.offset = d < 128 ? anywhere : place_ + a;
    failure.length = Bytes(b);
    return failure;
  }

  std::string Mangled(std::string argument) {
    const uint8_t d = numbers_[3];
    switch (how_ >> 3 & 3) {
      case 1:
        argument[0] = static_cast<char>(argument[0] + d);
        break;
      case 2:
        argument.resize(d < 128 ? d : argument.size() + d - 128);
        break;
      case 3:
        argument[input_.Take(1) % argument.size()] ^= static_cast<char>(d);
        break;
      default:
        break;
    }
    return argument;
  }

  // -- What is asked, and what is learned from the answers.

  void Ask(unsigned long command, const std::string& argument) {
    const auto number = static_cast<uint32_t>(command);
    mount_.Follow(how_ & 7, mount_.kernel().SendIoctl(file_.node, file_.handle, number, argument),
                  [this, number, node = file_.node](const FuseReply& reply) {
                    if (reply.error == 0) Learn(number, node, reply);
                  });
  }

  void Learn(uint32_t command, uint64_t node, const FuseReply& reply) {
    const size_t room = (_IOC_DIR(command) & _IOC_READ) != 0 ? _IOC_SIZE(command) : 0;
    if (reply.body.size() > sizeof(fuse_ioctl_out) + room) Wrong("an answer is too long");
    if (command == HOLDFAST_IOC_SHARE) tokens_[node % 2] = Out<holdfast_share>(reply);
    if (command == HOLDFAST_IOC_LEASE) lease_ = Out<holdfast_lease>(reply).lease;
    if (command == HOLDFAST_IOC_PIN) pin_ = Out<holdfast_pin>(reply).pin;
    if (command == HOLDFAST_IOC_LAYOUT) LearnLayout(Out<holdfast_layout>(reply));
    if (command == HOLDFAST_IOC_QUERY) LearnText(Out<holdfast_query>(reply));
    if (command == HOLDFAST_IOC_EVENTS && Out<holdfast_events>(reply).count > HOLDFAST_EVENTS_MAX) {
      Wrong("too many events");
    }
  }

  template <typename T>
  static T Out(const FuseReply& reply) {
    return reply.As<T>(sizeof(fuse_ioctl_out));
  }

  void LearnLayout(const holdfast_layout& layout) {
    if (layout.count > HOLDFAST_LAYOUT_MAX) Wrong("too many extents");
    uint64_t at = layout.count == 0 ? 0 : layout.extents[0].file_offset;
    for (uint32_t i = 0; i < layout.count; ++i) {
      const holdfast_extent& extent = layout.extents[i];
      if (extent.file_offset != at || extent.length == 0) Wrong("extents do not follow each other");
      at += extent.length;
      if (extent.state == HOLDFAST_HOLE) {
        if (extent.region_offset != 0) Wrong("a hole has a place");
        continue;
      }
      place_ = extent.region_offset;
      if (place_ + extent.length > mount_.volume().region().size()) {
        Wrong("an extent is outside of the region");
      }
    }
    if (layout.count != 0 && layout.next != at) Wrong("a layout goes on at the wrong place");
  }

  void LearnText(const holdfast_query& query) {
    const bool whole = cursor_ == 0 && query.cursor == 0;
    cursor_ = query.cursor;
    if (query.count > HOLDFAST_TEXT_MAX) Wrong("too much text");
    const std::string text(query.text, query.count);
    if (whole && !nlohmann::json::accept(text)) Wrong("an answer is no JSON", text);
  }

  // -- What else happens.

  void UseFile() {
    const auto [a, b, c, d] = numbers_;
    FakeKernel& kernel = mount_.kernel();
    const uint64_t offset = Bytes(a);
    if (c % 4 == 0) {
      const std::string data(Bytes(b) % 16384 + 1, static_cast<char>(d));
      fuse_write_in in{};
      in.fh = file_.handle;
      in.offset = offset;
      in.size = static_cast<uint32_t>(data.size());
      mount_.Follow(how_ & 7, kernel.Send(FUSE_WRITE, file_.node, {BytesOf(in), data}));
    } else if (c % 4 == 1) {
      mount_.Follow(how_ & 7, kernel.SendTruncate(file_.node, offset));
    } else if (c % 4 == 2) {
      kernel.Read(file_.node, file_.handle, offset, 16384);
    } else {
      fuse_fallocate_in in{};
      in.fh = file_.handle;
      in.offset = offset;
      in.length = Bytes(b);
      in.mode = d;
      mount_.Follow(how_ & 7, kernel.Send(FUSE_FALLOCATE, file_.node, {BytesOf(in)}));
    }
  }

  void Outside() {
    const auto [a, b, c, d] = numbers_;
    if (c % 3 == 0) {
      mount_.InterruptOne(a);
    } else if (c % 3 == 1) {
      mount_.Reopen(how_ & 7);
    } else {
      fuse_poll_in in{};
      in.fh = file_.handle;
      in.kh = b;
      in.flags = d & FUSE_POLL_SCHEDULE_NOTIFY;
      mount_.kernel().Call(FUSE_POLL, file_.node, {BytesOf(in)});
    }
  }

  FuzzInput input_;
  FuzzMount mount_;
  FuzzMount::OpenFile file_ = mount_.file(0);
  uint8_t how_ = 0;
  std::array<uint8_t, 4> numbers_{};
  uint64_t lease_ = 0;
  uint64_t pin_ = 0;
  uint64_t cursor_ = 0;
  uint64_t place_ = 0;  // of the last extent that was shown, byte of the region
  holdfast_share tokens_[2] = {};
};

}  // namespace
}  // namespace holdfast::tests

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const holdfast::tests::QuietLog quiet;
  holdfast::tests::Script({data, size}).Run();
  return 0;
}
