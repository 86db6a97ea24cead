// SPDX-License-Identifier: Apache-2.0
// Mappings: lease, layout, mmap of the region piece by piece; giving back; entering.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "client/cache_flush.h"
#include "client/file.h"
#include "client/map_plan.h"
#include "client/message.h"

namespace holdfast::client {
namespace {

std::string RangeText(const holdfast_map& map) {
  return "[" + std::to_string(map.offset) + ", " + std::to_string(map.offset + map.length) + ")";
}

void ReturnLease(holdfast_map& map) {
  holdfast_lease lease{};
  lease.size = sizeof(lease);
  lease.lease = map.lease.exchange(0);
  // A lease that is void by now is already returned; nothing is left to do about it.
  if (lease.lease != 0) ioctl(map.file->fd, HOLDFAST_IOC_RETURN, &lease);
}

// Counts a take in, so that a recall which overtakes its answer is kept for it.
class TakeUnderWay {
 public:
  explicit TakeUnderWay(holdfast_file& file) : file_(file) {
    std::lock_guard held(file_.lock);
    ++file_.takes_under_way;
  }
  ~TakeUnderWay() {
    std::lock_guard held(file_.lock);
    if (--file_.takes_under_way == 0) file_.early_recalls.clear();
  }
  TakeUnderWay(const TakeUnderWay&) = delete;
  TakeUnderWay& operator=(const TakeUnderWay&) = delete;

  /// Publishes the lease; false if it has been recalled already.
  bool Publish(holdfast_map& map, uint64_t lease) {
    std::lock_guard held(file_.lock);
    map.lease = lease;
    return std::ranges::find(file_.early_recalls, lease) == file_.early_recalls.end();
  }

 private:
  holdfast_file& file_;
};

int TakeLeaseOnce(holdfast_map& map, bool* recalled) {
  TakeUnderWay take(*map.file);
  holdfast_lease lease{};
  lease.size = sizeof(lease);
  lease.flags = ((map.flags & HOLDFAST_MAP_WRITE) != 0 ? HOLDFAST_LEASE_WRITE : 0) |
                ((map.flags & HOLDFAST_MAP_EXCLUSIVE) != 0 ? HOLDFAST_LEASE_EXCLUSIVE : 0);
  lease.offset = map.offset;
  lease.length = map.length;
  if (ioctl(map.file->fd, HOLDFAST_IOC_LEASE, &lease) != 0)
    return FailWith(errno, "lease of " + RangeText(map));
  *recalled = !take.Publish(map, lease.lease);
  return 0;
}

int TakeLease(holdfast_map& map) {
  for (;;) {
    bool recalled = false;
    if (const int rc = TakeLeaseOnce(map, &recalled); rc != 0) return rc;
    if (!recalled) return 0;
    ReturnLease(map);
  }
}

// Everything of the layout, page by page.
int ReadLayout(const holdfast_map& map, std::vector<holdfast_extent>* extents) {
  const bool write = (map.flags & HOLDFAST_MAP_WRITE) != 0;
  const uint64_t end = map.offset + map.length;
  holdfast_layout layout{};
  for (uint64_t at = map.offset; at < end; at = layout.next) {
    layout.size = sizeof(layout);
    layout.offset = at;
    layout.length = end - at;
    layout.lease = map.lease;
    if (ioctl(map.file->fd, HOLDFAST_IOC_LAYOUT, &layout) != 0)
      return FailWith(errno, "layout of " + RangeText(map));
    if (layout.next <= at) return FailWith(ESTALE, "the file ends inside " + RangeText(map));
    for (uint32_t i = 0; i < layout.count; ++i) {
      if (write && layout.extents[i].state != HOLDFAST_WRITTEN)
        return FailWith(EPROTO, "a write lease left a hole or a shared block in " + RangeText(map));
      extents->push_back(layout.extents[i]);
    }
  }
  return 0;
}

int MapLayout(holdfast_map& map) {
  std::vector<holdfast_extent> extents;
  if (const int rc = ReadLayout(map, &extents); rc != 0) return rc;
  const uint64_t unit = map.file->unit;
  const auto plan = PlanMaps(unit, map.offset, extents);
  if (!plan)
    return FailWith(EOPNOTSUPP, "mapping of " + RangeText(map) + ": the region can be mapped in " +
                                    "units of " + std::to_string(unit) +
                                    " bytes only, and these blocks do not lie so (a mapping for " +
                                    "writing has them moved if there is room)");
  const int protection = PROT_READ | ((map.flags & HOLDFAST_MAP_WRITE) != 0 ? PROT_WRITE : 0);
  return map.space.Show(*plan, unit, map.file->region_fd, protection);
}

// Addresses that are a huge page's in the file as well can be mapped in huge pages, where the
// blocks lie so too.
int Reserve(holdfast_map& map) {
  constexpr uint64_t kHugePage = 2 << 20;
  const uint64_t unit =
      map.length >= kHugePage ? std::max(map.file->unit, kHugePage) : map.file->unit;
  return map.space.Reserve(map.length, unit, map.offset % unit);
}

// A mapping that could not be taken again for now is away; one the file lost is gone.
int TakeAgain(holdfast_map& map) {
  std::lock_guard one(map.taking);
  if (map.gate.state() != Gate::State::kAway) return 0;
  const int rc = TakeMapping(map);
  if (rc == -EINVAL || rc == -ESTALE) {
    map.gate.Close(Gate::State::kGone);
    return -ESTALE;
  }
  return rc;
}

}  // namespace

int TakeMapping(holdfast_map& map) {
  for (;;) {
    if (const int rc = TakeLease(map); rc != 0) return rc;
    const int rc = MapLayout(map);
    if (rc == 0) break;
    map.space.Blank();
    ReturnLease(map);
    // Recalled before it was mapped: the next LEASE waits for whoever wanted it.
    if (rc != -ESTALE) return rc;
  }
  map.gate.Open();
  return 0;
}

// `taking` comes before the gate: a mapping that is just being taken would open the gate again
// while the memory is taken away.
void GiveBack(holdfast_map& map, Gate::State state, uint64_t lease) {
  std::lock_guard one(map.taking);
  if (lease != 0 && map.lease != lease) return;  // given back already, and perhaps taken again
  map.gate.Close(state);
  map.space.Blank();
  ReturnLease(map);
}

}  // namespace holdfast::client

