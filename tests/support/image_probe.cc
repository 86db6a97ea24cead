// SPDX-License-Identifier: Apache-2.0
// Bounded walks, and changes whose errors do not matter.
#include "tests/support/image_probe.h"

#include <linux/falloc.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <span>
#include <vector>

#include "absl/strings/str_cat.h"

namespace holdfast::tests {

using daxcore::Ino;
using daxcore::Result;
using fsmeta::Attributes;
using fsmeta::Filesystem;

namespace {

constexpr uint64_t kMostBytes = 64 << 10;
constexpr size_t kMostNames = 1000;
constexpr int kMostDepth = 16;

uint64_t HashOf(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

std::string DataDigest(Filesystem& fs, Ino ino) {
  std::string bytes;
  const auto read = fs.Read(ino, 0, kMostBytes, [&](std::span<const iovec> pieces) {
    for (const iovec& piece : pieces) {
      bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
  });
  return absl::StrCat(" data ", read ? 0 : read.error().code, " ", HashOf(bytes));
}

std::string XattrDigest(Filesystem& fs, Ino ino) {
  const auto list = fs.ListXattr(ino);
  if (!list) return absl::StrCat(" xattrs ", list.error().code);
  std::map<std::string, uint64_t> values;
  for (size_t at = 0; at < list->size();) {
    const std::string name(list->c_str() + at);
    at += name.size() + 1;
    const auto value = fs.GetXattr(ino, name);
    values[name] = value ? HashOf(*value) : static_cast<uint64_t>(value.error().code);
  }
  std::string digest;
  for (const auto& [name, value] : values) absl::StrAppend(&digest, " ", name, "=", value);
  return digest;
}

class Walk {
 public:
  explicit Walk(Filesystem& fs) : fs_(fs) {}

  SeenFiles Run() {
    Visit("", Ino(fsmeta::kInoRoot), 0);
    return std::move(seen_);
  }

 private:
  void Visit(const std::string& path, Ino ino, int depth) {
    if (seen_.size() >= kMostNames) return;
    SeenFile& file = seen_[path];
    file.ino = ino.value();
    const auto attributes = fs_.GetAttributes(ino);
    if (!attributes) {
      file.digest = absl::StrCat("error ", attributes.error().code);
      return;
    }
    const Attributes& a = *attributes;
    file.digest = absl::StrCat("mode ", a.mode, " owner ", a.uid, ":", a.gid, " rdev ", a.rdev);
    if (!S_ISDIR(a.mode)) absl::StrAppend(&file.digest, " size ", a.size, " links ", a.nlink);
    absl::StrAppend(&file.digest, XattrDigest(fs_, ino));
    if (S_ISLNK(a.mode)) {
      const auto target = fs_.ReadSymlink(ino);
      absl::StrAppend(&file.digest, " to ", target ? *target : "error");
    } else if (S_ISREG(a.mode)) {
      absl::StrAppend(&file.digest, DataDigest(fs_, ino));
      static_cast<void>(fs_.Layout(ino, 0, kMostBytes, 100));
      static_cast<void>(fs_.Seek(ino, 0, SEEK_HOLE));
    } else if (S_ISDIR(a.mode) && depth < kMostDepth) {
      VisitChildren(path, ino, depth);
    }
  }

  void VisitChildren(const std::string& path, Ino ino, int depth) {
    std::vector<std::string> names;
    const auto listed = fs_.ReadDirectory(ino, 0, [&](const fsmeta::DirectoryItem& item) {
      if (item.name != "." && item.name != "..") names.emplace_back(item.name);
      return names.size() < kMostNames;
    });
    if (!listed) absl::StrAppend(&seen_[path].digest, " listing ", listed.error().code);
    for (const std::string& name : names) {
      const std::string child = path.empty() ? name : absl::StrCat(path, "/", name);
      const auto found = fs_.Lookup(ino, name);
      if (!found) {
        seen_[child].digest = absl::StrCat("error ", found.error().code);
        continue;
      }
      Visit(child, found->ino, depth + 1);
      fs_.Forget(found->ino, 1);
    }
  }

  Filesystem& fs_;
  SeenFiles seen_;
};

// Errors are as good as successes here.
template <typename T>
void Try(const Result<T>&) {}

void ChangeFile(Filesystem& fs, const fsmeta::OpContext& op, Ino ino, int turn) {
  const std::vector<std::byte> bytes(5000, std::byte{0x42});
  switch (turn % 6) {
    case 0:
      return Try(fs.Write(op, ino, 4000, bytes, false));
    case 1:
      return Try(fs.Allocate(op, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
    case 2:
      return Try(fs.SetAttributes(op, ino, {.size = 5000}));
    case 3:
      return Try(fs.SetXattr(op, ino, "user.probe", std::string(3000, 'p'), 0));
    case 4:
      return Try(fs.Allocate(op, ino, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
    default:
      return Try(fs.Write(op, ino, uint64_t{1} << 20, bytes, false));
  }
}

}  // namespace

SeenFiles LookAround(Filesystem& fs) { return Walk(fs).Run(); }

void ChangeThings(Filesystem& fs, const SeenFiles& seen) {
  const fsmeta::OpContext op{};
  const Ino root(fsmeta::kInoRoot);
  int turn = 0;
  for (const auto& [path, file] : seen) {
    if (file.ino < fsmeta::kInoFirstFree || turn >= 24) continue;
    ChangeFile(fs, op, Ino(file.ino), turn++);
  }
  if (const auto made = fs.MakeNode(op, root, "probe", S_IFREG | 0600, 0)) {
    for (int i = 0; i < 6; ++i) ChangeFile(fs, op, made->ino, i);
    for (const auto& [path, file] : seen) {
      Try(fs.Reflink(op, made->ino, 0, Ino(file.ino), 0, 4096));
      if (--turn < 20) break;
    }
    fs.Forget(made->ino, 1);
  }
  if (const auto made = fs.MakeDirectory(op, root, "probes", 0700)) fs.Forget(made->ino, 1);
  for (const auto& [path, file] : seen) {
    if (path.empty() || path.find('/') != std::string::npos) continue;
    Try(fs.Rename(op, root, path, root, path + "~", 0));
    Try(fs.Unlink(op, root, path + "~"));
    Try(fs.RemoveDirectory(op, root, path + "~"));
  }
  Try(fs.Sync());
}

}  // namespace holdfast::tests
