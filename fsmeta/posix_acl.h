// SPDX-License-Identifier: Apache-2.0
// POSIX access control lists: the kernel's attribute format, and how lists and mode bits follow
// each other.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daxcore/result.h"

namespace holdfast::fsmeta {

inline constexpr std::string_view kAccessAclName = "system.posix_acl_access";
inline constexpr std::string_view kDefaultAclName = "system.posix_acl_default";

/// One access control list. A value; no locks, nothing on the medium. The rules are those of the
/// withdrawn POSIX 1003.1e draft 17 as Linux has them (fs/posix_acl.c).
class PosixAcl {
 public:
  /// The list in an attribute value of the kernel's format, version 2. EOPNOTSUPP: another version.
  /// EINVAL: not a list, entries out of order or doubled, or named entries without a mask. A value
  /// with no entries is an empty list, which means "none".
  static daxcore::Result<PosixAcl> Parse(std::string_view value);
  std::string Serialize() const;

  bool empty() const { return entries_.empty(); }
  /// Says no more than permission bits can say.
  bool IsModeOnly() const;
  /// The permission bits (0777) that stand for it: owner, mask (or group), others.
  uint32_t Permissions() const;
  /// What chmod does to an access list: the inverse.
  void SetPermissions(uint32_t permissions);
  /// What a new inode made with `mode` gets from this default list: the list becomes its access
  /// list, and the mode it really has is returned (file type and set-id bits kept).
  uint32_t InheritWith(uint32_t mode);

 private:
  enum class Tag : uint16_t {
    kUserObj = 0x01,
    kUser = 0x02,
    kGroupObj = 0x04,
    kGroup = 0x08,
    kMask = 0x10,
    kOther = 0x20,
  };
  struct Entry {
    Tag tag;
    uint16_t permissions;  // 0..7
    uint32_t id;           // kUser, kGroup
  };
  bool IsValid() const;
  bool Has(Tag tag) const;
  uint32_t Get(Tag tag) const;
  void Set(Tag tag, uint32_t permissions);
  Tag GroupClass() const;

  std::vector<Entry> entries_;
};

}  // namespace holdfast::fsmeta
