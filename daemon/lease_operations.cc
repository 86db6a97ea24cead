// SPDX-License-Identifier: Apache-2.0
// What direct clients ask: layouts, leases, pins, events, and poll for them.
#include <poll.h>

#include <memory>
#include <utility>
#include <vector>

#include "client/include/holdfast/ioctl.h"
#include "daemon/ioctl_request.h"
#include "daemon/operations.h"
#include "fsmeta/direct_access.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::Holder;
using daxcore::Result;
using fsmeta::LayoutPiece;

pid_t ThreadOf(const Call& call) { return fuse_req_ctx(call.request())->pid; }

uint32_t StateOf(LayoutPiece::State state) {
  switch (state) {
    case LayoutPiece::State::kHole:
      return HOLDFAST_HOLE;
    case LayoutPiece::State::kUnwritten:
      return HOLDFAST_UNWRITTEN;
    case LayoutPiece::State::kWritten:
      return HOLDFAST_WRITTEN;
    case LayoutPiece::State::kShared:
      return HOLDFAST_SHARED;
  }
  return HOLDFAST_HOLE;
}

// -- Layout.

Result<std::vector<LayoutPiece>> PiecesOf(Call& call, Handle handle, const holdfast_layout& in) {
  if (in.lease == 0) {
    const uint64_t length = in.length == 0 ? kLargestOffset - in.offset : in.length;
    return call.filesystem().Layout(call.ino(), in.offset, length, HOLDFAST_LAYOUT_MAX);
  }
  HOLDFAST_ASSIGN(const Holder holder, call.service().direct().Find(handle, ThreadOf(call)));
  return call.filesystem().direct().Layout(call.ino(), holder.session, daxcore::LeaseId(in.lease),
                                           in.offset, in.length, HOLDFAST_LAYOUT_MAX);
}

Result<IoctlAnswer> ShowLayout(Call& call, Handle handle, const holdfast_layout& in) {
  HOLDFAST_TRY(CheckFlags(in.flags, 0));
  if (in.reserved != 0 || in.offset >= kLargestOffset) return Fail(EINVAL);
  if (in.length != 0) HOLDFAST_TRY(CheckRange(in.offset, in.length));
  HOLDFAST_ASSIGN(const auto pieces, PiecesOf(call, handle, in));
  holdfast_layout out = in;
  out.count = static_cast<uint32_t>(pieces.size());
  const uint64_t asked = in.length == 0 ? kLargestOffset : in.offset + in.length;
  out.next = pieces.empty() ? asked : pieces.back().file_offset + pieces.back().length;
  for (size_t i = 0; i < pieces.size(); ++i) {
    out.extents[i] = {pieces[i].file_offset, pieces[i].region_offset, pieces[i].length,
                      StateOf(pieces[i].state), 0};
  }
  return Answer(out);
}

// -- Leases and pins.

// Dirty pages of the kernel's could be written over what a client stores itself.
Result<void> CheckDirectAllowed(const Call& call) {
  if (call.service().features().writeback_cache) return Fail(EOPNOTSUPP);
  return {};
}

// From now on a client may store through `handle`; to be ready for that, times and blocks changed.
void Stored(const Call& call, DirectSessions& sessions, Handle handle) {
  sessions.MarkStoring(handle);
  call.service().InvalidateSoon(call.ino());
}

Result<IoctlAnswer> Lease(Call& call, Handle handle, const holdfast_lease& in) {
  HOLDFAST_TRY(CheckDirectAllowed(call));
  HOLDFAST_TRY(CheckFlags(in.flags, HOLDFAST_LEASE_WRITE | HOLDFAST_LEASE_EXCLUSIVE));
  if (in.reserved != 0 || in.lease != 0) return Fail(EINVAL);
  HOLDFAST_TRY(CheckRange(in.offset, in.length));
  const bool write = (in.flags & HOLDFAST_LEASE_WRITE) != 0;
  if (write ? !handle.writable() : !handle.readable()) return Fail(EBADF);
  DirectSessions& sessions = call.service().direct();
  HOLDFAST_ASSIGN(const Holder holder, sessions.Enter(handle, call.ino(), ThreadOf(call)));
  const fsmeta::LeaseWish wish{.offset = in.offset,
                               .length = in.length,
                               .write = write,
                               .exclusive = (in.flags & HOLDFAST_LEASE_EXCLUSIVE) != 0};
  HOLDFAST_ASSIGN(const daxcore::LeaseId lease,
                  call.filesystem().direct().Lease(call.context(handle), call.ino(), holder, wish));
  if (write) Stored(call, sessions, handle);
  holdfast_lease out = in;
  out.lease = lease.value();
  out.break_seconds = static_cast<uint32_t>(
      std::chrono::ceil<std::chrono::seconds>(call.service().options().layout.break_time).count());
  return Answer(out);
}

Result<void> GiveBack(Call& call, Handle handle, const holdfast_lease& in) {
  HOLDFAST_TRY(CheckFlags(in.flags, 0));
  if (in.reserved != 0) return Fail(EINVAL);
  if (in.length != 0) HOLDFAST_TRY(CheckRange(in.offset, in.length));
  DirectSessions& sessions = call.service().direct();
  HOLDFAST_ASSIGN(const Holder holder, sessions.Find(handle, ThreadOf(call)));
  return call.filesystem().direct().Return(call.ino(), holder.session, daxcore::LeaseId(in.lease),
                                           in.offset, in.length);
}

