// SPDX-License-Identifier: Apache-2.0
// A wake-up that several events may give and that happens once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace holdfast::daxcore {

/// Shared by every event source that may end one wait: the first `Fire` runs the function, later
/// ones do nothing. Thread-safe.
class WakeOnce {
 public:
  explicit WakeOnce(std::move_only_function<void()> wake) : wake_(std::move(wake)) {}

  void Fire() {
    if (!fired_.exchange(true, std::memory_order_acq_rel)) std::exchange(wake_, nullptr)();
  }
  bool fired() const { return fired_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> fired_{false};
  std::move_only_function<void()> wake_;
};

/// The waits that one event ends. Waits that ended otherwise are forgotten as the list grows, so it
/// stays within twice the live ones. Not thread-safe.
class WakeList {
 public:
  bool empty() const { return waits_.empty(); }
  void Add(std::shared_ptr<WakeOnce> wait) {
    if (waits_.size() >= purge_at_) {
      std::erase_if(waits_, [](const auto& w) { return w->fired(); });
      purge_at_ = 2 * waits_.size() + kSmall;
    }
    waits_.push_back(std::move(wait));
  }
  /// Everything on the list; fire it with no lock held.
  std::vector<std::shared_ptr<WakeOnce>> Take() { return std::exchange(waits_, {}); }

 private:
  static constexpr size_t kSmall = 8;
  std::vector<std::shared_ptr<WakeOnce>> waits_;
  size_t purge_at_ = kSmall;
};

inline void FireAll(const std::vector<std::shared_ptr<WakeOnce>>& waits) {
  for (const auto& wait : waits) wait->Fire();
}

}  // namespace holdfast::daxcore
