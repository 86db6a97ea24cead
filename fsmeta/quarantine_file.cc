// SPDX-License-Identifier: Apache-2.0
// Records of the quarantine file: runs, in batches, and the processes that hold them.
#include "fsmeta/quarantine_file.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"

namespace holdfast::fsmeta {

using daxcore::PfnRange;
using daxcore::ProcessId;
using daxcore::QuarantinedRun;

namespace {

constexpr RecordFileKind kFileKind{.ino = Ino(kInoQuarantine),
                                   .type = ObjectType::kQuarantine,
                                   .per_block = kQuarantineRecordsPerBlock,
                                   .file_lock = ResourceClass::kQuarantine,
                                   .block_lock = ResourceClass::kQuarantine};

BlockRun RunOf(const QuarantineRecord& record) {
  return {Pfn(record.block), BlockCount(record.length)};
}

void SetHolder(QuarantineRecord* record, const ProcessId& process) {
  record->holder_pid = static_cast<uint32_t>(process.pid);
  record->holder_start = process.start_time;
}

}  // namespace

// One pass over the file.
class QuarantineFile::Loading {
 public:
  explicit Loading(QuarantineFile& file) : file_(file) {}

  Result<void> Add(uint64_t entry, const QuarantineRecord& record) {
    file_.file_.MarkUsed(entry);
    const bool live = std::memcmp(record.boot_id, file_.medium_.superblock().boot_id,
                                  sizeof(record.boot_id)) == 0;
    switch (static_cast<QuarantineKind>(record.kind)) {
      case QuarantineKind::kRun:
        return AddRun(entry, record, live);
      case QuarantineKind::kBatchHolder: {
        HOLDFAST_ASSIGN(const ProcessId process, HolderOf(entry, record));
        Batch& batch = file_.batches_[record.batch];
        batch.holders.push_back(entry);
        if (live) batch.processes.push_back(process);
        holders_of_[record.batch].push_back(process);
        return {};
      }
      case QuarantineKind::kInodeHolder: {
        HOLDFAST_ASSIGN(const ProcessId process, HolderOf(entry, record));
        const HolderKey key(Ino(record.ino), process);
        if (live && file_.holders_.emplace(key, entry).second) {
          contents_.holders.push_back(key);
        } else {
          file_.expired_holders_.push_back(entry);
        }
        return {};
      }
      case QuarantineKind::kFree:
        break;
    }
    return Unsound(entry, "is of an unknown kind");
  }

  QuarantineContents Finish() {
    for (size_t i = 0; i < contents_.runs.size(); ++i) {
      contents_.runs[i].holders = holders_of_[batch_of_run_[i]];
    }
    // A batch goes together with its last run; holders without runs are of no use.
    absl::erase_if(file_.batches_, [this](const auto& item) {
      const Batch& batch = item.second;
      if (batch.runs != 0) return false;
      file_.expired_holders_.insert(file_.expired_holders_.end(), batch.holders.begin(),
                                    batch.holders.end());
      return true;
    });
    return std::move(contents_);
  }

 private:
  static std::unexpected<Error> Unsound(uint64_t entry, const char* why) {
    return Fail(EUCLEAN,
                absl::StrCat("quarantine file: record ", entry, " ", why, "; run fsck.holdfast"));
  }
  static Result<ProcessId> HolderOf(uint64_t entry, const QuarantineRecord& record) {
    if (record.holder_pid > static_cast<uint32_t>(std::numeric_limits<pid_t>::max())) {
      return Unsound(entry, "names an impossible process");
    }
    return ProcessId{static_cast<pid_t>(record.holder_pid), record.holder_start};
  }
  Result<void> AddRun(uint64_t entry, const QuarantineRecord& record, bool live) {
    const BlockRun run = RunOf(record);
    if (!file_.allocator_.IsFileRun(run)) return Unsound(entry, "is no run of one group");
    file_.runs_.emplace(RunKey{run.start, entry}, RunValue{run.length, record.batch});
    ++file_.batches_[record.batch].runs;
    if (live) {
      contents_.runs.push_back({{run.start, run.length}, Ino(record.ino), {}});
      batch_of_run_.push_back(record.batch);
    } else {
      contents_.expired.push_back(run);
    }
    return {};
  }

