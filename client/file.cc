// SPDX-License-Identifier: Apache-2.0
// Open files: descriptors, pins, events and the thread that may dispatch them.
#include "client/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "client/message.h"
#include "client/region_path.h"

using holdfast::client::FailWith;
using holdfast::client::Gate;

namespace {

int OpenRegion(holdfast_file& file, int flags, const char* region) {
  const std::string path = region != nullptr ? region : holdfast::client::RegionOfMount(file.fd);
  if (path.empty()) return FailWith(ENOTTY, "no Holdfast mount holds this file");
  const int access = (flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR;
  file.region_fd = open(path.c_str(), access | O_CLOEXEC);
  if (file.region_fd < 0) return FailWith(errno, "open of the region " + path);
  file.unit = holdfast::client::MappingUnit(file.region_fd);
  return 0;
}

// Which mapping an event is about; by lease, else (failures) by range.
std::vector<std::shared_ptr<holdfast_map>> MapsOf(holdfast_file& file,
                                                  const holdfast_event& event) {
  std::lock_guard held(file.lock);
  std::vector<std::shared_ptr<holdfast_map>> found;
  for (const auto& map : file.maps) {
    const bool everything =
        event.type == HOLDFAST_EVENT_LOST || event.type == HOLDFAST_EVENT_REMOVE;
    const bool by_lease = event.lease != 0 && map->lease == event.lease;
    const bool by_range = event.type == HOLDFAST_EVENT_FAILURE &&
                          event.offset < map->offset + map->length &&
                          map->offset < event.offset + event.length;
    if (everything || by_lease || by_range) found.push_back(map);
  }
  if (found.empty() && event.lease != 0 && file.takes_under_way > 0)
    file.early_recalls.push_back(event.lease);
  return found;
}

// A mapping without a lease has nothing to give back, and somebody may be taking it just now.
void Act(holdfast_map& map, const holdfast_event& event) {
  const bool keep = (map.flags & HOLDFAST_MAP_KEEP) != 0;
  if (event.type == HOLDFAST_EVENT_FAILURE) {
    GiveBack(map, Gate::State::kFailed, 0);
    return;
  }
  const uint64_t lease = map.lease;
  if (event.type == HOLDFAST_EVENT_REMOVE) GiveBack(map, Gate::State::kGone, 0);
  if (event.type == HOLDFAST_EVENT_REMOVE || lease == 0) return;
  if (event.lease != 0 && event.lease != lease) return;
  GiveBack(map, keep ? Gate::State::kAway : Gate::State::kGone, lease);
}

void Handle(holdfast_file& file, const holdfast_event& event) {
  const auto maps = MapsOf(file, event);
  for (const auto& map : maps) Act(*map, event);
  holdfast_event_fn fn = nullptr;
  void* context = nullptr;
  {
    std::lock_guard held(file.lock);
    fn = file.on_event;
    context = file.context;
  }
  if (fn == nullptr) return;
  if (maps.empty()) fn(context, nullptr, &event);
  for (const auto& map : maps) fn(context, map.get(), &event);
}

// Handles everything queued; returns how many events, or a negative errno.
int Drain(holdfast_file& file) {
  int handled = 0;
  holdfast_events events{};
  do {
    events.size = sizeof(events);
    if (ioctl(file.fd, HOLDFAST_IOC_EVENTS, &events) != 0) return FailWith(errno, "reading events");
    for (uint32_t i = 0; i < events.count; ++i) Handle(file, events.events[i]);
    handled += static_cast<int>(events.count);
  } while (events.more != 0);
  return handled;
}

void DispatchUntilStopped(holdfast_file* file) {
  for (;;) {
    pollfd fds[2] = {{file->fd, POLLPRI, 0}, {file->stop_fd, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if (fds[0].revents != 0 && Drain(*file) < 0) return;
  }
}

void Release(holdfast_file* file) {
  for (const int fd : {file->fd, file->region_fd, file->stop_fd})
    if (fd >= 0) close(fd);
  delete file;
}

}  // namespace

int holdfast_open(const char* path, int flags, mode_t mode, const char* region,
                  holdfast_file** out) {
  if (path == nullptr || out == nullptr) return FailWith(EINVAL, "open without a path or a result");
  auto* const file = new holdfast_file;
  file->fd = open(path, flags | O_CLOEXEC, mode);
  int rc = file->fd < 0 ? FailWith(errno, std::string("open of ") + path) : 0;
  if (rc == 0) rc = OpenRegion(*file, flags, region);
  if (rc != 0) {
    Release(file);
    return rc;
  }
  *out = file;
  return 0;
}

void holdfast_close(holdfast_file* file) {
  if (file == nullptr) return;
  if (file->dispatcher.joinable()) {
    eventfd_write(file->stop_fd, 1);
    file->dispatcher.join();
  }
  while (!file->maps.empty()) holdfast_unmap(file->maps.back().get());
  Release(file);
}

int holdfast_file_fd(const holdfast_file* file) { return file->fd; }
int holdfast_fd(const holdfast_file* file) { return file->fd; }

int holdfast_pin_range(holdfast_file* file, uint64_t offset, uint64_t length, uint32_t flags,
                       uint64_t* pin) {
  holdfast_pin request{};
  request.size = sizeof(request);
  request.flags = flags;
  request.offset = offset;
  request.length = length;
  if (ioctl(file->fd, HOLDFAST_IOC_PIN, &request) != 0)
    return FailWith(errno,
                    "pin of [" + std::to_string(offset) + ", +" + std::to_string(length) + ")");
  *pin = request.pin;
  return 0;
}

int holdfast_unpin(holdfast_file* file, uint64_t pin) {
  holdfast_pin request{};
  request.size = sizeof(request);
  request.pin = pin;
  if (ioctl(file->fd, HOLDFAST_IOC_UNPIN, &request) != 0)
    return FailWith(errno, "unpin of " + std::to_string(pin));
  return 0;
}

void holdfast_on_event(holdfast_file* file, holdfast_event_fn fn, void* context) {
  std::lock_guard held(file->lock);
  file->on_event = fn;
  file->context = context;
}

int holdfast_dispatch(holdfast_file* file, int timeout_ms) {
  pollfd fd = {file->fd, POLLPRI, 0};
  const int ready = poll(&fd, 1, timeout_ms);
  if (ready < 0) return FailWith(errno, "waiting for events");
  return ready == 0 ? 0 : Drain(*file);
}

int holdfast_start(holdfast_file* file) {
  if (file->dispatcher.joinable()) return 0;
  file->stop_fd = eventfd(0, EFD_CLOEXEC);
  if (file->stop_fd < 0) return FailWith(errno, "eventfd for the dispatching thread");
  try {
    file->dispatcher = std::thread(DispatchUntilStopped, file);
  } catch (const std::system_error& error) {
    return FailWith(error.code().value(), "start of the dispatching thread");
  }
  return 0;
}
