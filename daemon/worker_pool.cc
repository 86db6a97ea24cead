// SPDX-License-Identifier: Apache-2.0
// The queue and its threads.
#include "daemon/worker_pool.h"

#include <pthread.h>

#include <utility>

namespace holdfast::daemon {
namespace {

thread_local const WorkerPool* pool_of_this_thread = nullptr;

}  // namespace

void WorkerPool::Post(std::move_only_function<void()> job) {
  const absl::MutexLock hold(&mutex_);
  if (stopped_) return;
  jobs_.push_back(std::move(job));
  if (idle_ < jobs_.size() && threads_.size() < max_threads_) {
    threads_.emplace_back([this] { Work(); });
  }
}

void WorkerPool::RunOrPost(std::move_only_function<void()> job) {
  bool here = pool_of_this_thread == this;
  if (!here) {
    const absl::MutexLock hold(&mutex_);
    here = stopped_;
  }
  if (here) {
    job();
  } else {
    Post(std::move(job));
  }
}

void WorkerPool::Work() {
  pool_of_this_thread = this;
  pthread_setname_np(pthread_self(), "hf-worker");
  const auto wanted = [this]()
                          ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopped_ || !jobs_.empty(); };
  mutex_.Lock();
  for (;;) {
    ++idle_;
    mutex_.Await(absl::Condition(&wanted));
    --idle_;
    if (jobs_.empty()) break;
    {
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      mutex_.Unlock();
      job();
    }
    mutex_.Lock();
  }
  mutex_.Unlock();
}

void WorkerPool::Stop() {
  std::vector<std::thread> threads;
  {
    const absl::MutexLock hold(&mutex_);
    stopped_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

size_t WorkerPool::threads() const {
  const absl::MutexLock hold(&mutex_);
  return threads_.size();
}

}  // namespace holdfast::daemon