  QuarantineFile& file_;
  QuarantineContents contents_;
  std::vector<uint64_t> batch_of_run_;  // of contents_.runs
  absl::flat_hash_map<uint64_t, std::vector<ProcessId>> holders_of_;
};

QuarantineFile::QuarantineFile(Medium& medium, InodeTable& inodes, const ExtentMap& extents)
    : medium_(medium),
      allocator_(extents.tools().allocator),
      file_(medium, inodes, extents, kFileKind) {}

Result<QuarantineContents> QuarantineFile::Load() {
  Loading loading(*this);
  const auto visit = [&](uint64_t first, const void* loaded) -> Result<void> {
    const auto* block = static_cast<const QuarantineBlock*>(loaded);
    for (uint64_t i = 0; i < kQuarantineRecordsPerBlock; ++i) {
      const QuarantineRecord& record = block->records[i];
      if (record.kind == static_cast<uint32_t>(QuarantineKind::kFree)) continue;
      HOLDFAST_TRY(loading.Add(first + i, record));
    }
    return {};
  };
  HOLDFAST_TRY(file_.Load(visit));
  return loading.Finish();
}

Result<void> QuarantineFile::Lock(Transaction& tx) { return tx.Lock({ResourceClass::kQuarantine}); }

QuarantineRecord QuarantineFile::NewRecord(QuarantineKind kind, Ino ino) const {
  QuarantineRecord record{};
  std::memcpy(record.boot_id, medium_.superblock().boot_id, sizeof(record.boot_id));
  record.kind = static_cast<uint32_t>(kind);
  record.ino = ino.value();
  return record;
}

Result<uint64_t> QuarantineFile::Write(Transaction& tx, const QuarantineRecord& record) {
  HOLDFAST_ASSIGN(const RecordFile::Entry entry, file_.Take(tx, 0));
  auto* block = static_cast<QuarantineBlock*>(entry.block);
  block->records[entry.index % kQuarantineRecordsPerBlock] = record;
  return entry.index;
}

Result<QuarantineRecord*> QuarantineFile::Edit(Transaction& tx, uint64_t entry) {
  HOLDFAST_ASSIGN(void* edited, file_.Edit(tx, entry));
  return &static_cast<QuarantineBlock*>(edited)->records[entry % kQuarantineRecordsPerBlock];
}

Result<void> QuarantineFile::Erase(Transaction& tx, uint64_t entry) {
  HOLDFAST_ASSIGN(QuarantineRecord * record, Edit(tx, entry));
  *record = QuarantineRecord{};
  file_.Drop(tx, entry);
  return {};
}

void QuarantineFile::Remember(Transaction& tx, RunKey key, RunValue value) {
  runs_.emplace(key, value);
  ++batches_[value.batch].runs;
  tx.OnAbort([this, key, batch = value.batch] {
    runs_.erase(key);
    --batches_[batch].runs;
  });
}

void QuarantineFile::Forget(Transaction& tx, Runs::iterator run) {
  const RunKey key = run->first;
  const RunValue value = run->second;
  runs_.erase(run);
  --batches_[value.batch].runs;
  tx.OnAbort([this, key, value] {
    runs_.emplace(key, value);
    ++batches_[value.batch].runs;
  });
}

Result<void> QuarantineFile::AddRuns(Transaction& tx, std::span<const BlockRun> runs, Ino former,
                                     std::span<const ProcessId> holders) {
  HOLDFAST_TRY(Lock(tx));
  if (runs.empty()) return {};
  const uint64_t batch = medium_.NextSequence();
  tx.OnAbort([this, batch] { batches_.erase(batch); });
  for (const BlockRun& run : runs) {
    QuarantineRecord record = NewRecord(QuarantineKind::kRun, former);
    record.block = run.start.value();
    record.length = run.length.value();
    record.batch = batch;
    HOLDFAST_ASSIGN(const uint64_t entry, Write(tx, record));
    Remember(tx, {run.start, entry}, {run.length, batch});
  }
  for (const ProcessId& holder : holders) {
    QuarantineRecord record = NewRecord(QuarantineKind::kBatchHolder, former);
    record.batch = batch;
    SetHolder(&record, holder);
    HOLDFAST_ASSIGN(const uint64_t entry, Write(tx, record));
    batches_[batch].holders.push_back(entry);
    batches_[batch].processes.push_back(holder);
  }
  return {};
}

bool QuarantineFile::IsHeld(uint64_t batch) const {
  const auto found = batches_.find(batch);
  return found != batches_.end() && std::ranges::any_of(found->second.processes, daxcore::IsAlive);
}

// The run that has `page` and ends first: its processes are dead, or it is the latest one. The
// other must stay on record: it says whom to wait for after a crash. No run is longer than a group
// or leaves it, so only those that start in the page's group before it can have the page.
QuarantineFile::Runs::iterator QuarantineFile::EndingAt(Pfn page) {
  const uint64_t group_blocks = medium_.superblock().group_blocks;
  const Pfn group(daxcore::AlignDown(page.value(), group_blocks));
  auto ending = runs_.end();
  for (auto run = runs_.lower_bound({group, 0}); run != runs_.end() && run->first.start <= page;
       ++run) {
    if (run->first.start + run->second.length <= page) continue;
    if (ending == runs_.end()) {
      ending = run;
      continue;
    }
    const auto order = [this](Runs::iterator at) {
      return std::pair(!IsHeld(at->second.batch), at->second.batch);
    };
    if (order(run) > order(ending)) ending = run;
  }
  return ending;
}

Result<void> QuarantineFile::RemoveRuns(Transaction& tx, std::span<const PfnRange> pages,
                                        std::vector<BlockRun>* owned) {
  HOLDFAST_TRY(Lock(tx));
  for (const PfnRange& range : pages) {
    for (Pfn at = range.start; at < range.end();) {
      // Another run may begin before this one ends, and may be the later one.
      const auto next = runs_.upper_bound({at, ~uint64_t{0}});
      const Pfn next_start = next == runs_.end() ? range.end() : next->first.start;
      Pfn stop = std::min(range.end(), next_start);
      const auto run = EndingAt(at);
      if (run != runs_.end()) {
        stop = std::min(stop, run->first.start + run->second.length);
        const BlockRun part{at, stop - at};
        HOLDFAST_TRY(Cut(tx, run, part));
        owned->push_back(part);
      }
      at = stop;
    }
  }
  return {};
}

// Takes `part` out of a run; what is left and right of it stays on record.
Result<void> QuarantineFile::Cut(Transaction& tx, Runs::iterator run, BlockRun part) {
  const auto [key, value] = *run;
  const Pfn end = key.start + value.length;
  const BlockRun left{key.start, part.start - key.start};
  const BlockRun right{part.end(), end - part.end()};
  HOLDFAST_ASSIGN(QuarantineRecord * record, Edit(tx, key.entry));
  Forget(tx, run);
  if (left.length == BlockCount(0) && right.length == BlockCount(0)) {
    HOLDFAST_TRY(Erase(tx, key.entry));
    return EndBatch(tx, value.batch);
  }
  const BlockRun kept = left.length != BlockCount(0) ? left : right;
  record->block = kept.start.value();
  record->length = kept.length.value();
  Remember(tx, {kept.start, key.entry}, {kept.length, value.batch});
  if (left.length == BlockCount(0) || right.length == BlockCount(0)) return {};
  QuarantineRecord second = *record;
  second.block = right.start.value();
  second.length = right.length.value();
  HOLDFAST_ASSIGN(const uint64_t entry, Write(tx, second));
  Remember(tx, {right.start, entry}, {right.length, value.batch});
  return {};
}

// The batch's last run is gone: so are its holders.
Result<void> QuarantineFile::EndBatch(Transaction& tx, uint64_t batch) {
  const auto found = batches_.find(batch);
  if (found->second.runs != 0) return {};
  Batch ended = found->second;
  for (const uint64_t entry : ended.holders) HOLDFAST_TRY(Erase(tx, entry));
  batches_.erase(batch);
  tx.OnAbort([this, batch, ended = std::move(ended)] { batches_[batch] = ended; });
  return {};
}

Result<void> QuarantineFile::AddHolder(Transaction& tx, Ino ino, const ProcessId& process) {
  HOLDFAST_TRY(Lock(tx));
  const HolderKey key(ino, process);
  if (holders_.contains(key)) return {};
  QuarantineRecord record = NewRecord(QuarantineKind::kInodeHolder, ino);
  SetHolder(&record, process);
  HOLDFAST_ASSIGN(const uint64_t entry, Write(tx, record));
  holders_.emplace(key, entry);
  tx.OnAbort([this, key] { holders_.erase(key); });
  return {};
}

Result<void> QuarantineFile::RemoveHolder(Transaction& tx, Ino ino, const ProcessId& process) {
  HOLDFAST_TRY(Lock(tx));
  const HolderKey key(ino, process);
  const auto found = holders_.find(key);
  if (found == holders_.end()) return {};
  const uint64_t entry = found->second;
  HOLDFAST_TRY(Erase(tx, entry));
  holders_.erase(key);
  tx.OnAbort([this, key, entry] { holders_.emplace(key, entry); });
  return {};
}

Result<bool> QuarantineFile::ForgetExpiredHolders(Transaction& tx, size_t most) {
  HOLDFAST_TRY(Lock(tx));
  for (size_t i = 0; i < most && !expired_holders_.empty(); ++i) {
    const uint64_t entry = expired_holders_.back();
    HOLDFAST_TRY(Erase(tx, entry));
    expired_holders_.pop_back();
    tx.OnAbort([this, entry] { expired_holders_.push_back(entry); });
  }
  return !expired_holders_.empty();
}

}  // namespace holdfast::fsmeta
