// SPDX-License-Identifier: Apache-2.0
// The worker's ring: registering entries, serving requests, giving answers back.
#include "daemon/ring_worker.h"

#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <system_error>
#include <utility>

#include "daemon/ring_transport.h"
#include "fmt/format.h"
#include "spdlog/spdlog.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::FailErrno;
using daxcore::Result;

constexpr unsigned kSubmissions = 64;
constexpr size_t kCompletionsAtOnce = 32;
// Tags of what is not an entry's completion; entries are tagged with their address.
constexpr uint64_t kWakeUpTag = 1;
// Where a big submission has its 80 bytes for the driver.
constexpr size_t kCommandOffset = 48;

thread_local RingWorker* worker_of_this_thread = nullptr;

// Whoever asks runs on this CPU: answering there spares waking another one. Where the CPU is not
// ours to use the thread runs anywhere.
void BindToCpu(unsigned cpu) {
  cpu_set_t* const set = CPU_ALLOC(cpu + 1);
  if (set == nullptr) return;
  const size_t size = CPU_ALLOC_SIZE(cpu + 1);
  CPU_ZERO_S(size, set);
  CPU_SET_S(cpu, size, set);
  pthread_setaffinity_np(pthread_self(), size, set);
  CPU_FREE(set);
}

}  // namespace

RingWorker::RingWorker(RingTransport& transport, int device, unsigned cpu, size_t payload_size)
    : transport_(transport), device_(device), cpu_(cpu), payload_size_(payload_size) {}

RingWorker* RingWorker::Current() { return worker_of_this_thread; }

Result<void> RingWorker::Prepare() {
  event_ = FileDescriptor(eventfd(0, EFD_CLOEXEC));
  if (!event_) return FailErrno(errno, "cannot make", "an event descriptor");
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return FailErrno(error.code().value(), "cannot start", "a thread for io_uring");
  }
  prepared_.WaitForNotification();
  return outcome_;
}

Result<void> RingWorker::Start() {
  may_start_.Notify();
  started_.WaitForNotification();
  return outcome_;
}

void RingWorker::Stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  if (!may_start_.HasBeenNotified()) may_start_.Notify();
  WakeUp();
  thread_.join();
}

void RingWorker::Run() {
  worker_of_this_thread = this;
  pthread_setname_np(pthread_self(), fmt::format("hf-ring-{}", cpu_).c_str());
  BindToCpu(cpu_);
  outcome_ = MakeRing();
  if (outcome_) {
    outcome_ = MakeEntry();
    if (!outcome_) io_uring_queue_exit(&ring_);
  }
  const bool made = outcome_.has_value();
  prepared_.Notify();
  if (!made) return;
  may_start_.WaitForNotification();
  if (!stopping_.load()) {
    outcome_ = RegisterFirst();
    const bool registered = outcome_.has_value();
    started_.Notify();
    if (registered) Loop();
  }
  // On the thread that submitted: that takes the kernel's hands off the entries at once.
  io_uring_queue_exit(&ring_);
}

Result<void> RingWorker::MakeRing() {
  io_uring_params params{};
  // Completions are delivered when this thread, the only one that submits, asks for them.
  params.flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  if (const int made = io_uring_queue_init_params(kSubmissions, &ring_, &params); made < 0) {
    return FailErrno(-made, "cannot make", "an io_uring");
  }
  if (const int taken = io_uring_register_files(&ring_, &device_, 1); taken < 0) {
    io_uring_queue_exit(&ring_);
    return FailErrno(-taken, "cannot give an io_uring", "the FUSE channel");
  }
  return {};
}

Result<void> RingWorker::MakeEntry() {
  HOLDFAST_ASSIGN(auto entry, RingEntry::Create(*this, payload_size_));
  entries_.push_back(std::move(entry));
  return {};
}

// A registration that fails completes at once; one that does not may complete with a request.
Result<void> RingWorker::RegisterFirst() {
  Submit(*entries_.front(), RingCommandCode::kRegister);
  ListenForWakeUps();
  io_uring_submit(&ring_);
  unsigned head = 0;
  io_uring_cqe* completion = nullptr;
  io_uring_for_each_cqe(&ring_, head, completion) {
    if (completion->user_data != kWakeUpTag && completion->res < 0) {
      return FailErrno(-completion->res, "the kernel does not take", "a ring entry");
    }
  }
  return {};
}

void RingWorker::Loop() {
  while (!stopping_.load(std::memory_order_relaxed)) {
    const int submitted = io_uring_submit_and_wait(&ring_, 1);
    if (submitted < 0 && submitted != -EINTR && submitted != -EAGAIN && submitted != -EBUSY) {
      spdlog::error("the ring of CPU {}: {}", cpu_, strerror(-submitted));
      return;
    }
    HandleCompletions();
  }
}

