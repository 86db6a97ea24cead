// SPDX-License-Identifier: Apache-2.0
// Who is inside a mapping, and whether it may be entered.
#pragma once

#include <condition_variable>
#include <mutex>

namespace holdfast::client {

/// Counts the threads inside a mapping and keeps them out while it is taken away. Thread-safe.
class Gate {
 public:
  enum class State {
    kOpen,    ///< mapped: enter
    kAway,    ///< given back; may be taken again
    kGone,    ///< given back for good (ESTALE)
    kFailed,  ///< its memory failed (EIO)
  };

  /// Counts the caller in if open; returns the state it found.
  State Enter() {
    std::unique_lock held(lock_);
    if (state_ == State::kOpen) ++inside_;
    return state_;
  }
  void Leave() {
    std::unique_lock held(lock_);
    if (--inside_ == 0) empty_.notify_all();
  }
  /// Lets nobody in any more and waits until nobody is inside.
  void Close(State state) {
    std::unique_lock held(lock_);
    state_ = state;
    empty_.wait(held, [this] { return inside_ == 0; });
  }
  void Open() {
    std::unique_lock held(lock_);
    state_ = State::kOpen;
  }
  State state() const {
    std::unique_lock held(lock_);
    return state_;
  }

 private:
  mutable std::mutex lock_;
  std::condition_variable empty_;
  int inside_ = 0;
  State state_ = State::kAway;
};

}  // namespace holdfast::client
