// SPDX-License-Identifier: Apache-2.0
// A filesystem's place taken by simple fakes, so that layouts can be driven without one.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daxcore/layout.h"
#include "tests/daxcore/manual_timer.h"

namespace holdfast::tests {

using namespace daxcore;  // NOLINT: tests of daxcore speak its language

/// Files as lists of extents. One thread changes it at a time.
class FakeMapper final : public ExtentMapper {
 public:
  /// Block `index` of `ino` and what follows lie at `pfn`.
  void Put(Ino ino, uint64_t index, uint64_t pfn, uint64_t length, bool shared = false,
           ExtentState state = ExtentState::kWritten) {
    for (uint64_t i = 0; i < length; ++i) {
      files_[ino][index + i] = {FileBlock(index + i), BlockCount(1), Pfn(pfn + i), state, shared};
    }
  }
  void Punch(Ino ino, uint64_t index, uint64_t length) {
    for (uint64_t i = 0; i < length; ++i) files_[ino].erase(index + i);
  }
  void FailAt(uint64_t index, int code) { failing_[index] = code; }

  Result<MappedExtent> Map(Ino ino, FileBlock index, FileBlock end) override {
    if (const auto it = failing_.find(index.value()); it != failing_.end()) return Fail(it->second);
    MappedExtent extent = At(ino, index.value());
    while (extent.index + extent.length < end) {
      const MappedExtent next = At(ino, (extent.index + extent.length).value());
      const bool in_a_row =
          next.state == extent.state && next.shared == extent.shared &&
          (next.state == ExtentState::kHole || next.pfn == extent.pfn + extent.length);
      if (!in_a_row || failing_.contains(next.index.value())) break;
      extent.length += BlockCount(1);
    }
    return extent;
  }

 private:
  MappedExtent At(Ino ino, uint64_t index) {
    const auto& file = files_[ino];
    const auto it = file.find(index);
    if (it != file.end()) return it->second;
    return {FileBlock(index), BlockCount(1), Pfn(0), ExtentState::kHole, false};
  }

  std::map<Ino, std::map<uint64_t, MappedExtent>> files_;
  std::map<uint64_t, int> failing_;
};

/// Writes down what the filesystem would have put on the medium. Inodes call it independently of
/// each other, so it has a lock; tests read it when nobody else is at work.
class FakeStore final : public QuarantineStore {
 public:
  void Release(std::span<const PfnRange> pages) override {
    absl::MutexLock lock(&mutex_);
    for (const PfnRange& run : pages) released.push_back(run);
  }
  Result<void> AddHolder(Ino ino, const ProcessId& process) override {
    absl::MutexLock lock(&mutex_);
    if (fail_with != 0) return Fail(fail_with);
    holders.emplace(std::pair(ino.value(), process.pid), process);  // as on the medium, once
    return {};
  }
  void RemoveHolder(Ino ino, const ProcessId& process) override {
    absl::MutexLock lock(&mutex_);
    EXPECT_EQ(holders.erase(std::pair(ino.value(), process.pid)), 1U);
  }

  std::vector<PfnRange> released;
  std::map<std::pair<uint64_t, pid_t>, ProcessId> holders;
  int fail_with = 0;

 private:
  absl::Mutex mutex_;
};

/// Writes down what clients are told, one line each.
class FakeEvents final : public LayoutEvents {
 public:
  void Recalled(SessionId session, LeaseId lease, FileRange range,
                std::chrono::milliseconds time) override {
    lines.push_back("recall " + Text(session) + " " + std::to_string(lease.value()) + " " +
                    Text(range) + " " + std::to_string(time.count()));
  }
  void Voided(SessionId session, LeaseId lease) override {
    lines.push_back("void " + Text(session) + " " + std::to_string(lease.value()));
  }
  void Failed(SessionId session, Ino ino, FileRange range) override {
    lines.push_back("failed " + Text(session) + " " + std::to_string(ino.value()) + " " +
                    Text(range));
  }
  void Removed(SessionId session, Ino ino) override {
    lines.push_back("removed " + Text(session) + " " + std::to_string(ino.value()));
  }

  std::vector<std::string> lines;

