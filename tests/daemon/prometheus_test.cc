// SPDX-License-Identifier: Apache-2.0
// The metrics file: every sample belongs to a family that was announced, histograms add up.
#include "daemon/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "absl/strings/numbers.h"
#include "daxcore/media_failure.h"
#include "fsmeta/format_region.h"
#include "tests/support/scratch_dir.h"

namespace holdfast::daemon {
namespace {

using ::testing::HasSubstr;

class PrometheusTest : public testing::Test {
 protected:
  PrometheusTest() {
    auto region = daxcore::Region::InMemory(uint64_t{8} << 20);
    EXPECT_TRUE(fsmeta::FormatRegion(*region, {}));
    service_ = std::make_unique<Service>(
        Options{}, *fsmeta::Filesystem::Mount(std::move(region), fsmeta::MountOptions{}));
  }
  // Values by name, labels left out (the last one counts).
  std::map<std::string, double> Samples(const std::string& text) {
    std::map<std::string, double> samples;
    std::set<std::string> families;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string first, second, third;
      words >> first >> second >> third;
      if (first == "#") {
        if (second == "TYPE") families.insert(third);
        continue;
      }
      std::string name = line.substr(0, line.find('{'));
      const std::string number = line.substr(line.rfind(' ') + 1);
      double value = -1;
      EXPECT_TRUE(absl::SimpleAtod(number, &value)) << line;
      samples[name] = value;
      for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
        if (!families.contains(name) && name.ends_with(suffix)) {
          name.resize(name.size() - suffix.size());
        }
      }
      EXPECT_TRUE(families.contains(name)) << line;
    }
    return samples;
  }

  std::unique_ptr<Service> service_;
};

TEST_F(PrometheusTest, EverySampleHasAFamilyAndTheCanariesAreZero) {
  const auto samples = Samples(PrometheusText(*service_));
  EXPECT_EQ(samples.at("holdfast_page_canary_hits_total"), 0);
  EXPECT_EQ(samples.at("holdfast_allocator_oracle_hits_total"), 0);
  EXPECT_EQ(samples.at("holdfast_bad_bytes"), 0);
  EXPECT_EQ(samples.at("holdfast_quarantined_bytes"), 0);
  EXPECT_EQ(samples.at("holdfast_shut_down"), 0);
  EXPECT_GT(samples.at("holdfast_free_bytes"), 0);
}

TEST_F(PrometheusTest, LayoutEventsAndFailuresAreCounted) {
  fsmeta::Volume& volume = service_->filesystem().volume();
  daxcore::LayoutMetrics& metrics = volume.layouts().metrics();
  metrics.breaks = 5;
  metrics.lease_timeouts = 2;
  metrics.break_wait.Add(std::chrono::microseconds(3));
  metrics.break_wait.Add(std::chrono::seconds(2));
  ASSERT_TRUE(volume.failure().Notify(volume.region().size() - 4096, 1));
  const auto samples = Samples(PrometheusText(*service_));
  EXPECT_EQ(samples.at("holdfast_layout_breaks_total"), 5);
  EXPECT_EQ(samples.at("holdfast_lease_timeouts_total"), 2);
  EXPECT_EQ(samples.at("holdfast_break_wait_seconds_count"), 2);
  EXPECT_NEAR(samples.at("holdfast_break_wait_seconds_sum"), 2.000003, 1e-9);
  EXPECT_EQ(samples.at("holdfast_media_failures_total"), 1);
  EXPECT_EQ(samples.at("holdfast_bad_bytes"), 4096);
  EXPECT_EQ(samples.at("holdfast_shut_down"), 1) << "the superblock's copy is metadata";
}

TEST_F(PrometheusTest, TheFileIsReplacedAsAWhole) {
  const tests::ScratchDir scratch;
  const std::string path = scratch / "metrics";
  std::ofstream(path) << "what was there before";
  ASSERT_TRUE(WriteMetricsFile(*service_, path));
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_THAT(text.str(), HasSubstr("holdfast_live_inodes"));
  EXPECT_EQ(text.str().find("before"), std::string::npos);
  EXPECT_FALSE(WriteMetricsFile(*service_, scratch / "no/such/folder/metrics"));
}

}  // namespace
}  // namespace holdfast::daemon
