// SPDX-License-Identifier: Apache-2.0
// The same lock of two inodes.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/types.h"

namespace holdfast::fsmeta {

/// Holds one kind of lock (I/O, metadata) of two inodes, exclusive, taken by inode number; one lock
/// if they are the same inode. Which comes first is known at run time only, so clang's analysis is
/// told, not shown, what the body does.
class ABSL_SCOPED_LOCKABLE LockPair {
 public:
  LockPair(daxcore::Ino a_ino, absl::Mutex& a, daxcore::Ino b_ino, absl::Mutex& b)
      ABSL_EXCLUSIVE_LOCK_FUNCTION(a, b) ABSL_NO_THREAD_SAFETY_ANALYSIS
      : first_(a_ino <= b_ino ? a : b),
        second_(a_ino == b_ino ? nullptr : (a_ino < b_ino ? &b : &a)) {
    first_.Lock();
    if (second_ != nullptr) second_->Lock();
  }
  ~LockPair() ABSL_UNLOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    if (second_ != nullptr) second_->Unlock();
    first_.Unlock();
  }
  LockPair(const LockPair&) = delete;
  LockPair& operator=(const LockPair&) = delete;

 private:
  absl::Mutex& first_;
  absl::Mutex* const second_;
};

}  // namespace holdfast::fsmeta