 private:
  static std::string Text(SessionId s) { return std::to_string(s.value()); }
  static std::string Text(FileRange r) {
    return std::to_string(r.start.value()) + "-" + std::to_string(r.end.value());
  }
};

inline FileRange Blocks(uint64_t start, uint64_t end) { return {FileBlock(start), FileBlock(end)}; }

/// A client process with one open file.
inline Holder Client(uint64_t n) { return {SessionId(n), {static_cast<pid_t>(100000 + n), 7}}; }

/// Two files of 64 blocks on a region of 4 GiB with 2 MiB pages: inode 10 at page 1000, inode 20 at
/// page 2000.
class LayoutTest : public testing::Test {
 protected:
  LayoutTest() { Make({}); }
  ~LayoutTest() override {
    Evict();
    manager_.reset();
    EXPECT_TRUE(table_->FindLeaks().empty());
    EXPECT_EQ(table_->canary_hits(), 0U);
  }

  // Closes the files of clients 1 to 9 and forgets both inodes.
  void Evict() {
    for (uint64_t session = 1; session < 10; ++session) {
      if (a_ != nullptr) manager_->CloseSession(*a_, SessionId(session));
      if (b_ != nullptr) manager_->CloseSession(*b_, SessionId(session));
    }
    a_.reset();
    b_.reset();
  }

  void Make(LayoutPolicy policy) {
    Evict();
    manager_.reset();
    table_ = *PageTable::Create(BlockCount(1 << 20), PageOrder::k2M);
    manager_ = *LayoutManager::Create(
        *table_, timer_,
        {.policy = policy, .quarantine_ino = Ino(4), .store = &store_, .events = &events_});
    a_ = std::make_unique<InodeLayout>(*manager_, Ino(10));
    b_ = std::make_unique<InodeLayout>(*manager_, Ino(20));
    mapper_.Put(Ino(10), 0, 1000, 64);
    mapper_.Put(Ino(20), 0, 2000, 64);
  }

  Result<BreakOutcome> Break(InodeLayout& layout, FileRange range, BreakAttempt& attempt,
                             BreakReason reason = BreakReason::kUnmap) {
    absl::MutexLock lock(&layout.layout_lock());
    return manager_->Break(layout, range, reason, attempt);
  }
  Result<LeaseId> Lease(InodeLayout& layout, const LeaseRequest& request, BreakAttempt& attempt) {
    absl::ReaderMutexLock lock(&layout.layout_lock());
    return manager_->Lease(layout, request, attempt);
  }
  LeaseId MustLease(InodeLayout& layout, const Holder& holder, FileRange range, bool write = false,
                    bool exclusive = false) {
    BreakAttempt attempt;
    auto lease = Lease(layout, {holder, range, write, exclusive}, attempt);
    EXPECT_TRUE(lease) << lease.error().Text();
    return lease.value_or(LeaseId(0));
  }
  Result<std::vector<LayoutExtent>> Map(InodeLayout& layout, const Holder& holder, LeaseId lease,
                                        FileRange range, size_t most = 100) {
    absl::ReaderMutexLock lock(&layout.layout_lock());
    return manager_->MapExtents(layout, holder.session, lease, range, most, mapper_);
  }
  Result<PinGrant> Pin(InodeLayout& layout, const Holder& holder, FileRange range,
                       bool long_term = false) {
    absl::ReaderMutexLock lock(&layout.layout_lock());
    return manager_->Pin(layout, {holder, range, false, long_term}, mapper_);
  }
  Result<PinGrant> PinForStores(InodeLayout& layout, const Holder& holder, FileRange range) {
    absl::ReaderMutexLock lock(&layout.layout_lock());
    return manager_->Pin(layout, {holder, range, /*write=*/true, false}, mapper_);
  }
  PinId MustPin(InodeLayout& layout, const Holder& holder, FileRange range) {
    auto pin = Pin(layout, holder, range);
    EXPECT_TRUE(pin) << pin.error().Text();
    return pin ? pin->id : PinId(0);
  }
  void Truncated(InodeLayout& layout, FileRange range) {
    absl::MutexLock lock(&layout.layout_lock());
    manager_->DropEntries(layout, range, Drop::kTruncate);
  }
  uint64_t References(uint64_t pfn) { return table_->Describe(Pfn(pfn)).references; }

  FakeMapper mapper_;
  FakeStore store_;
  FakeEvents events_;
  ManualTimer timer_;
  std::unique_ptr<PageTable> table_;
  std::unique_ptr<LayoutManager> manager_;
  std::unique_ptr<InodeLayout> a_, b_;
};

/// True if `result` is blocked; then `*woken` counts its wake-ups. The end of an attempt is one,
/// too: declare `woken` before it.
template <typename T>
bool Park(const Result<T>& result, int* woken) {
  if (result || !result.error().blocked()) return false;
  result.error().wait->OnReady([woken] { ++*woken; });
  return true;
}

}  // namespace holdfast::tests
