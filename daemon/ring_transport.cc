// SPDX-License-Identifier: Apache-2.0
// Starting with INIT, routing answers, and interrupts that meet their request or miss it.
#include "daemon/ring_transport.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "daemon/pending_signal.h"
#include "daemon/possible_cpus.h"
#include "daemon/ring_protocol.h"
#include "fmt/format.h"
#include "spdlog/spdlog.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::Result;

// One that is older belongs to a request that had ended before it came.
constexpr size_t kEarlyInterrupts = 64;
constexpr size_t kPage = 4096;
// Ids of our own, which no request of the kernel reaches; even, as its own are.
constexpr uint64_t kNudgeId = uint64_t{1} << 63;
constexpr uint64_t kIdStep = 2;
constexpr char kSwitch[] = "/sys/module/fuse/parameters/enable_uring";

fuse_out_header HeaderOf(std::span<const iovec> message) {
  fuse_out_header header;
  std::memcpy(&header, message[0].iov_base, sizeof(header));
  return header;
}

// What the kernel will demand of an entry's payload: see fuse_uring_create in the kernel.
size_t PayloadSize(const fuse_init_out& agreed) {
  return std::max(
      {size_t{FUSE_MIN_READ_BUFFER}, size_t{agreed.max_write}, size_t{agreed.max_pages} * kPage});
}

Result<void> WhyNotOffered() {
  if (!std::ifstream(kSwitch)) return Fail(EOPNOTSUPP, "this kernel has no FUSE over io_uring");
  return Fail(EOPNOTSUPP,
              fmt::format("the kernel's switch is off; on, as root: echo Y > {}", kSwitch));
}

}  // namespace

RingTransport::RingTransport(int device, unsigned workers_per_cpu, Handler handler)
    : device_(device), workers_per_cpu_(workers_per_cpu), handler_(std::move(handler)) {}

ssize_t RingTransport::Receive(void* buffer, size_t size) {
  const ssize_t received = read(device_, buffer, size);
  if (!settling_.load() ||
      received < static_cast<ssize_t>(sizeof(fuse_in_header) + sizeof(fuse_init_in))) {
    return received;
  }
  fuse_in_header header;
  std::memcpy(&header, buffer, sizeof(header));
  if (header.opcode != FUSE_INIT) return received;
  fuse_init_in init;
  std::memcpy(&init, static_cast<std::byte*>(buffer) + sizeof(header), sizeof(init));
  init_id_ = header.unique;
  offered_ = (init.flags & FUSE_INIT_EXT) != 0 && (init.flags2 & kInitOverIoUring) != 0;
  return received;
}

ssize_t RingTransport::Send(std::span<const iovec> message) {
  const fuse_out_header header = HeaderOf(message);
  if (settling_.load() && header.unique == init_id_) return AnswerInit(message);
  if (header.unique == 0 || !on_.load(std::memory_order_relaxed)) return SendToDevice(message);
  if ((header.unique & kInterruptBit) != 0) {
    const ssize_t sent = SendToDevice(message);
    if (sent < 0 && header.error == -EAGAIN) InterruptedTooEarly(header.unique & ~kInterruptBit);
    return static_cast<ssize_t>(header.len);
  }
  RingEntry* const entry = TakeEntry(header.unique);
  if (entry == nullptr) return SendToDevice(message);
  entry->Answer(message);
  entry->owner().Commit(*entry);
  return static_cast<ssize_t>(header.len);
}

ssize_t RingTransport::SendToDevice(std::span<const iovec> message) {
  return writev(device_, message.data(), static_cast<int>(message.size()));
}

// The kernel holds back all requests from INIT's answer on until every queue has an entry, so all
// that can fail is done before it; a failure after it makes the kernel go on over the device.
ssize_t RingTransport::AnswerInit(std::span<const iovec> message) {
  settling_.store(false);
  outcome_ = Agree(message);
  if (!outcome_) {
    workers_.clear();
    settled_.Notify();
    return SendToDevice(message);
  }
  std::vector<std::byte> agreed(message[1].iov_len);
  std::memcpy(agreed.data(), message[1].iov_base, agreed.size());
  auto& init = *reinterpret_cast<fuse_init_out*>(agreed.data());
  init.flags |= FUSE_INIT_EXT;
  init.flags2 |= kInitOverIoUring;
  const std::array<iovec, 2> answer = {message[0], {agreed.data(), agreed.size()}};
  on_.store(true);
  const ssize_t sent = SendToDevice(answer);
  if (sent >= 0) outcome_ = StartWorkers();
  settled_.Notify();
  return sent;
}

// Makes the workers, if the kernel offers rings and libfuse has agreed on a protocol that has them.
Result<void> RingTransport::Agree(std::span<const iovec> message) {
  if (!offered_) return WhyNotOffered();
  fuse_init_out agreed;
  if (HeaderOf(message).error != 0 || message.size() != 2 || message[1].iov_len < sizeof(agreed)) {
    return Fail(EPROTO, "libfuse did not agree on a protocol that has it");
  }
  std::memcpy(&agreed, message[1].iov_base, sizeof(agreed));
  return PrepareWorkers(PayloadSize(agreed));
}

