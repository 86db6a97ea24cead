// SPDX-License-Identifier: Apache-2.0
// Random operations on names agree with a simple model, over remounts and crashes.
#include <dirent.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fsmeta/posix_acl.h"
#include "tests/support/error_of.h"
#include "tests/support/mounted_filesystem.h"

namespace holdfast::fsmeta {
namespace {

using tests::ErrorOf;
using tests::MountedFilesystem;

struct Node {
  uint32_t mode = 0;
  Ino ino{0};
  uint32_t names = 0;
  Node* parent = nullptr;  // of directories
  std::map<std::string, std::shared_ptr<Node>> children;
  std::string target;
  std::map<std::string, std::string> xattrs;
  uint64_t lookups = 0;

  bool is_directory() const { return S_ISDIR(mode); }
  bool removed() const { return is_directory() && names == 0; }
  uint32_t subdirectories() const {
    uint32_t n = 0;
    for (const auto& [name, child] : children) n += child->is_directory() ? 1 : 0;
    return n;
  }
  uint32_t links() const { return !is_directory() ? names : removed() ? 0 : 2 + subdirectories(); }
  Node* Child(const std::string& name) {
    const auto found = children.find(name);
    return found == children.end() ? nullptr : found->second.get();
  }
  bool IsAbove(const Node* other) const {
    for (; other != nullptr; other = other->parent) {
      if (other == this) return true;
    }
    return false;
  }
};
using NodePtr = std::shared_ptr<Node>;

// What rename(2) does to the tree, and says.
int PredictRename(Node* from, const std::string& name, Node* to, const std::string& new_name,
                  unsigned flags) {
  if (from->removed() || to->removed()) return ENOENT;
  Node* source = from->Child(name);
  Node* target = to->Child(new_name);
  if (source == nullptr) return ENOENT;
  if (target != nullptr && flags == RENAME_NOREPLACE) return EEXIST;
  if (target == nullptr && flags == RENAME_EXCHANGE) return ENOENT;
  if (source->IsAbove(to)) return EINVAL;
  if (target != nullptr && target->IsAbove(from)) {
    return flags == RENAME_EXCHANGE ? EINVAL : ENOTEMPTY;
  }
  if (target == nullptr || target == source || flags == RENAME_EXCHANGE) return 0;
  if (source->is_directory() && !target->is_directory()) return ENOTDIR;
  if (!source->is_directory() && target->is_directory()) return EISDIR;
  return target->children.empty() ? 0 : ENOTEMPTY;
}

class NamespaceProperty : public testing::TestWithParam<unsigned> {
 protected:
  NamespaceProperty() : random_(GetParam()), root_(std::make_shared<Node>()) {
    root_->mode = S_IFDIR | 0755;
    root_->ino = Ino(kInoRoot);
    root_->names = 1;
    nodes_.push_back(root_);
  }

  Filesystem& fs() { return mounted_.fs(); }
  OpContext& op() { return mounted_.op(); }
  unsigned Below(size_t n) { return static_cast<unsigned>(random_() % n); }
  NodePtr AnyNode() { return nodes_[Below(nodes_.size())]; }
  NodePtr AnyDirectory() {
    for (;;) {
      NodePtr node = AnyNode();
      if (node->is_directory()) return node;
    }
  }
  // Few enough to collide, some long enough to fill blocks.
  std::string AnyName() {
    const unsigned n = Below(60);
    return n < 50 ? "n" + std::to_string(n) : std::string(60 + n, static_cast<char>('A' + n - 50));
  }

  void Step();
  void Make();
  void Link();
  void Remove(bool directory);
  void Rename();
  void ChangeMode();
  void ChangeXattr();
  void Hold();
  void Release();
  void ForgetNode(const NodePtr& node);
  void Reap();
  void CheckAll();
  void CheckDirectory(const NodePtr& directory);
  void CheckNode(const NodePtr& node);

