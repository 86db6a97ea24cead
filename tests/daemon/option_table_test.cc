// SPDX-License-Identifier: Apache-2.0
// The option table: values, words of mount(8), and what is refused.
#include "daemon/option_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace holdfast::daemon {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::string ErrorOf(std::string_view list) {
  Options options;
  auto set = SetOptionList(options, list);
  if (set) return "";
  EXPECT_EQ(set.error().code, EINVAL);
  return set.error().message;
}

TEST(OptionTable, TakesEveryKindOfValue) {
  Options options;
  ASSERT_TRUE(SetOptionList(options,
                            "busy_policy=fail,busy_timeout=7,cache=writeback,data=cow,threads=3,"
                            "transport=fuse,metrics_file=/run/m.prom"));
  EXPECT_EQ(options.layout.busy_policy, daxcore::BusyPolicy::kFail);
  EXPECT_EQ(options.layout.busy_timeout, 7s);
  EXPECT_EQ(options.cache, CacheMode::kWriteback);
  EXPECT_EQ(options.data, fsmeta::DataMode::kCow);
  EXPECT_EQ(options.threads, 3U);
  EXPECT_EQ(options.transport, TransportChoice::kFuse);
  EXPECT_EQ(options.metrics_file, "/run/m.prom");
}

TEST(OptionTable, FlagsStandAloneNegatedOrWithAValue) {
  Options options;
  ASSERT_TRUE(SetOptionList(options, "ro,nodev,suid=no,noallow_other,default_permissions=on"));
  EXPECT_TRUE(options.read_only);
  EXPECT_FALSE(options.kernel.dev);
  EXPECT_FALSE(options.kernel.suid);
  EXPECT_EQ(options.allow_other, false);
  EXPECT_EQ(options.default_permissions, true);
}

TEST(OptionTable, KnowsTheWordsOfMount) {
  Options options;
  ASSERT_TRUE(SetOptionList(options, "ro,rw,sync,async,strictatime"));
  EXPECT_FALSE(options.read_only);
  EXPECT_FALSE(options.kernel.sync);
  EXPECT_EQ(options.atime, fsmeta::AtimeMode::kStrict);
  ASSERT_TRUE(SetOptionList(options, "noatime,remount"));
  EXPECT_EQ(options.atime, fsmeta::AtimeMode::kNever);
  EXPECT_TRUE(options.remount);
}

TEST(OptionTable, WhatCannotBePrintedIsWrittenSoThatItCan) {
  EXPECT_EQ(Printable("caf\u00e9 \xff \"\\"), "caf\u00e9 \xff \"\\");
  EXPECT_EQ(Printable("a\nb\x7f"), "a\\x0ab\\x7f");
  EXPECT_EQ(ErrorOf("bo\ngus"), "unknown option \"bo\\x0agus\": --help lists the known ones");
}

TEST(OptionTable, APathHasNoNul) {
  Options options;
  EXPECT_FALSE(SetOption(options, "log_file", std::string_view("/tmp/a\0b", 8)));
}

TEST(OptionTable, IgnoresWhatFstabKeepsForItself) {
  EXPECT_EQ(ErrorOf("defaults,_netdev,nofail,noauto,user,x-systemd.automount,X-mount.mkdir=0755,"
                    "comment=mine,,"),
            "");
}

TEST(OptionTable, BackslashTakesACommaIntoAValue) {
  Options options;
  ASSERT_TRUE(SetOptionList(options, "metrics_file=/tmp/a\\,b,ro"));
  EXPECT_EQ(options.metrics_file, "/tmp/a,b");
  EXPECT_TRUE(options.read_only);
}

TEST(OptionTable, NamesKeyAndValueOfWhatItRefuses) {
  EXPECT_THAT(ErrorOf("bogus"), HasSubstr("unknown option \"bogus\""));
  EXPECT_THAT(ErrorOf("bogus=1"), HasSubstr("unknown option \"bogus\""));
  EXPECT_THAT(ErrorOf("nothreads"), HasSubstr("unknown option \"nothreads\""));
  EXPECT_THAT(ErrorOf("noro=1"), HasSubstr("unknown option \"noro\""));
  EXPECT_THAT(ErrorOf("busy_policy=maybe"),
              AllOf(HasSubstr("busy_policy"), HasSubstr("maybe"), HasSubstr("quarantine")));
  EXPECT_THAT(ErrorOf("threads"), HasSubstr("needs a value"));
  EXPECT_THAT(ErrorOf("log_file=relative/path"), HasSubstr("absolute"));
  EXPECT_THAT(ErrorOf("ro=perhaps"), HasSubstr("true or false"));
}

TEST(OptionTable, NumbersHaveNoRubbishAndNoOverflow) {
  for (const char* bad : {"", "-1", "+1", "1x", " 1", "0x10", "99999999999999999999", "257"}) {
    EXPECT_NE(ErrorOf(std::string("threads=") + bad), "") << bad;
  }
  EXPECT_EQ(ErrorOf("threads=256"), "");
}

// Every key takes its own default, and taking it changes nothing.
TEST(OptionTable, DefaultsAreWhatTheTableSays) {
  for (const OptionKey& key : OptionKeys()) {
    Options options;
    std::string value(key.fallback);
    std::erase(value, '"');
    EXPECT_TRUE(SetOption(options, key.name, value)) << key.name;
    EXPECT_EQ(options.layout.busy_timeout, Options().layout.busy_timeout) << key.name;
    EXPECT_EQ(options.layout.break_time, Options().layout.break_time) << key.name;
    EXPECT_EQ(options.layout.busy_policy, Options().layout.busy_policy) << key.name;
    EXPECT_EQ(options.layout.max_leases_per_process, Options().layout.max_leases_per_process);
    EXPECT_EQ(options.layout.max_pins_per_process, Options().layout.max_pins_per_process);
    EXPECT_EQ(options.layout.max_pinned_blocks_per_process,
              Options().layout.max_pinned_blocks_per_process);
    EXPECT_EQ(options.cache, Options().cache) << key.name;
    EXPECT_EQ(options.data, Options().data) << key.name;
    EXPECT_EQ(options.atime, Options().atime) << key.name;
    EXPECT_EQ(options.transport, Options().transport) << key.name;
    EXPECT_EQ(options.threads, Options().threads) << key.name;
    EXPECT_EQ(options.queue_depth, Options().queue_depth) << key.name;
    EXPECT_EQ(options.owner_wait, Options().owner_wait) << key.name;
    EXPECT_EQ(options.sync_interval, Options().sync_interval) << key.name;
    EXPECT_EQ(options.metrics_interval, Options().metrics_interval) << key.name;
    EXPECT_EQ(options.log_level, Options().log_level) << key.name;
    EXPECT_EQ(options.log_file, Options().log_file) << key.name;
  }
}

}  // namespace
}  // namespace holdfast::daemon
