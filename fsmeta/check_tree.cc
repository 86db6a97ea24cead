// SPDX-License-Identifier: Apache-2.0
// The lenient tree walk.
#include "fsmeta/check_tree.h"

#include <algorithm>
#include <optional>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "fsmeta/btree_node.h"

namespace holdfast::fsmeta {
namespace {

class Walk {
 public:
  Walk(CheckImage& image, CheckReport* report, const TreeName& name, OnTreeNode on_node,
       OnTreeRecord on_record)
      : image_(image), report_(report), name_(name), on_node_(on_node), on_record_(on_record) {}

  void Node(Pfn at, uint32_t level, const TreeKey& low, const std::optional<TreeKey>& high) {
    if (!met_.insert(at.value()).second || !on_node_(at)) return Complain(at, "is used twice");
    const auto loaded = image_.Block<TreeNode>(at, ObjectType::kTreeNode, name_.owner);
    if (!loaded) return Complain(at, ReasonOf(loaded.error()));
    const TreeNode& node = **loaded;
    if (const auto fault = FaultIn(node)) return Complain(at, *fault);
    if (!NodeView::Fits(node, name_.kind, level)) {
      return Complain(
          at, absl::StrCat("is of kind ", node.node.kind, " and level ", node.node.level,
                           ", expected ", static_cast<uint32_t>(name_.kind), " and ", level));
    }
    if (!ReservedIsZero(node.node)) Complain(at, "has reserved fields that are not 0");
    const NodeView view(&node, name_.kind, level);
    if (view.FirstKey() < low || (high && view.LastKey() >= *high)) {
      Complain(at, "has keys outside the bounds its parent sets");
    }
    for (uint32_t i = 0; i < view.count(); ++i) {
      if (level == 0) {
        on_record_(view.At(i));
      } else {
        Node(view.Child(i), level - 1, view.Key(i),
             i + 1 < view.count() ? std::optional(view.Key(i + 1)) : high);
      }
    }
  }

  void Fail(std::string what) {
    sound_ = false;
    if (report_ != nullptr) report_->Error(name_.structure, name_.location, std::move(what));
  }
  bool sound() const { return sound_; }

 private:
  static bool ReservedIsZero(const TreeNodeHeader& head) {
    return head.reserved0 == 0 && head.reserved1 == 0 &&
           std::ranges::all_of(head.reserved, [](uint64_t word) { return word == 0; });
  }
  void Complain(Pfn at, std::string_view what) {
    Fail(absl::StrCat("tree node in block ", at.value(), ": ", std::string(what)));
  }

  CheckImage& image_;
  CheckReport* report_;
  const TreeName& name_;
  OnTreeNode on_node_;
  OnTreeRecord on_record_;
  absl::flat_hash_set<uint64_t> met_;
  bool sound_ = true;
};

}  // namespace

bool IsEmptyRoot(const TreeRoot& root, TreeKind kind) {
  return root.node == 0 && root.height == 0 &&
         (root.kind == 0 || root.kind == static_cast<uint32_t>(kind));
}

bool WalkTree(CheckImage& image, CheckReport* report, const TreeName& name, const TreeRoot& root,
              OnTreeNode on_node, OnTreeRecord on_record) {
  Walk walk(image, report, name, on_node, on_record);
  const auto kind = static_cast<uint32_t>(name.kind);
  if (root.node == 0) {
    if (!IsEmptyRoot(root, name.kind)) {
      walk.Fail(
          absl::StrCat("root of an empty tree has height ", root.height, " and kind ", root.kind));
    }
  } else if (root.kind != kind || root.height == 0 || root.height > kMaxTreeHeight) {
    walk.Fail(absl::StrCat("tree root has kind ", root.kind, " and height ", root.height,
                           ", expected kind ", kind, " and height 1 to ", kMaxTreeHeight));
  } else {
    walk.Node(Pfn(root.node), root.height - 1, TreeKey{}, std::nullopt);
  }
  return walk.sound();
}

}  // namespace holdfast::fsmeta
