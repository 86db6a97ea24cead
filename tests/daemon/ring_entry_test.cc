// SPDX-License-Identifier: Apache-2.0
// Entries: messages put together from what the kernel leaves in them, and answers put into them.
#include "daemon/ring_entry.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ring_transport.h"
#include "daemon/ring_worker.h"

namespace holdfast::daemon {
namespace {

constexpr size_t kPayload = 64 << 10;

class RingEntryTest : public testing::Test {
 protected:
  RingEntryTest() { entry_ = std::move(RingEntry::Create(worker_, kPayload)).value(); }

  RingHeader& header() { return *static_cast<RingHeader*>(entry_->pieces()[0].iov_base); }
  std::byte* payload() { return static_cast<std::byte*>(entry_->pieces()[1].iov_base); }
  fuse_out_header answer() {
    fuse_out_header out;
    std::memcpy(&out, header().in_out, sizeof(out));
    return out;
  }
  // As the kernel leaves a request in the entry.
  void Fill(uint32_t length, std::string_view argument, uint32_t payload_size) {
    fuse_in_header in{};
    in.len = length;
    in.opcode = FUSE_WRITE;
    in.unique = 42;
    in.pid = 7;
    std::memcpy(header().in_out, &in, sizeof(in));
    std::memcpy(header().operation, argument.data(), argument.size());
    header().entry.commit_id = 42;
    header().entry.payload_size = payload_size;
  }
  void Answer(std::vector<std::string> data) {
    fuse_out_header out{.len = 0, .error = 0, .unique = 42};
    std::vector<iovec> pieces = {{&out, sizeof(out)}};
    for (std::string& piece : data) pieces.push_back({piece.data(), piece.size()});
    entry_->Answer(pieces);
  }

  RingTransport transport_{-1, 1, [](std::span<std::byte>) {}};
  RingWorker worker_{transport_, -1, 0, kPayload};
  std::unique_ptr<RingEntry> entry_;
};

TEST_F(RingEntryTest, PutsHeaderArgumentAndPayloadTogetherWithoutMovingThePayload) {
  const std::string argument(40, 'a');
  Fill(sizeof(fuse_in_header) + 40 + 5, argument, 5);
  std::memcpy(payload(), "bytes", 5);
  const auto message = entry_->Message();
  ASSERT_TRUE(message.has_value());
  ASSERT_EQ(message->size(), sizeof(fuse_in_header) + 45);
  EXPECT_EQ(message->data() + message->size() - 5, payload());
  const std::string text(reinterpret_cast<char*>(message->data()), message->size());
  EXPECT_EQ(text.substr(sizeof(fuse_in_header)), argument + "bytes");
  EXPECT_EQ(entry_->id(), 42U);
  EXPECT_EQ(entry_->caller(), 7);
}

TEST_F(RingEntryTest, TakesRequestsWithoutArgumentOrPayloadAndOfTheLargestSize) {
  Fill(sizeof(fuse_in_header), "", 0);
  EXPECT_EQ(entry_->Message()->size(), sizeof(fuse_in_header));
  Fill(sizeof(fuse_in_header) + kRingHeaderBytes + kPayload, std::string(kRingHeaderBytes, 'x'),
       kPayload);
  EXPECT_EQ(entry_->Message()->size(), sizeof(fuse_in_header) + kRingHeaderBytes + kPayload);
}

TEST_F(RingEntryTest, RefusesLengthsThatDoNotFitTogether) {
  const auto refused = [this](uint32_t length, uint32_t payload_size) {
    Fill(length, "", payload_size);
    const auto message = entry_->Message();
    return !message.has_value() && message.error().code == EPROTO;
  };
  EXPECT_TRUE(refused(sizeof(fuse_in_header) - 1, 0));
  EXPECT_TRUE(refused(sizeof(fuse_in_header), 1));
  EXPECT_TRUE(refused(sizeof(fuse_in_header) + kRingHeaderBytes + 1, 0));
  EXPECT_TRUE(refused(sizeof(fuse_in_header) + kPayload + 1, kPayload + 1));
  EXPECT_TRUE(refused(0, UINT32_MAX));
}

TEST_F(RingEntryTest, AnswersWithThePiecesInOrder) {
  Fill(sizeof(fuse_in_header), "", 0);
  ASSERT_TRUE(entry_->Message().has_value());
  Answer({"one ", "two"});
  EXPECT_EQ(answer().error, 0);
  EXPECT_EQ(answer().unique, 42U);
  EXPECT_EQ(header().entry.payload_size, 7U);
  EXPECT_EQ(std::memcmp(payload(), "one two", 7), 0);
}

TEST_F(RingEntryTest, AnswersWithAnErrorAndNoData) {
  Fill(sizeof(fuse_in_header), "", 0);
  ASSERT_TRUE(entry_->Message().has_value());
  entry_->AnswerError(ENOENT);
  EXPECT_EQ(answer().error, -ENOENT);
  EXPECT_EQ(header().entry.payload_size, 0U);
}

TEST_F(RingEntryTest, AnAnswerThatIsTooBigBecomesAnError) {
  Fill(sizeof(fuse_in_header), "", 0);
  ASSERT_TRUE(entry_->Message().has_value());
  Answer({std::string(kPayload, 'x'), "y"});
  EXPECT_EQ(answer().error, -EIO);
  EXPECT_EQ(header().entry.payload_size, 0U);
}

}  // namespace
}  // namespace holdfast::daemon
