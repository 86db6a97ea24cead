// SPDX-License-Identifier: Apache-2.0
// Parsing, checking and applying access control lists.
#include "fsmeta/posix_acl.h"

#include <algorithm>
#include <cstring>

namespace holdfast::fsmeta {

using daxcore::Fail;
using daxcore::Result;

namespace {

constexpr uint32_t kVersion = 2;
constexpr uint32_t kAnyId = ~uint32_t{0};
constexpr uint32_t kPermissionBits = 0777;
constexpr uint16_t kAll = 7;

// The attribute's value: this head, then entries; little-endian.
struct WireHead {
  uint32_t version;
};
struct WireEntry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id;
};
static_assert(sizeof(WireHead) == 4 && sizeof(WireEntry) == 8);

}  // namespace

Result<PosixAcl> PosixAcl::Parse(std::string_view value) {
  WireHead head;
  if (value.size() < sizeof(head)) return Fail(EINVAL);
  std::memcpy(&head, value.data(), sizeof(head));
  if (head.version != kVersion) return Fail(EOPNOTSUPP);
  value.remove_prefix(sizeof(head));
  if (value.size() % sizeof(WireEntry) != 0) return Fail(EINVAL);
  PosixAcl acl;
  for (; !value.empty(); value.remove_prefix(sizeof(WireEntry))) {
    WireEntry entry;
    std::memcpy(&entry, value.data(), sizeof(entry));
    acl.entries_.push_back({static_cast<Tag>(entry.tag), entry.permissions, entry.id});
  }
  if (!acl.IsValid()) return Fail(EINVAL);
  return acl;
}

std::string PosixAcl::Serialize() const {
  const WireHead head{kVersion};
  std::string value(reinterpret_cast<const char*>(&head), sizeof(head));
  for (const Entry& entry : entries_) {
    const bool named = entry.tag == Tag::kUser || entry.tag == Tag::kGroup;
    const WireEntry wire{static_cast<uint16_t>(entry.tag), entry.permissions,
                         named ? entry.id : kAnyId};
    value.append(reinterpret_cast<const char*>(&wire), sizeof(wire));
  }
  return value;
}

// Owner, named users, group, named groups, mask, others: in this order, the unnamed ones once.
bool PosixAcl::IsValid() const {
  if (entries_.empty()) return true;
  size_t named = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    const bool is_named = entry.tag == Tag::kUser || entry.tag == Tag::kGroup;
    if (entry.permissions > kAll || (is_named && entry.id == kAnyId)) return false;
    named += is_named ? 1 : 0;
    if (i == 0) continue;
    const Tag before = entries_[i - 1].tag;
    if (entry.tag < before || (entry.tag == before && !is_named)) return false;
  }
  const bool tags_known = std::ranges::all_of(entries_, [](const Entry& entry) {
    const auto tag = static_cast<unsigned>(entry.tag);
    return tag != 0 && (tag & (tag - 1)) == 0 && tag <= static_cast<unsigned>(Tag::kOther);
  });
  return tags_known && Has(Tag::kUserObj) && Has(Tag::kGroupObj) && Has(Tag::kOther) &&
         (named == 0 || Has(Tag::kMask));
}

bool PosixAcl::Has(Tag tag) const {
  return std::ranges::find(entries_, tag, &Entry::tag) != entries_.end();
}

// Of an unnamed entry, which a valid list has.
uint32_t PosixAcl::Get(Tag tag) const {
  return std::ranges::find(entries_, tag, &Entry::tag)->permissions;
}

void PosixAcl::Set(Tag tag, uint32_t permissions) {
  std::ranges::find(entries_, tag, &Entry::tag)->permissions =
      static_cast<uint16_t>(permissions & kAll);
}

// The entry that the mode's group bits stand for.
PosixAcl::Tag PosixAcl::GroupClass() const { return Has(Tag::kMask) ? Tag::kMask : Tag::kGroupObj; }

bool PosixAcl::IsModeOnly() const {
  return std::ranges::none_of(entries_, [](const Entry& entry) {
    return entry.tag == Tag::kUser || entry.tag == Tag::kGroup || entry.tag == Tag::kMask;
  });
}

uint32_t PosixAcl::Permissions() const {
  return Get(Tag::kUserObj) << 6 | Get(GroupClass()) << 3 | Get(Tag::kOther);
}

void PosixAcl::SetPermissions(uint32_t permissions) {
  Set(Tag::kUserObj, permissions >> 6);
  Set(GroupClass(), permissions >> 3);
  Set(Tag::kOther, permissions);
}

uint32_t PosixAcl::InheritWith(uint32_t mode) {
  const uint32_t granted = Permissions() & mode & kPermissionBits;
  SetPermissions(granted);
  return (mode & ~kPermissionBits) | granted;
}

}  // namespace holdfast::fsmeta
