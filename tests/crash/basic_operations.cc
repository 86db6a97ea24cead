// SPDX-License-Identifier: Apache-2.0
// The 56 operations whose every single one and every pair is tried.
#include <fcntl.h>

#include "absl/strings/str_cat.h"
#include "tests/crash/file_steps.h"
#include "tests/crash/workload.h"

namespace holdfast::tests {
namespace {

using Fs = MountedFilesystem;

constexpr uint64_t kFooSize = 10'000, kBarSize = 8192, kBazSize = 5000;

struct KnownFile {
  const char* path;
  uint64_t size;
};
constexpr KnownFile kFiles[] = {{"foo", kFooSize}, {"A/bar", kBarSize}, {"B/baz", kBazSize}};

class List {
 public:
  template <typename F>
  void Add(std::string name, F run, Atomicity atomicity = Atomicity::kWhole) {
    operations_.push_back({std::move(name), std::move(run), atomicity});
  }
  std::vector<Operation> Take() { return std::move(operations_); }

 private:
  std::vector<Operation> operations_;
};

void AddNew(List& list) {
  for (const char* path : {"new", "A/new", "B/new"}) {
    list.Add(absl::StrCat("create /", path), [path](Fs& fs) { return fs.Create(path); });
  }
  for (const char* path : {"dir", "A/dir", "B/dir"}) {
    list.Add(absl::StrCat("mkdir /", path), [path](Fs& fs) { return fs.MakeDirectory(path); });
  }
}

// Over what is there and past the end, with the size kept.
void AddAllocations(List& list) {
  for (const KnownFile& file : kFiles) {
    for (const uint64_t offset : {uint64_t{0}, file.size + 5000}) {
      list.Add(absl::StrCat("allocate /", file.path, " at ", offset), [&file, offset](Fs& fs) {
        return Fallocate(fs, file.path, FALLOC_FL_KEEP_SIZE, offset, 9000);
      });
    }
  }
}

void AddWrites(List& list) {
  uint32_t seed = 100;
  const auto add = [&](const KnownFile& file, const char* how, uint64_t offset, uint64_t length) {
    ++seed;
    list.Add(
        absl::StrCat("write /", file.path, " ", how),
        [&file, offset, length, seed](Fs& fs) {
          return WriteFile(fs, file.path, offset, length, seed);
        },
        Atomicity::kInPlace);
  };
  for (const KnownFile& file : kFiles) {
    add(file, "appending", file.size, 4999);
    add(file, "inside, unaligned", 1001, 3333);
    add(file, "over the end", file.size - 1000, 6000);
  }
}

void AddLinks(List& list) {
  const std::pair<const char*, const char*> links[] = {{"foo", "A/link"}, {"foo", "B/link"},
                                                       {"A/bar", "link"}, {"A/bar", "B/link"},
                                                       {"B/baz", "link"}, {"B/baz", "A/link"}};
  for (const auto& [from, to] : links) {
    list.Add(absl::StrCat("link /", from, " /", to),
             [from, to](Fs& fs) { return fs.Link(from, to); });
  }
}

void AddRemovals(List& list) {
  for (const KnownFile& file : kFiles) {
    list.Add(absl::StrCat("unlink /", file.path), [&](Fs& fs) { return fs.Unlink(file.path); });
    list.Add(absl::StrCat("remove /", file.path, " while open"),
             [&](Fs& fs) { return RemoveOpen(fs, file.path); });
  }
  for (const char* path : {"A", "B"}) {
    list.Add(absl::StrCat("rmdir /", path), [path](Fs& fs) { return fs.RemoveDirectory(path); });
  }
}

void AddRenames(List& list) {
  const std::pair<const char*, const char*> renames[] = {
      {"foo", "moved"}, {"A/bar", "A/moved"}, {"B/baz", "B/moved"},  // within a directory
      {"foo", "A/foo"}, {"A/bar", "B/bar"},   {"B/baz", "baz"},      // across
      {"foo", "A/bar"}, {"A/bar", "B/baz"},   {"B/baz", "foo"},      // over another file
      {"A", "C"},       {"A", "B/A"},         {"B", "A"}};           // directories
  for (const auto& [from, to] : renames) {
    list.Add(absl::StrCat("rename /", from, " /", to),
             [from, to](Fs& fs) { return fs.Rename(from, to); });
  }
}

void AddTruncations(List& list) {
  for (const KnownFile& file : kFiles) {
    for (const uint64_t size : {uint64_t{4096}, uint64_t{777}, file.size + 3000}) {
      list.Add(absl::StrCat("truncate /", file.path, " to ", size),
               [&file, size](Fs& fs) { return Truncate(fs, file.path, size); });
    }
  }
}

}  // namespace

const Preparation& FileSet() {
  static const Preparation preparation{.name = "the file set", .run = [](Fs& fs) {
                                         Must(fs.MakeDirectory("A"));
                                         Must(fs.MakeDirectory("B"));
                                         uint32_t seed = 0;
                                         for (const KnownFile& file : kFiles) {
                                           Must(fs.Create(file.path));
                                           Must(WriteFile(fs, file.path, 0, file.size, ++seed));
                                         }
                                       }};
  return preparation;
}

const std::vector<Operation>& BasicOperations() {
  static const std::vector<Operation> operations = [] {
    List list;
    AddNew(list);
    AddAllocations(list);
    AddWrites(list);
    AddLinks(list);
    AddRemovals(list);
    AddRenames(list);
    AddTruncations(list);
    return list.Take();
  }();
  return operations;
}

}  // namespace holdfast::tests
