// SPDX-License-Identifier: Apache-2.0
// A mounted volume in memory whose pages can be made to fail, with clients to be told of it.
#pragma once

#include <unistd.h>

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daxcore/media_failure.h"
#include "fsmeta/file_extent_mapper.h"
#include "tests/fsmeta/data_fixture.h"

namespace holdfast::fsmeta {

/// Writes down what holders are told. Thread-safe.
class ToldEvents final : public daxcore::LayoutEvents {
 public:
  void Recalled(daxcore::SessionId, daxcore::LeaseId, FileRange,
                std::chrono::milliseconds) override {}
  void Voided(daxcore::SessionId, daxcore::LeaseId) override {}
  void Failed(daxcore::SessionId session, Ino ino, FileRange range) override {
    absl::MutexLock lock(&mutex_);
    lines_.push_back(absl::StrCat("session ", session.value(), " inode ", ino.value(), " blocks ",
                                  range.start.value(), "-", range.end.value()));
  }
  void Removed(daxcore::SessionId session, Ino ino) override {
    absl::MutexLock lock(&mutex_);
    lines_.push_back(absl::StrCat("session ", session.value(), " inode ", ino.value(), " removed"));
  }
  /// Waits until there are `n`, as long as a test may take.
  std::vector<std::string> Await(size_t n) {
    const auto enough = [this, n]()
                            ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return lines_.size() >= n; };
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&enough), absl::Seconds(60));
    return lines_;
  }
  std::vector<std::string> Now() { return Await(0); }

 private:
  absl::Mutex mutex_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

/// Files whose memory fails. What is checked for soundness at the end is what the medium holds, so
/// tests whose memory stays bad say so.
class FailureFixture : public DataFixture {
 protected:
  FailureFixture() {
    mounted().options().events = &told_;
    Remount();
  }
  ~FailureFixture() override = default;
  void TearDown() override {
    // As a repaired module would be: the bytes are those of the medium again.
    EXPECT_TRUE(volume().failure().Clear(0, volume().region().size()));
    DataFixture::TearDown();
  }

  daxcore::MediaFailure& failure() { return volume().failure(); }
  /// The memory under these bytes of a file fails; nobody knows it yet.
  void FailAt(Ino ino, uint64_t offset, uint64_t length = 1) {
    const uint64_t start = PlaceOf(ino, offset);
    ASSERT_TRUE(failure().Inject(start, length));
  }
  /// What write(2) would answer.
  int WriteError(Ino ino, uint64_t offset, std::string_view bytes) {
    const auto written = data().Write(
        op(), ino, offset, std::as_bytes(std::span(bytes.data(), bytes.size())), /*kill=*/false);
    return written ? 0 : written.error().code;
  }
  /// What read(2) would answer; the bytes are read as the kernel does, by a system call.
  int ReadError(Ino ino, uint64_t offset, uint64_t length) {
    int error = 0;
    const auto read = data().Read(ino, offset, length, [&](std::span<const iovec> pieces) {
      for (const iovec& piece : pieces) {
        const daxcore::Region& region = volume().region();
        const auto* base = static_cast<const std::byte*>(piece.iov_base);
        const bool in_region = base >= region.base() && base < region.base() + region.size();
        if (in_region && !failure().Probe(region.OffsetOf(base), piece.iov_len)) error = EIO;
      }
    });
    return read ? error : read.error().code;
  }
  void Pin(Ino ino, uint64_t session, uint64_t block, uint64_t blocks = 1) {
    const InodeRef inode = volume().live().Get(ino);
    const auto self = daxcore::Identify(getpid());
    daxcore::PinRequest request;
    request.holder = {daxcore::SessionId(session), *self};
    request.range = {FileBlock(block), FileBlock(block + blocks)};
    FileExtentMapper mapper(volume());
    absl::ReaderMutexLock layout(&inode->layout.layout_lock());
    const auto pinned = volume().layouts().Pin(inode->layout, request, mapper);
    ASSERT_TRUE(pinned) << pinned.error().Text();
  }
  /// Closing what tests leave open, as the daemon does.
  void CloseSession(Ino ino, uint64_t session) {
    const InodeRef inode = volume().live().Get(ino);
    volume().layouts().CloseSession(inode->layout, daxcore::SessionId(session));
  }

  ToldEvents told_;
};

}  // namespace holdfast::fsmeta
