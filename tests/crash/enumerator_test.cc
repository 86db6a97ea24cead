// SPDX-License-Identifier: Apache-2.0
// The enumerator on workloads whose images are known: those that keep their promise and those that
// do not.
#include "tests/crash/enumerator.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/scratch_dir.h"

namespace holdfast::tests {
namespace {

using fsmeta::Result;

class EnumeratorTest : public testing::Test {
 protected:
  // What becomes of an operation on an empty filesystem, and of the report of it.
  CrashFigures Run(Operation operation, EnumeratorOptions options = {}) {
    operation_ = std::move(operation);
    Enumerator enumerator(std::move(options));
    testing::internal::CaptureStderr();
    enumerator.Run({.preparation = &preparation_, .operation = &operation_});
    said_ = testing::internal::GetCapturedStderr();
    return enumerator.figures();
  }

  const Preparation preparation_{.name = "nothing", .run = [](MountedFilesystem&) {}};
  Operation operation_;
  std::string said_;
};

TEST_F(EnumeratorTest, OneTransactionKeepsItsPromise) {
  const CrashFigures figures =
      Run({"create", [](MountedFilesystem& fs) { return fs.Create("file"); }});
  EXPECT_EQ(figures.workloads, 1U);
  EXPECT_GE(figures.cuts, 4U) << "its record, its lines, its end; and once it has returned";
  EXPECT_GT(figures.images, figures.unique) << "some images are equal";
  EXPECT_GE(figures.unique, figures.recovered);
  EXPECT_GE(figures.recovered, 2U) << "the state before and the state after";
  EXPECT_EQ(figures.failures, 0U) << said_;
}

TEST_F(EnumeratorTest, WhatDoesNothingHasOneImage) {
  const CrashFigures figures = Run({"nothing", [](MountedFilesystem&) { return Result<void>(); }});
  EXPECT_EQ(figures.cuts, 1U);
  EXPECT_EQ(figures.unique, 1U);
  EXPECT_EQ(figures.failures, 0U) << said_;
}

Result<void> MakeTwo(MountedFilesystem& fs) {
  HOLDFAST_TRY(fs.Create("first"));
  return fs.Create("second");
}

TEST_F(EnumeratorTest, TwoTransactionsAreNotWhole) {
  const CrashFigures figures = Run({"two files", MakeTwo});
  EXPECT_GT(figures.failures, 0U);
  EXPECT_NE(said_.find("FAILED: two files"), std::string::npos) << said_;
  EXPECT_NE(said_.find("power lost at drain"), std::string::npos) << said_;
  EXPECT_NE(said_.find("first"), std::string::npos) << "what is there and must not be: " << said_;
}

TEST_F(EnumeratorTest, TwoTransactionsAreTwoSteps) {
  EXPECT_EQ(Run({"two files", MakeTwo, Atomicity::kInSteps}).failures, 0U) << said_;
}

TEST_F(EnumeratorTest, TheFirstFailureMayBeTheLast) {
  EXPECT_EQ(Run({"two files", MakeTwo}, {.stop_at_first = true}).failures, 1U);
}

TEST_F(EnumeratorTest, ImagesThatFailAreSaved) {
  const ScratchDir folder;
  Run({"two files", MakeTwo}, {.save_folder = folder / "", .stop_at_first = true});
  const std::filesystem::directory_iterator saved(folder / "");
  ASSERT_NE(saved, std::filesystem::directory_iterator()) << "there is an image";
  EXPECT_EQ(saved->file_size(), preparation_.bytes);
}

}  // namespace
}  // namespace holdfast::tests