  std::mt19937 random_;
  MountedFilesystem mounted_{uint64_t{32} << 20};
  NodePtr root_;
  std::vector<NodePtr> nodes_;  // named or held
};

void NamespaceProperty::Make() {
  const NodePtr parent = AnyDirectory();
  const std::string name = AnyName();
  auto node = std::make_shared<Node>();
  const uint32_t permissions = Below(01000);
  Result<Attributes> made = Fail(EIO);
  switch (Below(5)) {
    case 0:
    case 1:
      node->mode = S_IFDIR | permissions;
      made = fs().MakeDirectory(op(), parent->ino, name, permissions);
      break;
    case 2:
      node->mode = S_IFLNK | 0777;
      node->target = std::string(1 + Below(600), 't');
      made = fs().MakeSymlink(op(), parent->ino, name, node->target);
      break;
    default:
      node->mode = (Below(4) == 0 ? S_IFIFO : S_IFREG) | permissions;
      made = fs().MakeNode(op(), parent->ino, name, node->mode, 0);
  }
  const int expected = parent->removed() ? ENOENT : parent->Child(name) != nullptr ? EEXIST : 0;
  ASSERT_EQ(ErrorOf(made), expected) << name;
  if (!made) return;
  node->ino = made->ino;
  node->names = 1;
  node->lookups = 1;
  if (node->is_directory()) node->parent = parent.get();
  parent->children[name] = node;
  nodes_.push_back(node);
  if (Below(4) != 0) ForgetNode(node);
}

void NamespaceProperty::Link() {
  const NodePtr node = AnyNode();
  const NodePtr parent = AnyDirectory();
  const std::string name = AnyName();
  const auto linked = fs().Link(op(), node->ino, parent->ino, name);
  const int expected = node == parent         ? EPERM
                       : parent->removed()    ? ENOENT
                       : node->is_directory() ? EPERM
                       : parent->Child(name)  ? EEXIST
                                              : 0;
  ASSERT_EQ(ErrorOf(linked), expected);
  if (!linked) return;
  parent->children[name] = node;
  ++node->names;
  ++node->lookups;
  EXPECT_EQ(linked->nlink, node->names);
}

void NamespaceProperty::Remove(bool directory) {
  const NodePtr parent = AnyDirectory();
  std::string name = AnyName();
  if (!parent->children.empty() && Below(3) != 0) {
    name = std::next(parent->children.begin(), Below(parent->children.size()))->first;
  }
  const Node* child = parent->Child(name);
  int expected = 0;
  if (child == nullptr) {
    expected = ENOENT;
  } else if (child->is_directory() != directory) {
    expected = directory ? ENOTDIR : EISDIR;
  } else if (directory && !child->children.empty()) {
    expected = ENOTEMPTY;
  }
  const auto removed = directory ? fs().RemoveDirectory(op(), parent->ino, name)
                                 : fs().Unlink(op(), parent->ino, name);
  ASSERT_EQ(ErrorOf(removed), expected) << name;
  if (!removed) return;
  --parent->children[name]->names;
  parent->children.erase(name);
}

void NamespaceProperty::Rename() {
  const NodePtr from = AnyDirectory();
  const NodePtr to = Below(2) == 0 ? from : AnyDirectory();
  std::string name = AnyName();
  std::string new_name = AnyName();
  if (!from->children.empty()) {
    name = std::next(from->children.begin(), Below(from->children.size()))->first;
  }
  if (!to->children.empty() && Below(3) == 0) {
    new_name = std::next(to->children.begin(), Below(to->children.size()))->first;
  }
  constexpr unsigned kFlags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
  const unsigned flags = kFlags[Below(std::size(kFlags))];
  const int expected = PredictRename(from.get(), name, to.get(), new_name, flags);
  ASSERT_EQ(ErrorOf(fs().Rename(op(), from->ino, name, to->ino, new_name, flags)), expected)
      << name << " -> " << new_name << " flags " << flags;
  if (expected != 0 || from->Child(name) == to->Child(new_name)) return;
  NodePtr source = from->children[name];
  NodePtr target = to->Child(new_name) != nullptr ? to->children[new_name] : nullptr;
  to->children[new_name] = source;
  if (source->is_directory()) source->parent = to.get();
  if (flags == RENAME_EXCHANGE) {
    from->children[name] = target;
    if (target->is_directory()) target->parent = from.get();
    return;
  }
  from->children.erase(name);
  if (target != nullptr) --target->names;
}

void NamespaceProperty::ChangeMode() {
  const NodePtr node = AnyNode();
  const uint32_t permissions = Below(01000);
  const auto changed = fs().SetAttributes(op(), node->ino, {.mode = permissions});
  ASSERT_TRUE(changed) << changed.error().Text();
  node->mode = (node->mode & S_IFMT) | permissions;
  EXPECT_EQ(changed->mode, node->mode);
}

void NamespaceProperty::ChangeXattr() {
  const NodePtr node = AnyNode();
  const std::string name = "trusted.x" + std::to_string(Below(8));
  if (Below(3) == 0) {
    const int expected = node->xattrs.erase(name) == 1 ? 0 : ENODATA;
    ASSERT_EQ(ErrorOf(fs().RemoveXattr(op(), node->ino, name)), expected);
    return;
  }
  const size_t length = Below(10) == 0 ? Below(9000) : Below(200);
  node->xattrs[name] = std::string(length, static_cast<char>('a' + Below(26)));
  ASSERT_EQ(ErrorOf(fs().SetXattr(op(), node->ino, name, node->xattrs[name], 0)), 0);
}

void NamespaceProperty::Hold() {
  const NodePtr node = AnyNode();
  ASSERT_TRUE(fs().AddLookup(node->ino));
  ++node->lookups;
}

void NamespaceProperty::Release() { ForgetNode(AnyNode()); }

void NamespaceProperty::ForgetNode(const NodePtr& node) {
  fs().Forget(node->ino, node->lookups);
  node->lookups = 0;
}

// What nobody names or holds any more is gone.
void NamespaceProperty::Reap() {
  std::erase_if(nodes_, [](const NodePtr& node) { return node->names == 0 && node->lookups == 0; });
}

void NamespaceProperty::CheckNode(const NodePtr& node) {
  const auto attributes = fs().GetAttributes(node->ino);
  ASSERT_TRUE(attributes) << attributes.error().Text();
  EXPECT_EQ(attributes->mode, node->mode);
  EXPECT_EQ(attributes->nlink, node->links()) << "inode " << node->ino.value();
  if (S_ISLNK(node->mode)) {
    EXPECT_EQ(fs().ReadSymlink(node->ino).value_or(""), node->target);
  }
  for (const auto& [name, value] : node->xattrs) {
    EXPECT_EQ(fs().GetXattr(node->ino, name).value_or("none"), value);
  }
}

void NamespaceProperty::CheckDirectory(const NodePtr& directory) {
  if (directory->removed()) {
    EXPECT_EQ(ErrorOf(fs().Lookup(directory->ino, "n1")), ENOENT);
    return;
  }
  std::map<std::string, Ino> expected;
  for (const auto& [name, child] : directory->children) expected[name] = child->ino;
  std::map<std::string, Ino> listed;
  ASSERT_TRUE(fs().ReadDirectory(directory->ino, 0, [&](const DirectoryItem& item) {
    if (item.name == ".") {
      EXPECT_EQ(item.ino, directory->ino);
    }
    if (item.name == "..") {
      EXPECT_EQ(item.ino, directory->parent != nullptr ? directory->parent->ino : directory->ino);
    }
    if (item.name != "." && item.name != "..") {
      EXPECT_TRUE(listed.emplace(item.name, item.ino).second) << item.name;
      EXPECT_EQ(DTTOIF(item.type), directory->children[std::string(item.name)]->mode & S_IFMT);
    }
    return true;
  }));
  EXPECT_EQ(listed, expected);
  for (const auto& [name, ino] : expected) {
    const auto found = fs().Lookup(directory->ino, name);
    ASSERT_TRUE(found) << name << ": " << found.error().Text();
    EXPECT_EQ(found->ino, ino);
    fs().Forget(ino, 1);
  }
}

void NamespaceProperty::CheckAll() {
  for (const NodePtr& node : nodes_) {
    ASSERT_NO_FATAL_FAILURE(CheckNode(node));
    if (node->is_directory()) {
      ASSERT_NO_FATAL_FAILURE(CheckDirectory(node));
    }
  }
}

void NamespaceProperty::Step() {
  switch (Below(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return Make();
    case 4:
      return Link();
    case 5:
      return Remove(false);
    case 6:
      return Remove(true);
    case 7:
    case 8:
      return Rename();
    case 9:
      return Below(2) == 0 ? ChangeMode() : ChangeXattr();
    case 10:
      return Hold();
    default:
      return Release();
  }
}

TEST_P(NamespaceProperty, AgreesWithTheModel) {
  for (int round = 0; round < 12; ++round) {
    for (int step = 0; step < 250; ++step) {
      ASSERT_NO_FATAL_FAILURE(Step()) << "round " << round << " step " << step;
      Reap();
    }
    ASSERT_NO_FATAL_FAILURE(CheckAll()) << "round " << round;
    mounted_.ExpectSound();
    if (round % 3 == 0) continue;
    round % 3 == 1 ? mounted_.Remount() : mounted_.Crash();
    ASSERT_TRUE(fs().FinishOrphans());
    for (const NodePtr& node : nodes_) node->lookups = 0;
    Reap();
    ASSERT_NO_FATAL_FAILURE(CheckAll()) << "after mount, round " << round;
    mounted_.ExpectSound();
    ASSERT_FALSE(HasFailure()) << "round " << round;
  }
}

TEST_P(NamespaceProperty, IsSoundAfterEveryCommit) {
  mounted_.CheckEachCommit();
  for (int step = 0; step < 300 && !HasFailure(); ++step) {
    ASSERT_NO_FATAL_FAILURE(Step()) << "step " << step;
    Reap();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, NamespaceProperty, testing::Range(1U, 7U));

}  // namespace
}  // namespace holdfast::fsmeta
