// SPDX-License-Identifier: Apache-2.0
// Walking, removing and comparing trees.
#include "tests/support/tree_state.h"

#include <dirent.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace holdfast::tests {

using daxcore::Ino;
using daxcore::Result;
using fsmeta::Attributes;
using fsmeta::Filesystem;

namespace {

constexpr uint64_t kAll = uint64_t{1} << 40;

struct Child {
  std::string name;
  Ino ino;
  uint8_t type;
};

Result<std::vector<Child>> Children(Filesystem& fs, Ino directory) {
  std::vector<Child> children;
  HOLDFAST_TRY(fs.ReadDirectory(directory, 0, [&](const fsmeta::DirectoryItem& item) {
    if (item.name != "." && item.name != "..") {
      children.push_back({std::string(item.name), item.ino, item.type});
    }
    return true;
  }));
  return children;
}

Result<std::string> ReadAll(Filesystem& fs, Ino ino) {
  std::string data;
  HOLDFAST_TRY(fs.Read(ino, 0, kAll, [&](std::span<const iovec> pieces) {
    for (const iovec& piece : pieces) {
      data.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
  }));
  return data;
}

// Holes, unwritten and written parts; who else has a block is no property of this file.
Result<std::string> LayoutText(Filesystem& fs, Ino ino) {
  using State = fsmeta::LayoutPiece::State;
  HOLDFAST_ASSIGN(const auto pieces, fs.Layout(ino, 0, kAll, 100'000));
  std::string text;
  char last = 0;
  uint64_t end = 0;
  for (const auto& piece : pieces) {
    const char state = piece.state == State::kHole        ? 'h'
                       : piece.state == State::kUnwritten ? 'u'
                                                          : 'w';
    if (state != last) absl::StrAppendFormat(&text, " %d%c", piece.file_offset, state);
    last = state;
    end = piece.file_offset + piece.length;
  }
  return absl::StrCat(text, " ", end);
}

Result<std::string> XattrText(Filesystem& fs, Ino ino) {
  HOLDFAST_ASSIGN(const std::string list, fs.ListXattr(ino));
  std::map<std::string, std::string> sorted;
  for (size_t at = 0; at < list.size();) {
    const std::string name(list.c_str() + at);
    at += name.size() + 1;
    HOLDFAST_ASSIGN(sorted[name], fs.GetXattr(ino, name));
  }
  std::string text;
  for (const auto& [name, value] : sorted) {
    absl::StrAppendFormat(&text, " %s=%d:%x", name, value.size(),
                          XXH3_64bits(value.data(), value.size()));
  }
  return text;
}

Result<TreeEntry> ReadEntry(Filesystem& fs, Ino ino) {
  HOLDFAST_ASSIGN(const Attributes a, fs.GetAttributes(ino));
  TreeEntry entry;
  entry.attributes =
      absl::StrFormat("inode %d.%d mode %o owner %d:%d links %d size %d blocks %d rdev %d",
                      a.ino.value(), a.generation, a.mode, a.uid, a.gid, a.nlink,
                      S_ISDIR(a.mode) ? 0 : a.size, S_ISDIR(a.mode) ? 0 : a.blocks, a.rdev);
  HOLDFAST_ASSIGN(const std::string xattrs, XattrText(fs, ino));
  if (!xattrs.empty()) entry.attributes += " xattrs" + xattrs;
  if (S_ISLNK(a.mode)) {
    HOLDFAST_ASSIGN(const std::string target, fs.ReadSymlink(ino));
    entry.attributes += " target " + target;
  }
  if (S_ISREG(a.mode)) {
    HOLDFAST_ASSIGN(const std::string layout, LayoutText(fs, ino));
    entry.attributes += " layout" + layout;
    HOLDFAST_ASSIGN(entry.data, ReadAll(fs, ino));
  }
  return entry;
}

Result<void> Walk(Filesystem& fs, const std::string& path, Ino ino, TreeState* tree) {
  HOLDFAST_ASSIGN((*tree)[path], ReadEntry(fs, ino));
  HOLDFAST_ASSIGN(const Attributes a, fs.GetAttributes(ino));
  if (!S_ISDIR(a.mode)) return {};
  HOLDFAST_ASSIGN(const std::vector<Child> children, Children(fs, ino));
  for (const Child& child : children) {
    // As the kernel does: by name, which is another way than by position.
    HOLDFAST_ASSIGN(const Attributes found, fs.Lookup(ino, child.name));
    fs.Forget(found.ino, 1);
    if (found.ino != child.ino) return daxcore::Fail(EUCLEAN, "look-up and listing disagree");
    HOLDFAST_TRY(Walk(fs, path.empty() ? child.name : path + "/" + child.name, child.ino, tree));
  }
  return {};
}

// Bytes [8 i, 8 i + 8) of a file, zero past its end.
uint64_t WordAt(const std::string& data, size_t i) {
  uint64_t word = 0;
  if (8 * i < data.size()) {
    std::memcpy(&word, data.data() + 8 * i, std::min<size_t>(8, data.size() - 8 * i));
  }
  return word;
}

// `word` cut at `size`, the length of a file.
uint64_t CutWord(uint64_t word, size_t i, size_t size) {
  if (8 * i + 8 <= size) return word;
  return 8 * i >= size ? 0 : word & ((uint64_t{1} << (8 * (size - 8 * i))) - 1);
}

// Is each aligned 8 bytes of `found` that of either?
bool IsMixed(const std::string& found, const std::string& before, const std::string& after) {
  for (size_t i = 0; 8 * i < found.size(); ++i) {
    const uint64_t word = WordAt(found, i);
    if (word != CutWord(WordAt(before, i), i, found.size()) &&
        word != CutWord(WordAt(after, i), i, found.size())) {
      return false;
    }
  }
  return true;
}

bool IsBetween(const TreeEntry& found, const TreeEntry& before, const TreeEntry& after) {
  return (found.attributes == before.attributes || found.attributes == after.attributes) &&
         IsMixed(found.data, before.data, after.data);
}

bool IsPartial(const TreeEntry& found, const TreeEntry& before, const TreeEntry& after) {
  if (found == before || found == after) return true;
  const auto [least, most] = std::minmax({before.data.size(), after.data.size()});
  return found.data.size() >= least && found.data.size() <= most &&
         IsMixed(found.data, before.data, after.data);
}

// Does `fits` say yes of every name, and has each tree the same ones?
template <typename Fits>
bool EachFits(const TreeState& found, const TreeState& before, const TreeState& after, Fits fits) {
  if (found.size() != before.size() || found.size() != after.size()) return false;
  return std::ranges::all_of(found, [&](const auto& item) {
    const auto old = before.find(item.first), changed = after.find(item.first);
    return old != before.end() && changed != after.end() &&
           fits(item.second, old->second, changed->second);
  });
}

std::string Describe(const TreeEntry& entry) {
  constexpr size_t kMost = 300;  // layouts of fragmented files are long
  std::string text = entry.attributes.substr(0, kMost);
  if (entry.attributes.size() > kMost) text += "...";
  if (entry.data.empty()) return text;
  absl::StrAppendFormat(&text, " data %016x", XXH3_64bits(entry.data.data(), entry.data.size()));
  return text;
}

std::string DataDifference(const std::string& left, const std::string& right) {
  const size_t n = std::min(left.size(), right.size());
  size_t at = 0, count = 0;
  for (size_t i = n; i-- > 0;) {
    if (left[i] == right[i]) continue;
    at = i;
    ++count;
  }
  return count == 0 ? "" : absl::StrFormat(" (%d bytes differ, the first at %d)", count, at);
}

}  // namespace

uint64_t InodeOf(const TreeEntry& entry) {
  return std::strtoull(entry.attributes.c_str() + std::strlen("inode "), nullptr, 10);
}

Result<TreeState> ReadTree(Filesystem& fs) {
  TreeState tree;
  HOLDFAST_TRY(Walk(fs, "", Ino(fsmeta::kInoRoot), &tree));
  return tree;
}

Result<void> RemoveTree(Filesystem& fs) {
  // Depth first: a directory is visited again when what was in it is gone.
  std::vector<Child> path = {{"", Ino(fsmeta::kInoRoot), DT_DIR}};
  while (!path.empty()) {
    const Ino here = path.back().ino;
    HOLDFAST_ASSIGN(const std::vector<Child> children, Children(fs, here));
    const auto directory = std::ranges::find(children, uint8_t{DT_DIR}, &Child::type);
    if (directory != children.end()) {
      path.push_back(*directory);
      continue;
    }
    for (const Child& child : children) HOLDFAST_TRY(fs.Unlink({}, here, child.name));
    const std::string name = path.back().name;
    path.pop_back();
    if (!path.empty()) HOLDFAST_TRY(fs.RemoveDirectory({}, path.back().ino, name));
  }
  return {};
}

bool IsBetween(const TreeState& found, const TreeState& before, const TreeState& after) {
  return EachFits(found, before, after,
                  [](const TreeEntry& f, const TreeEntry& b, const TreeEntry& a) {
                    return IsBetween(f, b, a);
                  });
}

bool IsPartial(const TreeState& found, const TreeState& before, const TreeState& after) {
  return EachFits(found, before, after,
                  [](const TreeEntry& f, const TreeEntry& b, const TreeEntry& a) {
                    return IsPartial(f, b, a);
                  });
}

std::string Differences(std::string_view left_name, const TreeState& left,
                        std::string_view right_name, const TreeState& right, size_t most) {
  std::string text;
  const auto line = [&](std::string_view which, const std::string& path, std::string_view what) {
    if (most == 0) return;
    --most;
    absl::StrAppendFormat(&text, "    %s: /%s: %s\n", which, path, what);
  };
  for (const auto& [path, entry] : left) {
    const auto other = right.find(path);
    if (other == right.end()) {
      line(left_name, path, Describe(entry) + ", the other has no such name");
    } else if (other->second != entry) {
      line(left_name, path, Describe(entry) + DataDifference(entry.data, other->second.data));
      line(right_name, path, Describe(other->second));
    }
  }
  for (const auto& [path, entry] : right) {
    if (!left.contains(path))
      line(right_name, path, Describe(entry) + ", the other has no such name");
  }
  return text;
}

}  // namespace holdfast::tests