Result<IoctlAnswer> Pin(Call& call, Handle handle, const holdfast_pin& in) {
  HOLDFAST_TRY(CheckDirectAllowed(call));
  HOLDFAST_TRY(CheckFlags(in.flags, HOLDFAST_PIN_LONG_TERM | HOLDFAST_PIN_WRITE));
  if (in.pin != 0) return Fail(EINVAL);
  HOLDFAST_TRY(CheckRange(in.offset, in.length));
  const bool write = (in.flags & HOLDFAST_PIN_WRITE) != 0;
  if (write ? !handle.writable() : !handle.readable()) return Fail(EBADF);
  DirectSessions& sessions = call.service().direct();
  HOLDFAST_ASSIGN(const Holder holder, sessions.Enter(handle, call.ino(), ThreadOf(call)));
  const fsmeta::PinWish wish{.offset = in.offset,
                             .length = in.length,
                             .write = write,
                             .long_term = (in.flags & HOLDFAST_PIN_LONG_TERM) != 0};
  HOLDFAST_ASSIGN(const daxcore::PinId pin,
                  call.filesystem().direct().Pin(call.context(handle), call.ino(), holder, wish));
  if (write) Stored(call, sessions, handle);
  holdfast_pin out = in;
  out.pin = pin.value();
  return Answer(out);
}

Result<void> EndPin(Call& call, Handle handle, const holdfast_pin& in) {
  HOLDFAST_TRY(CheckFlags(in.flags, 0));
  HOLDFAST_ASSIGN(const Holder holder, call.service().direct().Find(handle, ThreadOf(call)));
  return call.filesystem().direct().Unpin(call.ino(), holder.session, daxcore::PinId(in.pin));
}

// `end` gives up a right to store, perhaps. What the kernel knows of the file is dropped soon
// after, or, for kernels that cache what they read, before the answer: whoever reads then must find
// what was stored.
template <typename In, Result<void> (*end)(Call&, Handle, const In&)>
Result<IoctlAnswer> End(Call& call, Handle handle, const In& in) {
  HOLDFAST_TRY(end(call, handle, in));
  if (call.service().direct().IsStoring(handle)) call.service().InvalidateSoon(call.ino());
  return IoctlAnswer{};
}

template <typename In, Result<void> (*end)(Call&, Handle, const In&)>
Result<FileChanged> EndCached(Call& call, Handle handle, const In& in) {
  HOLDFAST_TRY(end(call, handle, in));
  return FileChanged{call.ino()};
}

template <typename In, Result<void> (*end)(Call&, Handle, const In&)>
void ServeEnd(const IoctlRequest& ioctl) {
  Service& service = ServiceOf(ioctl.request);
  if (!service.features().direct_io && service.direct().IsStoring(ioctl.handle)) {
    ServeStruct<In>(ioctl, EndCached<In, end>);
  } else {
    ServeStruct<In>(ioctl, End<In, end>);
  }
}

// Before a client stores to a file, what the kernel has of it is written back.
template <typename In, typename Work>
void ServeMaybeStoring(const IoctlRequest& ioctl, uint32_t storing, Work work) {
  const auto in = Decode<In>(ioctl);
  if (!in) return;
  if ((in->flags & storing) != 0) {
    ServeChange(ioctl, std::nullopt, *in, work);
  } else {
    Serve(ioctl.request, Op::kIoctl, ioctl.ino, work, ioctl.handle, *in);
  }
}

// -- Events.

Result<IoctlAnswer> TakeEvents(Call& call, Handle handle, const holdfast_events& in) {
  HOLDFAST_TRY(CheckFlags(in.flags, 0));
  HOLDFAST_ASSIGN(const auto taken,
                  call.service().direct().TakeEvents(handle, ThreadOf(call), HOLDFAST_EVENTS_MAX));
  holdfast_events out{};
  out.size = sizeof(out);
  out.count = static_cast<uint32_t>(taken.events.size());
  out.more = taken.more ? 1 : 0;
  std::ranges::copy(taken.events, out.events);
  return Answer(out);
}

// Wakes whoever polls, once.
class PollWaiter {
 public:
  explicit PollWaiter(fuse_pollhandle* waiter) : waiter_(waiter, fuse_pollhandle_destroy) {}
  void operator()() { fuse_lowlevel_notify_poll(waiter_.get()); }

 private:
  std::unique_ptr<fuse_pollhandle, void (*)(fuse_pollhandle*)> waiter_;
};

// As any regular file, it can be read and written without waiting.
void OnPoll(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file, fuse_pollhandle* waiter) {
  constexpr int kAlways = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  EventQueue::Wake wake;
  if (waiter != nullptr) wake = PollWaiter(waiter);
  const short ready = ServiceOf(request).direct().Poll(Handle(file->fh), Ino(ino), std::move(wake));
  fuse_reply_poll(request, static_cast<unsigned>(kAlways | ready));
}

}  // namespace

void OnLayout(const IoctlRequest& ioctl) { ServeStruct<holdfast_layout>(ioctl, ShowLayout); }

void OnLease(const IoctlRequest& ioctl) {
  ServeMaybeStoring<holdfast_lease>(ioctl, HOLDFAST_LEASE_WRITE, Lease);
}

void OnPin(const IoctlRequest& ioctl) {
  ServeMaybeStoring<holdfast_pin>(ioctl, HOLDFAST_PIN_WRITE, Pin);
}

void OnReturn(const IoctlRequest& ioctl) { ServeEnd<holdfast_lease, GiveBack>(ioctl); }
void OnUnpin(const IoctlRequest& ioctl) { ServeEnd<holdfast_pin, EndPin>(ioctl); }
void OnEvents(const IoctlRequest& ioctl) { ServeStruct<holdfast_events>(ioctl, TakeEvents); }

void AddPollOperation(fuse_lowlevel_ops& operations) { operations.poll = OnPoll; }

}  // namespace holdfast::daemon
