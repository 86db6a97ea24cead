// SPDX-License-Identifier: Apache-2.0
// The transport without a ring: a device that offers none, and interrupts that meet their request
// or miss it. Rings themselves need a kernel: tests/posix runs over them.
#include "daemon/ring_transport.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "daemon/file_descriptor.h"

namespace holdfast::daemon {
namespace {

constexpr uint64_t kInitId = 2;

class RingTransportTest : public testing::Test {
 protected:
  RingTransportTest() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    kernel_ = FileDescriptor(ends[0]);
    device_ = FileDescriptor(ends[1]);
    transport_ = std::make_unique<RingTransport>(
        device_.get(), 1, [this](std::span<std::byte> message) { Handled(message); });
  }

  void Handled(std::span<std::byte> message) {
    fuse_in_header header;
    std::memcpy(&header, message.data(), sizeof(header));
    ASSERT_EQ(header.opcode, static_cast<uint32_t>(FUSE_INTERRUPT));
    fuse_interrupt_in interrupt;
    std::memcpy(&interrupt, message.data() + sizeof(header), sizeof(interrupt));
    interrupted_.push_back(interrupt.unique);
  }

  void ReceiveInit(uint32_t flags2) {
    struct {
      fuse_in_header header{};
      fuse_init_in init{};
    } message;
    message.header.opcode = FUSE_INIT;
    message.header.unique = kInitId;
    message.header.len = sizeof(message);
    message.init.flags = FUSE_INIT_EXT;
    message.init.flags2 = flags2;
    ASSERT_EQ(send(kernel_.get(), &message, sizeof(message), 0), ssize_t{sizeof(message)});
    char buffer[8192];
    ASSERT_EQ(transport_->Receive(buffer, sizeof(buffer)), ssize_t{sizeof(message)});
  }
  ssize_t Send(uint64_t id, int error, std::span<std::byte> data = {}) {
    fuse_out_header header{
        .len = static_cast<uint32_t>(sizeof(header) + data.size()), .error = error, .unique = id};
    const iovec pieces[] = {{&header, sizeof(header)}, {data.data(), data.size()}};
    return transport_->Send({pieces, data.empty() ? 1U : 2U});
  }

  FileDescriptor kernel_;
  FileDescriptor device_;
  std::vector<uint64_t> interrupted_;
  std::unique_ptr<RingTransport> transport_;
};

TEST_F(RingTransportTest, WithoutAnOfferInitIsAnsweredAsItIsAndAllGoesOverTheDevice) {
  ReceiveInit(0);
  fuse_init_out agreed{};
  agreed.flags2 = 4;
  ASSERT_GT(Send(kInitId, 0, std::as_writable_bytes(std::span(&agreed, 1))), 0);
  const auto settled = transport_->WaitUntilSettled(absl::ZeroDuration());
  ASSERT_FALSE(settled.has_value());
  EXPECT_EQ(settled.error().code, EOPNOTSUPP);

  struct {
    fuse_out_header header;
    fuse_init_out init;
  } seen;
  ASSERT_EQ(recv(kernel_.get(), &seen, sizeof(seen), 0), ssize_t{sizeof(seen)});
  EXPECT_EQ(seen.init.flags2, 4U) << "nothing is agreed that was not offered";
  ASSERT_EQ(Send(10, -ENOENT), ssize_t{sizeof(fuse_out_header)});
  fuse_out_header answer;
  ASSERT_EQ(recv(kernel_.get(), &answer, sizeof(answer), 0), ssize_t{sizeof(answer)});
  EXPECT_EQ(answer.unique, 10U);
  EXPECT_EQ(answer.error, -ENOENT);
}

TEST_F(RingTransportTest, AnOfferWithoutAnAgreementEndsInNoRings) {
  ReceiveInit(kInitOverIoUring);
  ASSERT_GT(Send(kInitId, -EPROTO), 0);
  const auto settled = transport_->WaitUntilSettled(absl::ZeroDuration());
  ASSERT_FALSE(settled.has_value());
  EXPECT_EQ(settled.error().code, EPROTO);
}

TEST_F(RingTransportTest, SettlingTakesNoLongerThanIsWaitedFor) {
  const auto settled = transport_->WaitUntilSettled(absl::ZeroDuration());
  ASSERT_FALSE(settled.has_value());
  EXPECT_EQ(settled.error().code, ETIMEDOUT);
}

TEST_F(RingTransportTest, L5_ARequestThatCannotBeKeptIsInterrupted) {
  transport_->CannotKeep(42, daxcore::Error{ENOMEM, "no memory", nullptr});
  EXPECT_EQ(interrupted_, std::vector<uint64_t>{42});
}

}  // namespace
}  // namespace holdfast::daemon
