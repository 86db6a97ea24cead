// SPDX-License-Identifier: Apache-2.0
// Bad pages: met, known, told of, cleared.
#include "daxcore/media_failure.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daxcore/poison.h"

namespace holdfast::daxcore {
namespace {

std::vector<ByteRange> AsBytes(const RangeSet& pages) {
  std::vector<ByteRange> ranges;
  uint64_t at = 0;
  while (const auto run = pages.Next(at, UINT64_MAX)) {
    ranges.push_back({run->start << kBlockShift, (run->end - run->start) << kBlockShift});
    at = run->end;
  }
  return ranges;
}

}  // namespace

void FlushPastFailures(const Region& region, uint64_t offset, uint64_t n) {
  const auto flush = [&region](uint64_t from, uint64_t length) {
    return RunGuarded([&] { region.persist().Flush(region.At(from), length); });
  };
  if (flush(offset, n)) return;
  for (const uint64_t end = offset + n; offset < end;) {
    const uint64_t part = std::min(end, AlignDown(offset, kBlockSize) + kBlockSize) - offset;
    flush(offset, part);
    offset += part;
  }
}

MediaFailure::MediaFailure(Region& region) : region_(region) {
  memory_.base = static_cast<std::byte*>(region.Target(0));
  memory_.alias = region.alias();
  memory_.size = region.size();
  memory_.granule = std::max<uint64_t>(region.facts().alignment, kBlockSize);
  memory_.writable = !region.read_only();
}

Result<std::unique_ptr<MediaFailure>> MediaFailure::Watch(Region& region) {
  std::unique_ptr<MediaFailure> failure(new MediaFailure(region));
  failure->memory_.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (failure->memory_.event_fd < 0) return FailErrno(errno, "cannot watch", region.path());
  HOLDFAST_ASSIGN(const auto listed, region.BadRanges());
  {
    absl::MutexLock lock(&failure->mutex_);
    for (const ByteRange& range : listed) {
      failure->bad_.Add(range.offset >> kBlockShift,
                        BlocksFor(range.offset + range.length).value());
    }
    failure->any_bad_ = !failure->bad_.empty();
  }
  HOLDFAST_TRY(WatchMemory(&failure->memory_));
  return failure;
}

MediaFailure::~MediaFailure() {
  UnwatchMemory(&memory_);
  if (memory_.event_fd >= 0) close(memory_.event_fd);
}

// Takes over what the signal handler could only note down.
void MediaFailure::LearnMet() const {
  if (!memory_.met.any()) return;
  absl::MutexLock lock(&mutex_);
  // Whoever finds nothing met any more, since it is being taken here, waits for this to be done.
  any_bad_.store(true, std::memory_order_release);
  for (const uint64_t page : memory_.met.Take()) {
    // What a plain load met was covered by the granule: the good pages beside it read as zeroes
    // too.
    const uint64_t pages = poisoned_loads() == 0 ? 1 : memory_.granule / kBlockSize;
    const uint64_t start = AlignDown(page, pages);
    const uint64_t end = std::min(start + pages, memory_.size / kBlockSize);
    if (!bad_.Contains(page, page + 1)) newly_met_.Add(start, end);
    bad_.Add(start, end);
  }
  any_bad_.store(!bad_.empty(), std::memory_order_release);
}

// Offset of the first bad page that [offset, offset + n) touches.
std::optional<uint64_t> MediaFailure::FirstBad(uint64_t offset, uint64_t n) const {
  LearnMet();
  if (n == 0 || !any_bad_.load(std::memory_order_acquire)) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  const auto bad = bad_.Next(offset >> kBlockShift, ((offset + n - 1) >> kBlockShift) + 1);
  if (!bad) return std::nullopt;
  return bad->start << kBlockShift;
}

bool MediaFailure::IsBad(uint64_t offset, uint64_t n) const {
  return FirstBad(offset, n).has_value();
}

uint64_t MediaFailure::GoodPrefix(uint64_t offset, uint64_t n) const {
  const auto bad = FirstBad(offset, n);
  if (!bad) return n;
  return *bad <= offset ? 0 : *bad - offset;
}

Result<void> MediaFailure::CheckReadable(uint64_t offset, uint64_t n) const {
  const auto bad = FirstBad(offset, n);
  if (!bad) return {};
  return Fail(EIO,
              absl::StrCat("memory of region ", region_.path(), " has failed at offset ", *bad));
}

// Known bad pages are refused before and after: another thread's plain load may put zeroes over one
// while it is being copied.
template <typename Touch>
Result<void> MediaFailure::Guarded(uint64_t offset, size_t n, Touch touch) const {
  HOLDFAST_TRY(CheckReadable(offset, n));
  if (!RunGuarded(touch)) {
    LearnMet();
    return Fail(
        EIO, absl::StrCat("memory of region ", region_.path(), " has failed near offset ", offset));
  }
  return CheckReadable(offset, n);
}

Result<void> MediaFailure::CopyOut(void* dst, uint64_t offset, size_t n) const {
  return Guarded(offset, n, [&] { std::memcpy(dst, region_.At(offset), n); });
}

Result<void> MediaFailure::CopyNt(uint64_t offset, const void* src, size_t n) const {
  return Guarded(offset, n, [&] { region_.persist().CopyNt(region_.Target(offset), src, n); });
}

Result<void> MediaFailure::ZeroNt(uint64_t offset, size_t n) const {
  return Guarded(offset, n, [&] { region_.persist().ZeroNt(region_.Target(offset), n); });
}

Result<void> MediaFailure::Store(uint64_t offset, const void* src, size_t n) const {
  return Guarded(offset, n, [&] { region_.persist().Store(region_.Target(offset), src, n); });
}

Result<void> MediaFailure::CopyWithin(uint64_t to, uint64_t from, size_t n) const {
  HOLDFAST_TRY(CheckReadable(from, n));
  HOLDFAST_TRY(CopyNt(to, region_.At(from), n));
  return CheckReadable(from, n);
}

Result<void> MediaFailure::Probe(uint64_t offset, uint64_t n) const {
  const uint64_t end = offset + n;
  for (uint64_t at = AlignDown(offset, kBlockSize); at < end; at += kBlockSize) {
    std::byte first;
    (void)CopyOut(&first, at, sizeof(first));
  }
  return CheckReadable(offset, n);
}

std::vector<ByteRange> MediaFailure::TakeNewlyMet() {
  LearnMet();
  absl::MutexLock lock(&mutex_);
  return AsBytes(std::exchange(newly_met_, {}));
}

std::vector<ByteRange> MediaFailure::BadRanges() const {
  LearnMet();
  absl::MutexLock lock(&mutex_);
  return AsBytes(bad_);
}

// Bounds are inclusive: the page of the last byte is part of it (F4).
Result<PfnRange> MediaFailure::PagesOf(uint64_t offset, uint64_t length) const {
  if (length == 0) return Fail(EINVAL);
  if (offset >= region_.size()) return Fail(ENXIO);
  const uint64_t last = offset + std::min(length - 1, region_.size() - 1 - offset);
  const Pfn first(offset >> kBlockShift);
  return PfnRange{first, BlockCount((last >> kBlockShift) + 1 - first.value())};
}

void MediaFailure::Attach(FailureHolder* holder, LayoutManager* manager) {
  absl::MutexLock lock(&attached_mutex_);
  holder_ = holder;
  manager_ = manager;
}

// A compound fails at the order it is mapped with (C5): widened to whole pages at both ends.
PfnRange MediaFailure::WholePages(const PageTable& table, PfnRange pages) const {
  const Pfn start = table.Describe(pages.start).pages.start;
  const Pfn end = table.Describe(pages.end() - BlockCount(1)).pages.end();
  return {start, end - start};
}

Result<void> MediaFailure::NotifyMet(const ByteRange& met) {
  absl::ReaderMutexLock attached(&attached_mutex_);
  if (holder_ == nullptr) return Fail(EIO);
  HOLDFAST_ASSIGN(const PfnRange pages, PagesOf(met.offset, met.length));
  const PfnRange whole = manager_ != nullptr ? WholePages(manager_->table(), pages) : pages;
  {
    // The rest of a compound fails with its page.
    absl::MutexLock lock(&mutex_);
    bad_.Add(whole.start.value(), pages.start.value());
    bad_.Add(pages.end().value(), whole.end().value());
    any_bad_.store(!bad_.empty(), std::memory_order_release);
  }
  return TellOwners(whole);
}

Result<void> MediaFailure::Notify(uint64_t offset, uint64_t length) {
  absl::ReaderMutexLock attached(&attached_mutex_);
  if (holder_ == nullptr) return Fail(EIO);
  HOLDFAST_ASSIGN(PfnRange pages, PagesOf(offset, length));
  if (manager_ != nullptr) pages = WholePages(manager_->table(), pages);
  LearnMet();
  {
    absl::MutexLock lock(&mutex_);
    bad_.Add(pages.start.value(), pages.end().value());
    any_bad_.store(true, std::memory_order_release);
  }
  return TellOwners(pages);
}

Result<void> MediaFailure::TellOwners(PfnRange pages) {
  const std::string where = absl::StrCat("memory failed at offset ", ByteOffset(pages.start), ", ",
                                         Bytes(pages.length), " bytes");
  auto owners = holder_->OwnersOf(pages);
  if (!owners) {
    holder_->Shutdown(absl::StrCat(where, ": its owners cannot be found: ", owners.error().Text()));
    return {};
  }
  LayoutManager* const manager = manager_;
  std::string metadata;
  for (const PageOwner& owner : *owners) {
    if (owner.metadata) {
      metadata = owner.ino == Ino(0) ? "filesystem metadata"
                                     : absl::StrCat("metadata of inode ", owner.ino.value());
    } else if (manager != nullptr) {
      holder_->WithLiveInode(
          owner.ino, [&](InodeLayout& layout) { manager->FailRange(layout, owner.run.range()); });
    }
  }
  // Holders of pages that have left their file meanwhile (quarantine) are found by the page.
  if (manager != nullptr) {
    manager->FailPages(pages);
    manager->metrics().failures.fetch_add(1, std::memory_order_relaxed);
  }
  if (!metadata.empty()) holder_->Shutdown(absl::StrCat(where, ": ", metadata));
  return {};
}

Result<void> MediaFailure::NotifyRemoval() {
  absl::ReaderMutexLock attached(&attached_mutex_);
  if (holder_ == nullptr) return Fail(EIO);
  holder_->Freeze();
  if (manager_ != nullptr) manager_->FailEverything();
  holder_->Shutdown("the region is being removed");
  holder_->Thaw();
  return {};
}

Result<void> MediaFailure::Inject(uint64_t offset, uint64_t length) {
  HOLDFAST_ASSIGN(const PfnRange pages, PagesOf(offset, length));
  const RegionKind kind = region_.facts().kind;
  if (kind != RegionKind::kEmulated && kind != RegionKind::kMemory) {
    return Fail(EOPNOTSUPP, absl::StrCat("region ", region_.path(),
                                         " is a real medium: failures are not injected there"));
  }
  return PoisonMemory(static_cast<std::byte*>(region_.Target(ByteOffset(pages.start))),
                      Bytes(pages.length));
}

Result<void> MediaFailure::Clear(uint64_t offset, uint64_t length) {
  HOLDFAST_ASSIGN(const PfnRange pages, PagesOf(offset, length));
  HOLDFAST_TRY(region_.ClearBad({ByteOffset(pages.start), Bytes(pages.length)}));
  const uint64_t start = AlignDown(ByteOffset(pages.start), memory_.granule);
  const uint64_t end = std::min(AlignUp(ByteOffset(pages.end()), memory_.granule), region_.size());
  HOLDFAST_TRY(region_.Remap({start, end - start}));
  LearnMet();
  absl::MutexLock lock(&mutex_);
  bad_.Remove(pages.start.value(), pages.end().value());
  newly_met_.Remove(pages.start.value(), pages.end().value());
  any_bad_.store(!bad_.empty(), std::memory_order_release);
  return {};
}

Result<void> MediaFailure::PrepareOverwrite(Pfn start, BlockCount n) {
  if (n == BlockCount(0) || !IsBad(ByteOffset(start), Bytes(n))) return {};
  RangeSet bad;
  {
    absl::MutexLock lock(&mutex_);
    bad = bad_;
  }
  const uint64_t end = (start + n).value();
  uint64_t at = start.value();
  while (const auto run = bad.Next(at, end)) {
    auto cleared = Clear(run->start << kBlockShift, (run->end - run->start) << kBlockShift);
    if (!cleared) return Fail(EIO, std::move(cleared).error().message);
    at = run->end;
  }
  return {};
}

}  // namespace holdfast::daxcore