using holdfast::client::FailWith;
using holdfast::client::Gate;

int holdfast_map_range(holdfast_file* file, uint64_t offset, uint64_t length, uint32_t flags,
                       holdfast_map** out) {
  constexpr uint64_t kPage = 4096;
  constexpr uint32_t kKnown = HOLDFAST_MAP_WRITE | HOLDFAST_MAP_EXCLUSIVE | HOLDFAST_MAP_KEEP;
  if (file == nullptr || out == nullptr)
    return FailWith(EINVAL, "no file, or nowhere to put the map");
  if (length == 0 || offset % kPage != 0 || length % kPage != 0 || offset + length < offset ||
      (flags & ~kKnown) != 0)
    return FailWith(EINVAL, "range and flags of a mapping (multiples of 4096, known flags)");
  auto map = std::make_shared<holdfast_map>();
  map->file = file;
  map->offset = offset;
  map->length = length;
  map->flags = flags;
  if (const int rc = holdfast::client::Reserve(*map); rc != 0) return rc;
  {
    std::lock_guard held(file->lock);  // before the lease: a recall must find the mapping
    file->maps.push_back(map);
  }
  const int rc = [&] {
    std::lock_guard one(map->taking);
    return holdfast::client::TakeMapping(*map);
  }();
  if (rc != 0) {
    holdfast_unmap(map.get());
    return rc;
  }
  *out = map.get();
  return 0;
}

void holdfast_unmap(holdfast_map* map) {
  holdfast_file* const file = map->file;
  std::shared_ptr<holdfast_map> keep;
  {
    std::lock_guard held(file->lock);
    const auto it = std::find_if(file->maps.begin(), file->maps.end(),
                                 [map](const auto& m) { return m.get() == map; });
    if (it == file->maps.end()) return;
    keep = *it;
    file->maps.erase(it);
  }
  holdfast::client::GiveBack(*keep, Gate::State::kGone, 0);
}

void* holdfast_address(const holdfast_map* map) { return map->space.address(); }
size_t holdfast_length(const holdfast_map* map) { return map->length; }

int holdfast_enter(holdfast_map* map) {
  for (;;) {
    switch (map->gate.Enter()) {
      case Gate::State::kOpen:
        return 0;
      case Gate::State::kGone:
        return FailWith(ESTALE, "the mapping was recalled");
      case Gate::State::kFailed:
        return FailWith(EIO, "the memory behind the mapping failed");
      case Gate::State::kAway:
        if (const int rc = holdfast::client::TakeAgain(*map); rc != 0) return rc;
    }
  }
}

void holdfast_leave(holdfast_map* map) { map->gate.Leave(); }

int holdfast_sync(holdfast_map* map, size_t at, size_t length) {
  if (at > map->length || length > map->length - at)
    return FailWith(EINVAL, "range to sync is outside the mapping");
  char* const start = static_cast<char*>(map->space.address()) + at;
  if (holdfast::client::FlushCaches(start, length)) return 0;
  char* const page = start - reinterpret_cast<uintptr_t>(start) % 4096;
  if (msync(page, static_cast<size_t>(start + length - page), MS_SYNC) != 0)
    return FailWith(errno, "sync of the mapping");
  return 0;
}
