// SPDX-License-Identifier: Apache-2.0
// The recorder's log.
#include "tests/support/recorder.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace holdfast::tests {
namespace {

pid_t ThisThread() {
  static thread_local const pid_t id = gettid();
  return id;
}

}  // namespace

std::unique_ptr<daxcore::Region> Recorder::MakeRegion(uint64_t size) {
  auto region = daxcore::Region::InMemory(size, this);
  Attach(*region);
  return region;
}

// The store itself comes first and outside the lock: it may meet a bad page and not return.
void Recorder::Store(void* dst, const void* src, size_t n) {
  verbs_->Store(dst, src, n);
  Log(PersistEvent::kStore, dst, n, src);
}

void Recorder::Flush(const void* dst, size_t n) {
  verbs_->Flush(dst, n);
  Log(PersistEvent::kFlush, dst, n, nullptr);
}

void Recorder::Drain() {
  verbs_->Drain();
  Log(PersistEvent::kDrain, base_, 0, nullptr);
}

void Recorder::CopyNt(void* dst, const void* src, size_t n) {
  verbs_->CopyNt(dst, src, n);
  Log(PersistEvent::kCopyNt, dst, n, dst);
}

void Recorder::ZeroNt(void* dst, size_t n) {
  verbs_->ZeroNt(dst, n);
  Log(PersistEvent::kZeroNt, dst, n, nullptr);
}

void Recorder::Log(PersistEvent kind, const void* dst, size_t n, const void* bytes) {
  assert(base_ != nullptr);
  absl::MutexLock lock(&mutex_);
  if (paused_) return;
  const auto offset = static_cast<uint64_t>(static_cast<const std::byte*>(dst) - base_);
  events_.push_back({kind, ThisThread(), offset, n, bytes_.size()});
  if (bytes != nullptr) {
    const auto* first = static_cast<const std::byte*>(bytes);
    bytes_.insert(bytes_.end(), first, first + n);
  }
}

void Recorder::Mark(uint64_t tag) {
  absl::MutexLock lock(&mutex_);
  if (!paused_) events_.push_back({PersistEvent::kMark, ThisThread(), 0, 0, tag});
}

void Recorder::Pause() {
  absl::MutexLock lock(&mutex_);
  paused_ = true;
}

void Recorder::Resume() {
  absl::MutexLock lock(&mutex_);
  paused_ = false;
}

void Recorder::Clear() {
  absl::MutexLock lock(&mutex_);
  events_.clear();
  bytes_.clear();
}

std::span<const RecordedEvent> Recorder::Events() const {
  absl::MutexLock lock(&mutex_);
  return events_;
}

std::span<const std::byte> Recorder::BytesOf(const RecordedEvent& event) const {
  assert(event.kind == PersistEvent::kStore || event.kind == PersistEvent::kCopyNt);
  absl::MutexLock lock(&mutex_);
  return std::span(bytes_).subspan(event.tag, event.length);
}

void Recorder::Apply(const RecordedEvent& event, std::span<std::byte> image, uint64_t from,
                     uint64_t count) const {
  const bool zero = event.kind == PersistEvent::kZeroNt;
  if (!zero && event.kind != PersistEvent::kStore && event.kind != PersistEvent::kCopyNt) return;
  const uint64_t begin = std::max(event.offset, from);
  const uint64_t limit = count > UINT64_MAX - from ? UINT64_MAX : from + count;
  const uint64_t end = std::min(event.offset + event.length, limit);
  if (begin >= end) return;
  if (zero) {
    std::memset(image.data() + begin, 0, end - begin);
  } else {
    std::memcpy(image.data() + begin, BytesOf(event).data() + (begin - event.offset), end - begin);
  }
}

}  // namespace holdfast::tests
