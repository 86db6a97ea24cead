// SPDX-License-Identifier: Apache-2.0
// What the opaque handles of holdfast.h stand for.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "client/address_space.h"
#include "client/gate.h"
#include "holdfast/holdfast.h"

/// An open file: owns its descriptors, its mappings and the dispatching thread, if there is one.
struct holdfast_file {
  int fd = -1;
  int region_fd = -1;
  uint64_t unit = 4096;  ///< in what units the region can be mapped, bytes
  int stop_fd = -1;      ///< eventfd that ends the dispatching thread
  std::thread dispatcher;

  std::mutex lock;  ///< guards the rest; never held while waiting for a gate
  std::vector<std::shared_ptr<holdfast_map>> maps;
  holdfast_event_fn on_event = nullptr;
  void* context = nullptr;
  /// Recalls that overtook the answer of the LEASE they are about; kept while a take is under way.
  std::vector<uint64_t> early_recalls;
  int takes_under_way = 0;
};

/// A mapped range. The address stays reserved from holdfast_map_range to holdfast_unmap; what lies
/// behind it comes and goes with the lease.
struct holdfast_map {
  holdfast_file* file = nullptr;
  uint64_t offset = 0;
  uint64_t length = 0;
  uint32_t flags = 0;
  holdfast::client::AddressSpace space;
  std::mutex taking;               ///< one thread at a time takes it again
  std::atomic<uint64_t> lease{0};  ///< 0: none
  holdfast::client::Gate gate;
};

namespace holdfast::client {

/// Leases the range and maps its layout at the reserved address. Negative errno.
int TakeMapping(holdfast_map& map);
/// Waits until nobody is inside, takes the memory away and returns the lease. Nothing unless
/// `lease` is still the mapping's; 0 = whatever it has.
void GiveBack(holdfast_map& map, Gate::State state, uint64_t lease);

}  // namespace holdfast::client
