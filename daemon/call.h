// SPDX-License-Identifier: Apache-2.0
// One request from decoding to reply, however often it has to run.
#pragma once

#include <fuse_lowlevel.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "daemon/metrics.h"
#include "daemon/parking_lot.h"
#include "daemon/reply.h"
#include "daemon/service.h"
#include "daxcore/break_attempt.h"
#include "daxcore/result.h"
#include "fsmeta/attributes.h"

namespace holdfast::daemon {

/// The service behind a request.
inline Service& ServiceOf(fuse_req_t request) {
  return *static_cast<Service*>(fuse_req_userdata(request));
}

/// What stays with a request over its reruns. Movable; belongs to the thread that runs the request.
class Call {
 public:
  Call(fuse_req_t request, Op op, Ino ino)
      : service_(&ServiceOf(request)),
        request_(request),
        op_(op),
        ino_(ino),
        started_(std::chrono::steady_clock::now()) {}

  Service& service() const { return *service_; }
  fsmeta::Filesystem& filesystem() const { return service_->filesystem(); }
  fuse_req_t request() const { return request_; }
  Ino ino() const { return ino_; }

  /// The caller's identity, and what lets the operation wait. `handle`: the open file it came
  /// through; leases taken by that one are not in its way.
  const fsmeta::OpContext& context(Handle handle = {});
  void Interrupt();

  /// Sends the reply and counts the request.
  template <typename Answer>
  void Finish(daxcore::Result<Answer> result) {
    Account(result ? nullptr : &result.error());
    if constexpr (std::is_void_v<Answer>) {
      if (result) return Reply(*service_, request_, Done{});
    } else {
      if (result) return Reply(*service_, request_, *result);
    }
    ReplyError(result.error());
  }
  void FinishWithErrno(int error) { Finish<Done>(daxcore::Fail(error)); }

 private:
  void Account(const daxcore::Error* error);
  void ReplyError(const daxcore::Error& error);

  Service* service_;
  fuse_req_t request_;
  Op op_;
  Ino ino_;
  std::chrono::steady_clock::time_point started_;
  fsmeta::OpContext context_;
  std::unique_ptr<daxcore::BreakAttempt> attempt_;
};

/// How an argument is kept while its request is parked: what points into the request's buffer is
/// copied.
template <typename T>
struct Kept {
  using Type = T;
};
template <>
struct Kept<std::string_view> {
  using Type = std::string;
};
template <>
struct Kept<std::span<const std::byte>> {
  using Type = std::vector<std::byte>;
};

/// A request of any operation in the parking lot.
template <typename Work, typename... Args>
class ParkedCall final : public ParkedRequest {
 public:
  ParkedCall(Call call, Work work, const Args&... args)
      : call_(std::move(call)), work_(std::move(work)), args_(Keep(args)...) {}

  std::shared_ptr<daxcore::Waitable> Run() override {
    auto result =
        std::apply([&](const auto&... kept) { return work_(call_, Args(kept)...); }, args_);
    if (!result && result.error().blocked()) return std::move(result.error().wait);
    call_.Finish(std::move(result));
    return nullptr;
  }

  void Listen(ParkingLot& lot, uint64_t ticket) override {
    lot_ = &lot;
    ticket_ = ticket;
    fuse_req_interrupt_func(call_.request(), &ParkedCall::OnInterrupt, this);
  }
  void StopListening() override { fuse_req_interrupt_func(call_.request(), nullptr, nullptr); }
  void Interrupt() override { call_.Interrupt(); }
  void Abandon(int error) override { call_.FinishWithErrno(error); }

 private:
  template <typename T>
  static typename Kept<T>::Type Keep(const T& value) {
    if constexpr (std::is_same_v<T, std::span<const std::byte>>) {
      return {value.begin(), value.end()};
    } else {
      return typename Kept<T>::Type(value);
    }
  }
  static void OnInterrupt(fuse_req_t /*request*/, void* self) {
    auto* parked = static_cast<ParkedCall*>(self);
    parked->lot_->Interrupt(parked->ticket_);
  }

  Call call_;
  Work work_;
  std::tuple<typename Kept<Args>::Type...> args_;
  ParkingLot* lot_ = nullptr;
  uint64_t ticket_ = 0;
};

/// Runs `work(call, args...)`, a Result of something that Reply knows, and answers. If it is
/// blocked, the request is parked, with copies of its arguments, and no thread is held (rule L3).
template <typename Work, typename... Args>
void Serve(fuse_req_t request, Op op, Ino ino, Work work, Args... args) {
  Call call(request, op, ino);
  auto result = work(call, args...);
  if (result || !result.error().blocked()) [[likely]] {
    return call.Finish(std::move(result));
  }
  Service& service = call.service();
  service.metrics().parked.fetch_add(1, std::memory_order_relaxed);
  service.parking_lot().Park(
      std::make_unique<ParkedCall<Work, Args...>>(std::move(call), std::move(work), args...),
      std::move(result.error().wait));
}

}  // namespace holdfast::daemon
