// SPDX-License-Identifier: Apache-2.0
// Following attribute chains.
#include "fsmeta/check_xattrs.h"

#include <string>
#include <string_view>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "fsmeta/posix_acl.h"
#include "fsmeta/xattr_block.h"
#include "fsmeta/xattr_store.h"

namespace holdfast::fsmeta {
namespace {

class Check {
 public:
  Check(CheckState& state, const InodeSlot& slot)
      : state_(state), ino_(slot.header.owner), location_(absl::StrCat(ino_)) {}

  XattrFacts Run(uint64_t first) {
    for (uint64_t at = first; at != 0;) at = CheckBlock(Pfn(at));
    if (list_bytes_ > kMaxXattrListBytes) Error("has more attribute names than can be listed");
    return {.access_list = names_.contains(kAccessAclName)};
  }

 private:
  void Error(std::string what) { state_.report.Error("inode", location_, std::move(what)); }
  void BlockError(Pfn at, const std::string& what) {
    Error(absl::StrCat("attribute block ", at.value(), ": ", what));
  }

  // The next block of the chain, 0 where it ends or cannot be followed.
  uint64_t CheckBlock(Pfn at) {
    if (!state_.claims.AddBlock(at, ino_)) {
      BlockError(at, "is used twice");
      return 0;
    }
    const auto loaded = state_.image.Block<XattrBlock>(at, ObjectType::kXattr, ino_);
    if (!loaded) {
      BlockError(at, ReasonOf(loaded.error()));
      return 0;
    }
    const XattrBlock& block = **loaded;
    uint16_t count = 0;
    const auto walked = ForEachXattr(block, [&](const XattrRecord& record) {
      ++count;
      CheckRecord(record);
      return true;
    });
    if (!walked) BlockError(at, ReasonOf(walked.error()));
    if (walked && count != block.count) {
      BlockError(at, absl::StrCat("count is ", block.count, ", expected ", count));
    }
    if (count == 0) BlockError(at, "is empty");
    if (block.reserved != 0) BlockError(at, "reserved field is not 0");
    return block.next;
  }

  void CheckRecord(const XattrRecord& record) {
    if (record.name.find('\0') != std::string_view::npos) Error("attribute with NUL in its name");
    if (!names_.insert(record.name).second) {
      Error(absl::StrCat("has attribute ", std::string(record.name), " twice"));
    }
    list_bytes_ += record.name.size() + 1;
    const XattrContent content{record.name, record.value, record.value_block};
    if (record.length != XattrRecordBytes(content)) {
      Error(absl::StrCat("attribute ", std::string(record.name), " has a record of ", record.length,
                         " bytes, expected ", XattrRecordBytes(content)));
    }
    if (record.name == kAccessAclName || record.name == kDefaultAclName) CheckList(record);
    if (record.value_length > kMaxXattrValueBytes) {
      Error(absl::StrCat("attribute ", std::string(record.name), " has ", record.value_length,
                         " bytes, at most ", kMaxXattrValueBytes, " are allowed"));
    } else if (record.external()) {
      CheckChain(record);
    }
  }

  void CheckList(const XattrRecord& record) {
    if (record.external()) return;  // longer than a block: the kernel decides what it means
    if (!PosixAcl::Parse(record.value)) {
      Error(absl::StrCat(std::string(record.name), " is no access control list"));
    }
  }

  // A value's blocks: full but the last, and no more than the value needs.
  void CheckChain(const XattrRecord& record) {
    const std::string name(record.name);
    uint64_t left = record.value_length;
    uint64_t at = record.value_block;
    while (at != 0 && left != 0) {
      if (!state_.claims.AddBlock(Pfn(at), ino_)) return BlockError(Pfn(at), "is used twice");
      const auto loaded =
          state_.image.Block<XattrValueBlock>(Pfn(at), ObjectType::kXattrValue, ino_);
      if (!loaded) return BlockError(Pfn(at), ReasonOf(loaded.error()));
      const uint64_t expected = std::min<uint64_t>(left, sizeof(XattrValueBlock::value));
      if ((*loaded)->used != expected) {
        return BlockError(Pfn(at), absl::StrCat("used is ", (*loaded)->used, ", expected ",
                                                expected, " for attribute ", name));
      }
      left -= expected;
      at = (*loaded)->next;
    }
    if (at != 0 || left != 0) {
      Error(absl::StrCat("the chain of attribute ", name, " does not have its ",
                         record.value_length, " bytes"));
    }
  }

  CheckState& state_;
  const uint64_t ino_;
  const std::string location_;
  absl::btree_set<std::string_view> names_;  // in the image
  size_t list_bytes_ = 0;
};

}  // namespace

XattrFacts CheckXattrs(CheckState& state, const InodeSlot& slot) {
  return Check(state, slot).Run(slot.xattr_block);
}

}  // namespace holdfast::fsmeta
