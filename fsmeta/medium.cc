// SPDX-License-Identifier: Apache-2.0
// Checked loads from the region, sealing of objects, and the shutdown switch.
#include "fsmeta/medium.h"

#include <spdlog/spdlog.h>
#include <sys/mman.h>

#include <cassert>
#include <cstring>
#include <new>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "daxcore/media_failure.h"
#include "fsmeta/btree_node.h"
#include "fsmeta/checksum.h"

namespace holdfast::fsmeta {
namespace {

constexpr size_t kCrcAt = offsetof(ObjectHeader, crc32c);
constexpr size_t kCrcEnd = kCrcAt + sizeof(ObjectHeader::crc32c);

std::string Describe(const ObjectId& id) {
  if (id.size == kSlotBytes) {
    return absl::StrFormat("%s at byte %d", NameOf(id.type), id.offset);
  }
  return absl::StrFormat("%s in block %d", NameOf(id.type), id.offset >> kBlockShift);
}

std::unexpected<Error> Unsound(const ObjectId& id, const std::string& why) {
  return Fail(EUCLEAN, Describe(id) + ": " + why + "; run fsck.holdfast");
}

// Which bits of a block's byte in the verified map an object stands for: a slot has its own bit.
uint8_t VerifiedBits(const ObjectId& id) {
  if (id.size != kSlotBytes) return 0xff;
  return static_cast<uint8_t>(1U << (id.offset / kSlotBytes % kSlotsPerBlock));
}

}  // namespace

std::string_view NameOf(ObjectType type) {
  switch (type) {
    case ObjectType::kSuperblock:
      return "superblock";
    case ObjectType::kGroupHeader:
      return "group header";
    case ObjectType::kBitmap:
      return "bitmap";
    case ObjectType::kTreeNode:
      return "tree node";
    case ObjectType::kInodeCluster:
      return "inode cluster";
    case ObjectType::kInode:
      return "inode";
    case ObjectType::kDirectory:
      return "directory block";
    case ObjectType::kXattr:
      return "attribute block";
    case ObjectType::kXattrValue:
      return "attribute value";
    case ObjectType::kOrphans:
      return "orphan block";
    case ObjectType::kQuarantine:
      return "quarantine block";
  }
  return "unknown object";
}

uint32_t ObjectChecksum(std::span<const std::byte> object) {
  constexpr std::byte kZero[sizeof(ObjectHeader::crc32c)] = {};
  Crc32c crc;
  crc.Add(object.first(kCrcAt));
  crc.Add(kZero);
  crc.Add(object.subspan(kCrcEnd));
  return crc.value();
}

void SealObject(void* object, const ObjectId& id, const Uuid& uuid, uint64_t sequence) {
  auto* header = static_cast<ObjectHeader*>(object);
  header->magic = static_cast<uint32_t>(id.type);
  std::memcpy(header->uuid, uuid.data(), uuid.size());
  header->owner = id.owner;
  header->self = id.offset;
  header->sequence = sequence;
  header->crc32c = ObjectChecksum({static_cast<const std::byte*>(object), id.size});
}

Result<void> CheckIdentity(const void* object, const ObjectId& id, const Uuid& uuid) {
  const auto* header = static_cast<const ObjectHeader*>(object);
  if (header->magic != static_cast<uint32_t>(id.type)) {
    return Unsound(id, absl::StrFormat("magic is %#x, expected %#x", header->magic,
                                       static_cast<uint32_t>(id.type)));
  }
  if (header->self != id.offset) {
    return Unsound(id, absl::StrFormat("says it is at byte %d", header->self));
  }
  if (id.owner != kAnyOwner && header->owner != id.owner) {
    return Unsound(id, absl::StrFormat("belongs to %d, expected %d", header->owner, id.owner));
  }
  if (std::memcmp(header->uuid, uuid.data(), uuid.size()) != 0) {
    return Unsound(id, "carries the uuid of another filesystem");
  }
  return {};
}

Result<void> CheckObject(const void* object, const ObjectId& id, const Uuid& uuid) {
  HOLDFAST_TRY(CheckIdentity(object, id, uuid));
  const uint32_t stored = static_cast<const ObjectHeader*>(object)->crc32c;
  const uint32_t computed = ObjectChecksum({static_cast<const std::byte*>(object), id.size});
  if (stored != computed) {
    return Unsound(id, absl::StrFormat("checksum is %#010x, computed %#010x", stored, computed));
  }
  if (id.type == ObjectType::kTreeNode) {
    const auto fault = FaultIn(*static_cast<const TreeNode*>(object));
    if (fault) return Unsound(id, *fault);
  }
  return {};
}

// The map is anonymous memory straight from the kernel: zero, and only what is touched costs.
struct Medium::State {
  explicit State(uint64_t blocks) : size(blocks) {
    void* map = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    verified = static_cast<uint8_t*>(map);
  }
  ~State() { munmap(verified, size); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::atomic_ref<uint8_t> Byte(uint64_t offset) const {
    return std::atomic_ref<uint8_t>(verified[offset >> kBlockShift]);
  }

  // Tells of a bad object once, not each time that somebody meets it again.
  void Complain(const std::string& region, uint64_t offset, const Error& error) {
    if (last_complaint.exchange(offset, std::memory_order_relaxed) == offset) return;
    spdlog::error("{}: {}", region, error.message);
  }

  uint8_t* verified;
  size_t size;
  std::atomic<uint64_t> last_complaint = ~uint64_t{0};
  absl::Mutex mutex;
  std::string reason ABSL_GUARDED_BY(mutex);
};

Medium::Medium(Region& region, const Superblock& superblock)
    : region_(region),
      superblock_(superblock),
      read_only_(region.read_only()),
      sequence_(superblock.header.sequence),
      state_(std::make_unique<State>(superblock.block_count)) {
  assert(superblock.block_count <= region.blocks().value());
  std::memcpy(uuid_.data(), superblock.header.uuid, uuid_.size());
}

Medium::~Medium() = default;

Result<const void*> Medium::Load(const ObjectId& id) {
  if (is_shut_down()) [[unlikely]] {
    return Fail(EIO);
  }
  const uint64_t limit = superblock_.block_count << kBlockShift;
  if (id.offset % id.size != 0 || id.offset >= limit) {
    auto failed = Unsound(id, "is referred to but lies outside the filesystem");
    state_->Complain(region_.path(), id.offset, failed.error());
    return failed;
  }
  const std::byte* object = region_.At(id.offset);
  const auto verified = state_->Byte(id.offset);
  const uint8_t bits = VerifiedBits(id);
  const bool known = (verified.load(std::memory_order_acquire) & bits) == bits;
  auto sound = known ? CheckIdentity(object, id, uuid_) : CheckObject(object, id, uuid_);
  if (!sound) [[unlikely]] {
    HOLDFAST_TRY(CheckMemory());
    state_->Complain(region_.path(), id.offset, sound.error());
    return Pass(std::move(sound));
  }
  if (!known) verified.fetch_or(bits, std::memory_order_release);
  return object;
}

bool Medium::Contains(Pfn start, BlockCount n) const {
  return start.value() < superblock_.block_count &&
         n.value() <= superblock_.block_count - start.value();
}

void Medium::MarkVerified(uint64_t offset, uint64_t size) {
  const ObjectId id{.type = ObjectType::kInode, .offset = offset, .size = size, .owner = 0};
  state_->Byte(offset).fetch_or(VerifiedBits(id), std::memory_order_release);
}

void Medium::ForgetVerified(Pfn start, BlockCount n) {
  for (uint64_t i = 0; i < n.value(); ++i) {
    const auto byte = state_->Byte(ByteOffset(start + BlockCount(i)));
    // Most blocks were never metadata: reading keeps their part of the map untouched.
    if (byte.load(std::memory_order_relaxed) != 0) byte.store(0, std::memory_order_release);
  }
}

void Medium::SawSequence(uint64_t seen) {
  uint64_t now = sequence_.load(std::memory_order_relaxed);
  while (now < seen && !sequence_.compare_exchange_weak(now, seen, std::memory_order_relaxed)) {
  }
}

void Medium::Shutdown(std::string reason) {
  absl::MutexLock lock(&state_->mutex);
  if (is_shut_down()) return;
  spdlog::critical("{}: shutting down: {}; every operation fails until it is mounted again",
                   region_.path(), reason);
  state_->reason = std::move(reason);
  shut_down_.store(true, std::memory_order_release);
}

Result<void> Medium::CheckMemory() {
  if (failure_ == nullptr || failure_->poisoned_loads() == 0) [[likely]] {
    return {};
  }
  Shutdown(absl::StrFormat("memory failed at offset %d, where there is metadata",
                           AlignDown(failure_->poisoned_at(), kBlockSize)));
  return Fail(EIO, shutdown_reason());
}

std::string Medium::shutdown_reason() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->reason;
}

}  // namespace holdfast::fsmeta