// One for each CPU first: those the kernel insists on.
Result<void> RingTransport::PrepareWorkers(size_t payload_size) {
  HOLDFAST_ASSIGN(queues_, CountPossibleCpus());
  for (unsigned i = 0; i < workers_per_cpu_; ++i) {
    for (unsigned cpu = 0; cpu < queues_; ++cpu) {
      workers_.push_back(std::make_unique<RingWorker>(*this, device_, cpu, payload_size));
      HOLDFAST_TRY(workers_.back()->Prepare());
    }
  }
  return {};
}

// Those that did start stay: they may hold requests.
Result<void> RingTransport::StartWorkers() {
  for (size_t i = 0; i < workers_.size(); ++i) {
    auto started = workers_[i]->Start();
    if (started) continue;
    if (i < queues_) return started;
    spdlog::warn("fewer threads serve rings than wanted: {}", started.error().Text());
    break;
  }
  return {};
}

Result<void> RingTransport::WaitUntilSettled(absl::Duration timeout) {
  if (!settled_.WaitForNotificationWithTimeout(timeout)) {
    return Fail(ETIMEDOUT, "the kernel asked for nothing");
  }
  return outcome_;
}

void RingTransport::Stop() {
  for (const auto& worker : workers_) worker->Stop();
}

RingEntry* RingTransport::FindServedLocked(uint64_t id) {
  for (const auto& worker : workers_) {
    if (RingEntry* const entry = worker->Serving(id)) return entry;
  }
  return nullptr;
}

// Whose answer this is, once: on the worker's thread nobody else can answer; elsewhere the request
// is either kept, or its worker is still busy with it and cannot keep it before we let go.
RingEntry* RingTransport::TakeEntry(uint64_t id) {
  if (RingWorker* const worker = RingWorker::Current()) {
    if (RingEntry* const entry = worker->Serving(id)) return entry;
  }
  const absl::MutexLock hold(&mutex_);
  if (const auto found = kept_.find(id); found != kept_.end()) {
    RingEntry* const entry = found->second;
    kept_.erase(found);
    return entry;
  }
  RingEntry* const entry = FindServedLocked(id);
  if (entry != nullptr) kept_[id] = nullptr;  // answered already, when its worker wants to keep it
  return entry;
}

void RingTransport::Keep(RingEntry& entry, absl::FunctionRef<void()> kept) {
  const uint64_t id = entry.id();
  bool interrupted = false;
  {
    const absl::MutexLock hold(&mutex_);
    const auto [place, waits] = kept_.try_emplace(id, &entry);
    if (!waits) kept_.erase(place);
    interrupted = waits && std::erase(early_interrupts_, id) != 0;
    kept();
    if (!waits) return;
  }
  // The kernel forgets an interrupt from before it handed the request to us; the signal is pending
  // until the caller has our answer.
  if (interrupted || HasPendingSignal(entry.caller())) Interrupt(id);
}

void RingTransport::CannotKeep(uint64_t id, const daxcore::Error& why) {
  spdlog::warn("a waiting request is interrupted, there is no room for more: {}", why.Text());
  Interrupt(id);
}

// The kernel answers FUSE_NOTIFY_RETRIEVE, here for no bytes of the file, with a request.
void RingTransport::Nudge(uint64_t node) {
  fuse_notify_retrieve_out retrieve{};
  retrieve.notify_unique = kNudgeId + nudges_.fetch_add(1, std::memory_order_relaxed) * kIdStep;
  retrieve.nodeid = node;
  fuse_out_header header{};
  header.len = sizeof(header) + sizeof(retrieve);
  header.error = FUSE_NOTIFY_RETRIEVE;
  const std::array<iovec, 2> message = {{{&header, sizeof(header)}, {&retrieve, sizeof(retrieve)}}};
  // Of another kind of inode, or of one that is just being forgotten, the kernel wants nothing.
  if (SendToDevice(message) < 0) spdlog::debug("nudging by inode {}: {}", node, strerror(errno));
}

// libfuse did not know the request and asks the kernel to repeat the interrupt; but the kernel
// looks for it among the requests of the device only. So it is kept here until the request comes.
void RingTransport::InterruptedTooEarly(uint64_t id) {
  {
    const absl::MutexLock hold(&mutex_);
    const auto found = kept_.find(id);
    const bool here = found != kept_.end()
                          ? found->second != nullptr
                          : std::ranges::any_of(workers_, [id](const auto& worker) {
                              return worker->IsServing(id);
                            });
    if (!here) {
      early_interrupts_.push_back(id);
      if (early_interrupts_.size() > kEarlyInterrupts) early_interrupts_.pop_front();
      return;
    }
  }
  Interrupt(id);
}

void RingTransport::Interrupt(uint64_t id) {
  struct {
    fuse_in_header header{};
    fuse_interrupt_in interrupt{};
  } message;
  message.header.len = sizeof(message);
  message.header.opcode = FUSE_INTERRUPT;
  message.header.unique = id | kInterruptBit;
  message.interrupt.unique = id;
  handler_(std::as_writable_bytes(std::span(&message, 1)));
}

}  // namespace holdfast::daemon
