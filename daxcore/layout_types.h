// SPDX-License-Identifier: Apache-2.0
// The vocabulary of layouts: who holds, what is asked, what is answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "daxcore/extent_mapper.h"
#include "daxcore/process.h"
#include "daxcore/ranges.h"
#include "daxcore/timer.h"

namespace holdfast::daxcore {

/// One open file of a client, named by the daemon. Closing it returns everything held through it.
using SessionId = Quantity<struct SessionIdTag>;
/// Unique over the life of the LayoutManager; never 0.
using LeaseId = Quantity<struct LeaseIdTag>;
using PinId = Quantity<struct PinIdTag>;

/// Who holds something.
struct Holder {
  SessionId session;
  ProcessId process;
  bool operator==(const Holder&) const = default;
};

/// Why layouts are broken (semantics section 4). Anything else is EINVAL (L6).
enum class BreakReason : uint8_t {
  kWrite = 1,  ///< recall leases of others that a local write collides with (L1)
  kUnmap = 2,  ///< that, and wait until no page of the range is referenced (L1)
  kShare = 3,  ///< kWrite, and wait until nobody may store to the range (L7); never quarantines
};

/// What a busy range does (L14).
enum class BusyPolicy : uint8_t { kWait, kQuarantine, kFail };

/// Settings of a mount.
struct LayoutPolicy {
  BusyPolicy busy_policy = BusyPolicy::kQuarantine;
  std::chrono::milliseconds busy_timeout{30'000};  ///< 0 = for ever
  std::chrono::milliseconds break_time{45'000};    ///< of a recalled lease (L13)
  uint64_t max_leases_per_process = 1024;
  uint64_t max_pins_per_process = 65536;
  uint64_t max_pinned_blocks_per_process = uint64_t{1} << 24;  ///< 64 GiB
};

/// A range that was still busy when its time was over: the caller quarantines these blocks. Empty
/// in the usual case.
struct BreakOutcome {
  std::vector<FileRange> busy;      ///< in order, inside the range that was broken
  std::vector<ProcessId> holders;   ///< whose references they are, as far as this inode knows
  std::vector<ProcessId> must_die;  ///< of those, who held them before this daemon started

  /// The parts of `run` that must go to quarantine instead of free space.
  std::vector<FileRun> BusyPartsOf(const FileRun& run) const;
};

/// What a client asks for with LEASE.
struct LeaseRequest {
  Holder holder;
  FileRange range;         ///< not empty, inside kWholeFile
  bool write = false;      ///< the holder stores to the pages: fsmeta allocated and unshared them
  bool exclusive = false;  ///< no other lease beside it; else read leases and write leases mix
};

/// What a client asks for with PIN.
struct PinRequest {
  Holder holder;
  FileRange range;
  bool write = false;      ///< the device stores to the pages: fsmeta allocated and unshared them
  bool long_term = false;  ///< needs an active lease of the same session over the range (L12)
};

/// A pin, with the pages a device may now touch.
struct PinGrant {
  PinId id;
  std::vector<FileRun> runs;
};

/// Part of a layout. `pfn` means something for kWritten only: unwritten pages are not shown, since
/// they would read as what they held before.
using LayoutExtent = MappedExtent;

/// State of a lease.
enum class LeaseState : uint8_t {
  kActive,
  kRecalled,  ///< to be returned before its break time is over
  kVoid,      ///< break time over: gives no right any more; what it still maps is busy (L13)
};

/// Told to the holder of a lease or pin. Implemented by the daemon (EVENTS, poll). Called without
/// any lock of daxcore except the inode's layout lock; must not block and not call back.
class LayoutEvents {
 public:
  virtual ~LayoutEvents() = default;
  /// Give `lease` back, at least `range` of it, within `time`.
  virtual void Recalled(SessionId session, LeaseId lease, FileRange range,
                        std::chrono::milliseconds time) = 0;
  /// The break time of `lease` is over.
  virtual void Voided(SessionId session, LeaseId lease) = 0;
  /// Memory under `range` of `ino` failed; the holder's references to it are gone (F3).
  virtual void Failed(SessionId session, Ino ino, FileRange range) = 0;
  /// The region goes away; what the holder has of `ino` is gone (F7).
  virtual void Removed(SessionId session, Ino ino) = 0;
};

/// What a line of `holdfast busy` says of a holder.
struct HolderInfo {
  enum class Kind : uint8_t {
    kLease,        ///< a lease, mapped or not
    kPin,          ///< transient pin
    kLongTermPin,  ///< pin under a lease
    kFormer,       ///< may hold anything of the inode since before this daemon started
  };
  Kind kind = Kind::kLease;
  Holder holder;
  Ino ino{0};
  FileRange range;
  bool write = false;
  bool exclusive = false;
  LeaseState lease_state = LeaseState::kActive;
  BlockCount mapped{0};  ///< of a lease: blocks it holds mapping references to
  uint64_t id = 0;       ///< LeaseId or PinId
  std::chrono::system_clock::time_point since{};
};

/// What a line of `holdfast busy` says of an operation that waits.
struct WaiterInfo {
  std::string operation;
  pid_t pid = 0;
  Ino ino{0};
  FileRange range;
  BreakReason reason = BreakReason::kUnmap;
  std::chrono::system_clock::time_point since;
};

}  // namespace holdfast::daxcore
