// SPDX-License-Identifier: Apache-2.0
// The JSON of holders, waiters, quarantine and pages.
#include "daemon/busy_report.h"

#include <fcntl.h>

#include "tests/daemon/direct_fixture.h"

namespace holdfast::daemon {
namespace {

class BusyReportTest : public DirectFixture {
 protected:
  BusyReportTest() : handle_(service().handles().New(O_RDWR)) {
    holder_ = *sessions().Enter(handle_, file(), getpid());
  }
  ~BusyReportTest() override { sessions().Close(handle_); }

  const Handle handle_;
  daxcore::Holder holder_;
};

TEST_F(BusyReportTest, NothingIsThereWithoutHolders) {
  const auto busy = BusyOf(filesystem());
  EXPECT_EQ(busy.dump(), R"({"holders":[],"quarantined_bytes":0,"quarantines":[],"waiters":[]})");
  EXPECT_EQ(PagesOf(filesystem(), file(), 0, 0)->dump(), R"({"pages":[]})");
  EXPECT_EQ(PagesOf(filesystem(), file(), uint64_t{1} << 60, 1).error().code, EINVAL);
}

TEST_F(BusyReportTest, TellsHoldersAndWaiters) {
  ASSERT_TRUE(filesystem().direct().Lease({}, file(), holder_, {.length = kBytes, .write = true}));
  ASSERT_TRUE(filesystem().direct().Pin(
      {}, file(), holder_, {.offset = daxcore::kBlockSize, .length = daxcore::kBlockSize}));
  daxcore::BreakAttempt attempt("setattr", getppid());
  fsmeta::OpContext op;
  op.attempt = &attempt;
  fsmeta::AttributeChange cut;
  cut.size = 0;
  ASSERT_TRUE(filesystem().SetAttributes(op, file(), cut).error().blocked());

  const auto busy = BusyOf(filesystem());
  ASSERT_EQ(busy["holders"].size(), 2u);
  const auto& lease = busy["holders"][0];
  EXPECT_EQ(lease["kind"], "lease");
  EXPECT_EQ(lease["pid"], getpid());
  EXPECT_EQ(lease["command"], daxcore::CommandOf(getpid()));
  EXPECT_EQ(lease["inode"], file().value());
  EXPECT_EQ(lease["file_offset"], 0);
  EXPECT_EQ(lease["length"], kBytes);
  EXPECT_EQ(lease["state"], "recalled");
  EXPECT_EQ(lease["write"], true);
  EXPECT_EQ(lease["mapped_bytes"], 0);
  EXPECT_EQ(lease["since"].get<std::string>().back(), 'Z');
  const auto& pin = busy["holders"][1];
  EXPECT_EQ(pin["kind"], "pin");
  EXPECT_EQ(pin["file_offset"], daxcore::kBlockSize);
  ASSERT_EQ(busy["waiters"].size(), 1u);
  EXPECT_EQ(busy["waiters"][0]["operation"], "setattr");
  EXPECT_EQ(busy["waiters"][0]["pid"], getppid());
  EXPECT_EQ(busy["waiters"][0]["reason"], "unmap");
}

TEST_F(BusyReportTest, P1_PagesTellTheirState) {
  ASSERT_TRUE(filesystem().direct().Pin(
      {}, file(), holder_, {.offset = daxcore::kBlockSize, .length = 2 * daxcore::kBlockSize}));
  const auto pages = (*PagesOf(filesystem(), file(), 0, 0))["pages"];
  ASSERT_EQ(pages.size(), 1u);
  EXPECT_EQ(pages[0]["state"], "owned");
  EXPECT_EQ(pages[0]["inode"], file().value());
  EXPECT_EQ(pages[0]["index"], 1);
  EXPECT_EQ(pages[0]["pins"], 1);
  EXPECT_EQ(pages[0]["references"], 1);
  EXPECT_EQ(pages[0]["length"], 2 * daxcore::kBlockSize);
  EXPECT_EQ(pages[0]["order_bytes"], daxcore::kBlockSize);
}

TEST_F(BusyReportTest, L14_QuarantinedBlocksAreListed) {
  ASSERT_TRUE(filesystem().direct().Pin({}, file(), holder_, {.length = kBytes}));
  daxcore::BreakAttempt attempt("setattr");
  attempt.OverridePolicy(daxcore::BusyPolicy::kQuarantine, std::chrono::milliseconds(0));
  fsmeta::OpContext op;
  op.attempt = &attempt;
  fsmeta::AttributeChange cut;
  cut.size = 0;
  ASSERT_TRUE(filesystem().SetAttributes(op, file(), cut));
  const auto busy = BusyOf(filesystem());
  EXPECT_EQ(busy["quarantined_bytes"], kBytes);
  ASSERT_EQ(busy["quarantines"].size(), 1u);
  EXPECT_EQ(busy["quarantines"][0]["inode"], file().value());
  EXPECT_EQ(busy["quarantines"][0]["pids"], nlohmann::json::array({getpid()}));
}

}  // namespace
}  // namespace holdfast::daemon
