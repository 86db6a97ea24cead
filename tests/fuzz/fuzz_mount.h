// SPDX-License-Identifier: Apache-2.0
// A mount that outlives whatever is asked of it: requests that wait do not stop the next ones, and
// in the end it must still work and leave a sound filesystem.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/options.h"
#include "tests/daemon/fake_mount.h"

namespace holdfast::tests {

/// Ends the program, as a finding, saying what should have been.
[[noreturn]] void Wrong(std::string_view what, std::string_view why = {});

/// Owns the mount of a copy of a small filesystem, which has the files "f" (16 KiB, half of it
/// shared with "g") and "g" (12 KiB, then a hole). One thread.
class FuzzMount : public daemon::FakeMount {
 public:
  /// Open files: f and g for reading and writing, f once more, g for reading, f for writing only.
  static constexpr size_t kFiles = 5;
  using Learn = std::function<void(const FuseReply&)>;

  explicit FuzzMount(const daemon::Options& options);
  void TestBody() override {}

  using FakeMount::kernel;
  using FakeMount::OpenFile;
  using FakeMount::volume;
  const OpenFile& file(size_t n) const { return files_[n % kFiles]; }

  /// Waits until `request`, made through the open file `n`, and those before it were answered or
  /// wait for something. `learn` is called with the reply, when there is one.
  void Follow(size_t n, uint64_t request, Learn learn = {});
  /// INTERRUPT of one of the requests that wait, if any do.
  void InterruptOne(size_t n);
  /// Closes an open file and opens it again. As with a kernel, nothing is under way through it
  /// then.
  void Reopen(size_t n);

  /// Ends all that waits, closes all that is open and unmounts. Wrong() if anything is not as it
  /// should be then.
  void Finish();

 private:
  struct Waiting {
    size_t file;
    uint64_t request;
    Learn learn;
  };
  void Open(size_t n);
  void Settle();
  void EndWaiting(const std::function<bool(const Waiting&)>& which);
  void MustWork();
  void MustBeSound();

  bool read_only_;
  int image_ = -1;  // descriptor of the region's memory
  std::array<OpenFile, kFiles> files_;
  std::array<uint64_t, 2> nodes_;
  std::vector<Waiting> waiting_;
};

}  // namespace holdfast::tests
