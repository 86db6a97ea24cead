// SPDX-License-Identifier: Apache-2.0
// Checked read access to the metadata of a region: every object is verified at first load.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daxcore/region.h"
#include "daxcore/result.h"
#include "daxcore/types.h"
#include "fsmeta/format.h"

namespace holdfast::daxcore {
class MediaFailure;
}

namespace holdfast::fsmeta {

using namespace daxcore;  // NOLINT: fsmeta is written in daxcore's vocabulary (types, results)

using Uuid = std::array<uint8_t, kUuidBytes>;

/// Identity that a metadata object must carry.
struct ObjectId {
  ObjectType type;
  uint64_t offset;  ///< byte offset in the region
  uint64_t size;    ///< kMetadataBlock or kSlotBytes
  uint64_t owner;   ///< ObjectHeader::owner, or kAnyOwner
};
inline constexpr uint64_t kAnyOwner = ~uint64_t{0};
inline constexpr uint64_t kSequencesPerMount = uint64_t{1} << 40;

/// "tree node", "bitmap", ...; "unknown object" for a number that is no ObjectType.
std::string_view NameOf(ObjectType type);
/// crc32c of an object with its crc field taken as 0.
uint32_t ObjectChecksum(std::span<const std::byte> object);
/// Writes identity, sequence and checksum into a DRAM copy of an object.
void SealObject(void* object, const ObjectId& id, const Uuid& uuid, uint64_t sequence);
/// Is this a sound object of that identity? EUCLEAN with a message that names block and field.
Result<void> CheckObject(const void* object, const ObjectId& id, const Uuid& uuid);
/// The cheap part of it: everything but the checksum.
Result<void> CheckIdentity(const void* object, const ObjectId& id, const Uuid& uuid);

/// Where metadata is read from. Outside a transaction that is the medium itself; a Transaction
/// answers with its own edited copies first. Pointers stay valid while the caller holds the lock
/// that covers the object (and, for edited copies, until the transaction ends).
class MetaReader {
 public:
  virtual ~MetaReader() = default;
  /// EUCLEAN: outside the region, or unsound. EIO: the memory has failed, or after a shutdown.
  virtual Result<const void*> Load(const ObjectId& id) = 0;

  template <typename T>
  Result<const T*> Block(Pfn pfn, ObjectType type, uint64_t owner) {
    static_assert(sizeof(T) == kMetadataBlock);
    HOLDFAST_ASSIGN(const void* p, Load({type, ByteOffset(pfn), kMetadataBlock, owner}));
    return static_cast<const T*>(p);
  }
};

/// The region as fsmeta sees it: geometry from the superblock, checked loads, and the shutdown
/// switch. Thread-safe. The checksum of an object is verified at its first load, its identity at
/// each; what was verified is remembered in DRAM (a byte a block, lazily zeroed) and forgotten when
/// the block is freed. Nothing here survives a crash.
class Medium : public MetaReader {
 public:
  /// `region` outlives the Medium; `superblock` is a verified copy.
  Medium(Region& region, const Superblock& superblock);
  ~Medium() override;

  Result<const void*> Load(const ObjectId& id) override;

  Region& region() const { return region_; }
  Persist& persist() const { return region_.persist(); }
  const Superblock& superblock() const { return superblock_; }
  const Uuid& uuid() const { return uuid_; }
  BlockCount blocks() const { return BlockCount(superblock_.block_count); }
  bool read_only() const { return read_only_.load(std::memory_order_relaxed); }
  void set_read_only(bool on) { read_only_.store(on, std::memory_order_relaxed); }

  /// True if [start, start + n) lies inside the filesystem (no overflow).
  bool Contains(Pfn start, BlockCount n) const;

  /// The object at `offset` was just written by us and is sound.
  void MarkVerified(uint64_t offset, uint64_t size);
  /// The blocks hold nothing we know any more.
  void ForgetVerified(Pfn start, BlockCount n);

  /// Next transaction sequence number. They start from the superblock's, which every writable mount
  /// raises by kSequencesPerMount, so they grow over the life of the filesystem without a scan.
  uint64_t NextSequence() { return sequence_.fetch_add(1, std::memory_order_relaxed) + 1; }
  /// Recovery saw `seen`; later numbers are larger.
  void SawSequence(uint64_t seen);

  /// Before the first load: who knows of bad memory; outlives the medium. Null: nobody does.
  void set_failure(MediaFailure* failure) { failure_ = failure; }
  MediaFailure* failure() const { return failure_; }
  /// EIO if anybody met failed memory where he expected metadata: what was read or written there is
  /// not what it seems. The filesystem is shut down then (F5). A load or two.
  Result<void> CheckMemory();

  /// Every later Load and transaction fails with EIO; the medium is not touched again (F5). The
  /// first reason is kept and logged.
  void Shutdown(std::string reason);
  bool is_shut_down() const { return shut_down_.load(std::memory_order_acquire); }
  std::string shutdown_reason() const;
  /// EIO with the reason after a shutdown (F5).
  Result<void> CheckRunning() const {
    if (is_shut_down()) return Fail(EIO, shutdown_reason());
    return {};
  }

 private:
  struct State;
  Region& region_;
  MediaFailure* failure_ = nullptr;
  Superblock superblock_;
  Uuid uuid_;
  std::atomic<bool> read_only_;
  std::atomic<uint64_t> sequence_;
  std::atomic<bool> shut_down_{false};
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::fsmeta
