// SPDX-License-Identifier: Apache-2.0
// The lot: tickets, wake-ups and reruns.
#include "daemon/parking_lot.h"

#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace holdfast::daemon {
namespace {

struct Place {
  std::unique_ptr<ParkedRequest> request;
  // Until the request listens for everything that can wake it, a wake-up is only noted: a worker
  // that ran it at once could answer it while it is still being set up.
  bool ready = false;
  bool woken = false;
};

}  // namespace

struct ParkingLot::State : std::enable_shared_from_this<ParkingLot::State> {
  explicit State(WorkerPool& pool, ParkingLot& owner) : workers(pool), lot(owner) {}

  void Park(std::unique_ptr<ParkedRequest> request, std::shared_ptr<daxcore::Waitable> blocker);
  int Enter(std::unique_ptr<ParkedRequest>& request, uint64_t& ticket);
  int Settle(std::unique_ptr<ParkedRequest>& request, uint64_t ticket);
  void Wake(uint64_t ticket) {
    const absl::MutexLock hold(&mutex);
    WakeLocked(ticket);
  }
  void WakeLocked(uint64_t ticket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Rerun(std::unique_ptr<ParkedRequest> request);

  WorkerPool& workers;
  ParkingLot& lot;
  mutable absl::Mutex mutex;
  absl::flat_hash_map<uint64_t, Place> places ABSL_GUARDED_BY(mutex);
  uint64_t last_ticket ABSL_GUARDED_BY(mutex) = 0;
  int closed_with ABSL_GUARDED_BY(mutex) = 0;
};

void ParkingLot::State::Park(std::unique_ptr<ParkedRequest> request,
                             std::shared_ptr<daxcore::Waitable> blocker) {
  ParkedRequest* const raw = request.get();
  uint64_t ticket = 0;
  if (int closed = Enter(request, ticket); closed != 0) return request->Abandon(closed);
  raw->Listen(lot, ticket);
  blocker->OnReady([state = shared_from_this(), ticket] { state->Wake(ticket); });
  if (int closed = Settle(request, ticket); closed != 0) {
    request->StopListening();
    request->Abandon(closed);
  }
}

// Takes the request in, unless the lot is closed: then says with which error.
int ParkingLot::State::Enter(std::unique_ptr<ParkedRequest>& request, uint64_t& ticket) {
  const absl::MutexLock hold(&mutex);
  if (closed_with != 0) return closed_with;
  ticket = ++last_ticket;
  places[ticket].request = std::move(request);
  return 0;
}

// The request listens for everything now. If the lot was closed meanwhile, gives it back.
int ParkingLot::State::Settle(std::unique_ptr<ParkedRequest>& request, uint64_t ticket) {
  const absl::MutexLock hold(&mutex);
  const auto found = places.find(ticket);
  if (closed_with != 0) {
    request = std::move(found->second.request);
    places.erase(found);
    return closed_with;
  }
  found->second.ready = true;
  if (found->second.woken) WakeLocked(ticket);
  return 0;
}

void ParkingLot::State::WakeLocked(uint64_t ticket) {
  const auto found = places.find(ticket);
  if (found == places.end()) return;
  found->second.woken = true;
  if (!found->second.ready) return;
  auto request = std::move(found->second.request);
  places.erase(found);
  workers.Post([state = shared_from_this(), request = std::move(request)]() mutable {
    state->Rerun(std::move(request));
  });
}

void ParkingLot::State::Rerun(std::unique_ptr<ParkedRequest> request) {
  request->StopListening();
  if (auto blocker = request->Run()) Park(std::move(request), std::move(blocker));
}

ParkingLot::ParkingLot(WorkerPool& workers) : state_(std::make_shared<State>(workers, *this)) {}

ParkingLot::~ParkingLot() { Close(EINTR); }

void ParkingLot::Park(std::unique_ptr<ParkedRequest> request,
                      std::shared_ptr<daxcore::Waitable> blocker) {
  state_->Park(std::move(request), std::move(blocker));
}

void ParkingLot::Interrupt(uint64_t ticket) {
  const absl::MutexLock hold(&state_->mutex);
  const auto found = state_->places.find(ticket);
  if (found == state_->places.end()) return;
  found->second.request->Interrupt();
  state_->WakeLocked(ticket);
}

void ParkingLot::WakeAll() {
  const absl::MutexLock hold(&state_->mutex);
  std::vector<uint64_t> tickets;
  for (const auto& [ticket, place] : state_->places) tickets.push_back(ticket);
  for (const uint64_t ticket : tickets) state_->WakeLocked(ticket);
}

void ParkingLot::Close(int error) {
  std::vector<std::unique_ptr<ParkedRequest>> abandoned;
  {
    const absl::MutexLock hold(&state_->mutex);
    state_->closed_with = error;
    for (auto& [ticket, place] : state_->places) {
      // One that is still being set up is abandoned by who sets it up.
      if (place.ready) abandoned.push_back(std::move(place.request));
    }
    absl::erase_if(state_->places, [](const auto& entry) { return !entry.second.request; });
  }
  for (auto& request : abandoned) {
    request->StopListening();
    request->Abandon(error);
  }
}

size_t ParkingLot::size() const {
  const absl::MutexLock hold(&state_->mutex);
  return state_->places.size();
}

}  // namespace holdfast::daemon
