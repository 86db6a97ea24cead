// SPDX-License-Identifier: Apache-2.0
// Queueing, merging and taking of events.
#include "daemon/event_queue.h"

#include <poll.h>

#include <algorithm>
#include <utility>

namespace holdfast::daemon {

void EventQueue::Push(const holdfast_event& event, Clock::time_point deadline) {
  Wake wake;
  {
    const absl::MutexLock hold(&mutex_);
    if (event.type == HOLDFAST_EVENT_RECALL && Widen(event)) return;
    if (items_.size() < kMost) {
      items_.push_back({event, deadline});
    } else {
      lost_ = true;
    }
    wake = std::exchange(wake_, nullptr);
  }
  if (wake) wake();
}

bool EventQueue::Widen(const holdfast_event& recall) {
  const auto found = std::ranges::find_if(items_, [&](const Item& item) {
    return item.event.type == HOLDFAST_EVENT_RECALL && item.event.lease == recall.lease;
  });
  if (found == items_.end()) return false;
  holdfast_event& queued = found->event;
  const uint64_t end = std::max(queued.offset + queued.length, recall.offset + recall.length);
  queued.offset = std::min(queued.offset, recall.offset);
  queued.length = end - queued.offset;
  return true;
}

EventQueue::Taken EventQueue::Take(size_t most, Clock::time_point now) {
  Taken taken;
  const absl::MutexLock hold(&mutex_);
  if (lost_ && most > 0) {
    lost_ = false;
    holdfast_event lost{};
    lost.type = HOLDFAST_EVENT_LOST;
    taken.events.push_back(lost);
  }
  while (!items_.empty() && taken.events.size() < most) {
    Item item = items_.front();
    items_.pop_front();
    if (item.event.type == HOLDFAST_EVENT_RECALL && item.deadline > now) {
      item.event.deadline_ms = static_cast<uint64_t>(
          std::chrono::ceil<std::chrono::milliseconds>(item.deadline - now).count());
    }
    taken.events.push_back(item.event);
  }
  taken.more = !items_.empty();
  return taken;
}

short EventQueue::Poll(Wake wake) {
  Wake last;  // outlives the lock
  const absl::MutexLock hold(&mutex_);
  if (wake) last = std::exchange(wake_, std::move(wake));
  short ready = lost_ ? POLLPRI : 0;
  for (const Item& item : items_) {
    const bool failure = item.event.type == HOLDFAST_EVENT_FAILURE;
    ready = static_cast<short>(ready | (failure ? POLLERR : POLLPRI));
  }
  return ready;
}

void EventQueue::Clear() {
  const absl::MutexLock hold(&mutex_);
  items_.clear();
  lost_ = false;
}

}  // namespace holdfast::daemon
