// SPDX-License-Identifier: Apache-2.0
// Beginning and ending of sessions, and what their holders are told.
#include "daemon/direct_sessions.h"

#include <utility>

#include "fsmeta/direct_access.h"

namespace holdfast::daemon {

using daxcore::Fail;
using daxcore::FileRange;
using daxcore::Holder;
using daxcore::Ino;
using daxcore::ProcessId;
using daxcore::Result;
using daxcore::SessionId;

namespace {

holdfast_event EventOf(uint32_t type, Ino ino, FileRange range) {
  holdfast_event event{};
  event.type = type;
  event.inode = ino.value();
  event.offset = daxcore::ByteOffset(range.start);
  event.length = range.empty() ? 0 : daxcore::Bytes(range.length());
  return event;
}

}  // namespace

void DirectSessions::Attach(fsmeta::Filesystem& filesystem, WorkerPool& workers,
                            ForgetPages forget_pages) {
  filesystem_ = &filesystem;
  workers_ = &workers;
  forget_pages_ = std::move(forget_pages);
}

DirectSessions::FilePtr DirectSessions::FindFile(Handle handle) const {
  const auto found = by_handle_.find(handle.value());
  return found == by_handle_.end() ? nullptr : found->second;
}

DirectSessions::FilePtr DirectSessions::EnsureFile(Handle handle, Ino ino) {
  FilePtr& file = by_handle_[handle.value()];
  if (file == nullptr) {
    file = std::make_shared<ClientFile>(ino);
    file_count_.fetch_add(1, std::memory_order_release);
  }
  return file;
}

DirectSessions::FilePtr DirectSessions::FileOf(SessionId session) const {
  const absl::MutexLock hold(&mutex_);
  const auto found = by_session_.find(session);
  return found == by_session_.end() ? nullptr : found->second;
}

std::optional<Holder> DirectSessions::HolderOf(Handle handle) const {
  if (file_count_.load(std::memory_order_acquire) == 0) return std::nullopt;
  const absl::MutexLock hold(&mutex_);
  const FilePtr file = FindFile(handle);
  return file == nullptr ? std::nullopt : file->holder;
}

SessionId DirectSessions::SessionOf(Handle handle) const {
  const auto holder = HolderOf(handle);
  return holder ? holder->session : SessionId(0);
}

Result<Holder> DirectSessions::Find(Handle handle, pid_t thread) {
  const auto holder = HolderOf(handle);
  if (!holder) return Fail(ENOENT);
  if (!daxcore::HasThread(holder->process.pid, thread)) return Fail(EPERM);
  return *holder;
}

Result<Holder> DirectSessions::Enter(Handle handle, Ino ino, pid_t thread) {
  const auto holder = HolderOf(handle);
  if (holder && daxcore::HasThread(holder->process.pid, thread)) return *holder;
  auto process = daxcore::IdentifyOwnerOf(thread);
  if (!process) return Fail(EPERM, "the calling process cannot be seen from here");
  if (holder) {
    if (daxcore::IsAlive(holder->process)) return Fail(EPERM);
    End(holder->session);  // its end has just not been noticed yet
  }
  return Begin(handle, ino, *process);
}

Result<Holder> DirectSessions::Begin(Handle handle, Ino ino, const ProcessId& process) {
  const absl::MutexLock hold(&mutex_);
  const FilePtr file = EnsureFile(handle, ino);
  if (!file->holder) {
    file->holder = Holder{SessionId(++last_session_), process};
    by_session_.emplace(file->holder->session, file);
    Watch(*file->holder);
  }
  if (file->holder->process != process) return Fail(EPERM);
  return *file->holder;
}

void DirectSessions::Watch(const Holder& holder) {
  Client& client = clients_[holder.process];
  client.sessions.insert(holder.session);
  if (client.watch != 0) return;
  client.watch = filesystem_->volume().layouts().timer().AtExit(
      holder.process, [this, process = holder.process] { ProcessEnded(process); });
}

void DirectSessions::Unwatch(const Holder& holder) {
  const auto client = clients_.find(holder.process);
  if (client == clients_.end()) return;
  client->second.sessions.erase(holder.session);
  if (!client->second.sessions.empty()) return;
  filesystem_->volume().layouts().timer().Cancel(client->second.watch);
  clients_.erase(client);
}

// On the timer's thread, which others need: the work is done by a worker.
void DirectSessions::ProcessEnded(const ProcessId& process) {
  const absl::MutexLock hold(&mutex_);
  const auto client = clients_.find(process);
  if (client == clients_.end()) return;
  for (const SessionId session : client->second.sessions) {
    workers_->Post([this, session] { End(session); });
  }
}

// Whoever takes the session off the record returns what it holds: once.
void DirectSessions::End(SessionId session) {
  FilePtr file;
  bool stored = false;
  {
    const absl::MutexLock hold(&mutex_);
    const auto found = by_session_.find(session);
    if (found == by_session_.end()) return;
    file = found->second;
    by_session_.erase(found);
    Unwatch(*file->holder);
    file->holder.reset();
    stored = std::exchange(file->stores, false);
    file->events.Clear();  // with the lock, since the next session of the open file may come then
  }
  filesystem_->direct().CloseSession(file->ino, session);
  if (stored && forget_pages_) forget_pages_(file->ino);
}

void DirectSessions::Close(Handle handle) {
  if (file_count_.load(std::memory_order_acquire) == 0) return;
  SessionId session{0};
  {
    const absl::MutexLock hold(&mutex_);
    const auto found = by_handle_.find(handle.value());
    if (found == by_handle_.end()) return;
    if (found->second->holder) session = found->second->holder->session;
    by_handle_.erase(found);
    file_count_.fetch_sub(1, std::memory_order_release);
  }
  if (session != SessionId(0)) End(session);
}

void DirectSessions::MarkStoring(Handle handle) {
  const absl::MutexLock hold(&mutex_);
  if (const FilePtr file = FindFile(handle)) file->stores = true;
}

bool DirectSessions::IsStoring(Handle handle) const {
  const absl::MutexLock hold(&mutex_);
  const FilePtr file = FindFile(handle);
  return file != nullptr && file->stores;
}

Result<EventQueue::Taken> DirectSessions::TakeEvents(Handle handle, pid_t thread, size_t most) {
  FilePtr file;
  {
    const absl::MutexLock hold(&mutex_);
    file = FindFile(handle);
    if (file == nullptr || !file->holder) return EventQueue::Taken{};
    if (!daxcore::HasThread(file->holder->process.pid, thread)) return Fail(EPERM);
  }
  return file->events.Take(most, EventQueue::Clock::now());
}

short DirectSessions::Poll(Handle handle, Ino ino, EventQueue::Wake wake) {
  FilePtr file;
  {
    const absl::MutexLock hold(&mutex_);
    file = wake ? EnsureFile(handle, ino) : FindFile(handle);
  }
  return file == nullptr ? short{0} : file->events.Poll(std::move(wake));
}

void DirectSessions::Recalled(SessionId session, daxcore::LeaseId lease, FileRange range,
                              std::chrono::milliseconds time) {
  const FilePtr file = FileOf(session);
  if (file == nullptr) return;
  holdfast_event event = EventOf(HOLDFAST_EVENT_RECALL, file->ino, range);
  event.lease = lease.value();
  file->events.Push(event, EventQueue::Clock::now() + time);
}

void DirectSessions::Voided(SessionId session, daxcore::LeaseId lease) {
  const FilePtr file = FileOf(session);
  if (file == nullptr) return;
  holdfast_event event = EventOf(HOLDFAST_EVENT_VOID, file->ino, {});
  event.lease = lease.value();
  file->events.Push(event);
}

void DirectSessions::Failed(SessionId session, Ino ino, FileRange range) {
  const FilePtr file = FileOf(session);
  if (file != nullptr) file->events.Push(EventOf(HOLDFAST_EVENT_FAILURE, ino, range));
}

void DirectSessions::Removed(SessionId session, Ino ino) {
  const FilePtr file = FileOf(session);
  if (file != nullptr) file->events.Push(EventOf(HOLDFAST_EVENT_REMOVE, ino, {}));
}

}  // namespace holdfast::daemon
