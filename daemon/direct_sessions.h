// SPDX-License-Identifier: Apache-2.0
// Who leases and pins through which open file, and what becomes of it at the end.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "daemon/event_queue.h"
#include "daemon/handle_table.h"
#include "daemon/worker_pool.h"
#include "daxcore/layout_types.h"
#include "daxcore/result.h"
#include "fsmeta/filesystem.h"

namespace holdfast::daemon {

/// The sessions of direct clients: one for each open file that something was leased or pinned
/// through, from then on until the file is closed by everyone or the process that took it has
/// ended, whichever comes first; then everything it holds is returned. A session belongs to one
/// process: others that share the open file (fork, SCM_RIGHTS) get EPERM and have to open the file
/// themselves, so that nobody's blocks depend on somebody else's life.
///
/// Thread-safe. The callbacks of LayoutEvents come with locks of daxcore held: nothing here calls
/// into a layout while holding its own lock. Lost in a crash; the processes' ends are then what
/// their records on the medium wait for.
class DirectSessions final : public daxcore::LayoutEvents {
 public:
  using ForgetPages = std::function<void(daxcore::Ino)>;

  /// Before the first request. `forget_pages`: the kernel must not believe what it keeps of a file
  /// that a client stored to. Both outlive every request.
  void Attach(fsmeta::Filesystem& filesystem, WorkerPool& workers, ForgetPages forget_pages);

  /// The holder that `thread` leases and pins as, through `handle`. EPERM: the session is another
  /// process's, or the daemon cannot see the caller (another pid namespace).
  daxcore::Result<daxcore::Holder> Enter(Handle handle, daxcore::Ino ino, pid_t thread);
  /// The same where there must be a session already, else ENOENT.
  daxcore::Result<daxcore::Holder> Find(Handle handle, pid_t thread);
  /// SessionId(0) if there is none. Costs nothing while nobody has a session.
  daxcore::SessionId SessionOf(Handle handle) const;
  /// The session stores to the file: when it ends the kernel forgets what it keeps of it.
  void MarkStoring(Handle handle);
  bool IsStoring(Handle handle) const;

  /// What was queued for the session of `handle`. EPERM as Enter.
  daxcore::Result<EventQueue::Taken> TakeEvents(Handle handle, pid_t thread, size_t most);
  /// As EventQueue::Poll; a file may be polled before anything is held through it.
  short Poll(Handle handle, daxcore::Ino ino, EventQueue::Wake wake);

  /// The last descriptor of the open file is closed.
  void Close(Handle handle);

  void Recalled(daxcore::SessionId session, daxcore::LeaseId lease, daxcore::FileRange range,
                std::chrono::milliseconds time) override;
  void Voided(daxcore::SessionId session, daxcore::LeaseId lease) override;
  void Failed(daxcore::SessionId session, daxcore::Ino ino, daxcore::FileRange range) override;
  void Removed(daxcore::SessionId session, daxcore::Ino ino) override;

 private:
  // An open file, from the first poll or lease until it is closed. Shared with whoever queues an
  // event just now.
  struct ClientFile {
    explicit ClientFile(daxcore::Ino number) : ino(number) {}
    const daxcore::Ino ino;
    EventQueue events;
    // Guarded by DirectSessions::mutex_.
    std::optional<daxcore::Holder> holder;
    bool stores = false;
  };
  using FilePtr = std::shared_ptr<ClientFile>;
  // A process with sessions, and the timer that tells of its end.
  struct Client {
    daxcore::Timer::Id watch = 0;
    absl::flat_hash_set<daxcore::SessionId> sessions;
  };

  FilePtr FindFile(Handle handle) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  FilePtr EnsureFile(Handle handle, daxcore::Ino ino) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  FilePtr FileOf(daxcore::SessionId session) const;
  std::optional<daxcore::Holder> HolderOf(Handle handle) const;
  daxcore::Result<daxcore::Holder> Begin(Handle handle, daxcore::Ino ino,
                                         const daxcore::ProcessId& process);
  void Watch(const daxcore::Holder& holder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Unwatch(const daxcore::Holder& holder) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ProcessEnded(const daxcore::ProcessId& process);
  void End(daxcore::SessionId session);

  fsmeta::Filesystem* filesystem_ = nullptr;
  WorkerPool* workers_ = nullptr;
  ForgetPages forget_pages_;
  std::atomic<size_t> file_count_{0};  // so that other files cost nothing
  mutable absl::Mutex mutex_;
  uint64_t last_session_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, FilePtr> by_handle_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<daxcore::SessionId, FilePtr> by_session_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<daxcore::ProcessId, Client> clients_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace holdfast::daemon
