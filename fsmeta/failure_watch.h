// SPDX-License-Identifier: Apache-2.0
// The thread that hears of bad pages as they are met, and tells their owners.
#pragma once

#include <memory>
#include <thread>

#include "daxcore/media_failure.h"
#include "daxcore/result.h"

namespace holdfast::fsmeta {

/// Owns a thread that reports every bad page that somebody meets, from its start to its end, by
/// MediaFailure::NotifyMet. Whoever met the page has had its EIO by then, or is about to. Made and
/// destroyed by one thread. Nothing of it survives a crash.
class FailureWatch {
 public:
  /// `failure` outlives the watch and has its holder attached as long as the watch lives. EMFILE
  /// and the like.
  static daxcore::Result<std::unique_ptr<FailureWatch>> Start(daxcore::MediaFailure& failure);
  /// Waits for the report that is under way.
  ~FailureWatch();
  FailureWatch(const FailureWatch&) = delete;
  FailureWatch& operator=(const FailureWatch&) = delete;

 private:
  FailureWatch(daxcore::MediaFailure& failure, int stop) : failure_(failure), stop_(stop) {}
  void Run();
  void Report();

  daxcore::MediaFailure& failure_;
  const int stop_;  // eventfd
  std::thread thread_;
};

}  // namespace holdfast::fsmeta