void RingWorker::HandleCompletions() {
  struct Completion {
    uint64_t tag;
    int result;
  };
  std::array<Completion, kCompletionsAtOnce> completions;
  size_t count = 0;
  unsigned head = 0;
  io_uring_cqe* completion = nullptr;
  io_uring_for_each_cqe(&ring_, head, completion) {
    if (count == completions.size()) break;
    completions[count++] = {completion->user_data, completion->res};
  }
  io_uring_cq_advance(&ring_, static_cast<unsigned>(count));
  for (size_t i = 0; i < count; ++i) {
    Complete(completions[i].tag, completions[i].result);
    // One answer does not wait for the next request's; the last is submitted with the wait.
    if (i + 1 < count) io_uring_submit(&ring_);
  }
}

void RingWorker::Complete(uint64_t tag, int result) {
  if (tag == kWakeUpTag) {
    CommitLate();
    ListenForWakeUps();
    return;
  }
  auto& entry = *reinterpret_cast<RingEntry*>(tag);
  if (result == 0) return Serve(entry);
  // The mount has ended: the loop over the device sees that too and tells everybody.
  if (result == -ENOTCONN || result == -ECONNABORTED || result == -ECANCELED) return;
  spdlog::error("the kernel gives up an entry of CPU {}'s ring: {}", cpu_, strerror(-result));
}

void RingWorker::Serve(RingEntry& entry) {
  auto message = entry.Message();
  if (!message) {
    spdlog::error("CPU {}: {}", cpu_, message.error().Text());
    entry.AnswerError(message.error().code);
    return Submit(entry, RingCommandCode::kCommitAndFetch);
  }
  if (entry.operation() == FUSE_NOTIFY_REPLY) {  // of Nudge: only its commit matters
    entry.AnswerError(0);
    return Submit(entry, RingCommandCode::kCommitAndFetch);
  }
  answered_ = false;
  serving_ = &entry;
  serving_id_.store(entry.id(), std::memory_order_release);
  transport_.Handle(*message);
  if (answered_) {
    serving_id_.store(0, std::memory_order_release);
  } else {
    Keep(entry);
  }
}

// The transport's lock is what other threads' answers take: from now on they find the request, or
// have found it already, among those that are kept.
void RingWorker::Keep(RingEntry& entry) {
  const uint64_t node = entry.node();  // once it is kept, it may be answered any time
  const uint64_t id = entry.id();
  ++kept_;
  transport_.Keep(entry, [this] { serving_id_.store(0, std::memory_order_release); });
  if (kept_ < entries_.size()) return;
  if (auto made = MakeEntry(); !made) {
    return transport_.CannotKeep(id, made.error());
  }
  Submit(*entries_.back(), RingCommandCode::kRegister);
  // A new entry is not given what has queued up meanwhile: only a commit fetches that.
  io_uring_submit(&ring_);
  transport_.Nudge(node);
}

bool RingWorker::IsServing(uint64_t id) const {
  return serving_id_.load(std::memory_order_acquire) == id;
}

RingEntry* RingWorker::Serving(uint64_t id) const { return IsServing(id) ? serving_ : nullptr; }

void RingWorker::Commit(RingEntry& entry) {
  if (Current() == this && &entry == serving_ && IsServing(entry.id())) {
    answered_ = true;
    return Submit(entry, RingCommandCode::kCommitAndFetch);
  }
  bool first = false;
  {
    const absl::MutexLock hold(&late_mutex_);
    first = late_.empty();
    late_.push_back(&entry);
  }
  if (first) WakeUp();
}

void RingWorker::CommitLate() {
  std::vector<RingEntry*> answered;
  {
    const absl::MutexLock hold(&late_mutex_);
    answered.swap(late_);
  }
  for (RingEntry* entry : answered) {
    Submit(*entry, RingCommandCode::kCommitAndFetch);
    --kept_;
  }
}

void RingWorker::Submit(RingEntry& entry, RingCommandCode code) {
  io_uring_sqe* const submission = NextSubmission();
  io_uring_prep_rw(IORING_OP_URING_CMD, submission, 0, nullptr, 0, 0);
  submission->flags = IOSQE_FIXED_FILE;
  submission->cmd_op = static_cast<uint32_t>(code);
  submission->user_data = reinterpret_cast<uint64_t>(&entry);
  RingCommand command{};
  command.queue = static_cast<uint16_t>(cpu_);
  if (code == RingCommandCode::kRegister) {
    submission->addr = reinterpret_cast<uint64_t>(entry.pieces().data());
    submission->len = static_cast<uint32_t>(entry.pieces().size());
  } else {
    command.commit_id = entry.id();
  }
  std::memcpy(reinterpret_cast<std::byte*>(submission) + kCommandOffset, &command, sizeof(command));
}

io_uring_sqe* RingWorker::NextSubmission() {
  for (;;) {
    if (io_uring_sqe* free = io_uring_get_sqe(&ring_)) return free;
    io_uring_submit(&ring_);
  }
}

void RingWorker::ListenForWakeUps() {
  io_uring_sqe* const submission = NextSubmission();
  io_uring_prep_read(submission, event_.get(), &wake_ups_, sizeof(wake_ups_), 0);
  submission->user_data = kWakeUpTag;
}

void RingWorker::WakeUp() {
  const uint64_t one = 1;
  // Only a full counter could refuse, and then the worker is being woken up already.
  (void)!write(event_.get(), &one, sizeof(one));
}

}  // namespace holdfast::daemon
