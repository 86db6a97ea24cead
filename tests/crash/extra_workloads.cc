// SPDX-License-Identifier: Apache-2.0
// The operations that the basic suite lacks, each on a filesystem made for it.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <concepts>

#include "absl/strings/str_cat.h"
#include "fsmeta/quarantine_file.h"
#include "fsmeta/quarantine_store.h"
#include "tests/crash/file_steps.h"
#include "tests/crash/workload.h"

namespace holdfast::tests {
namespace {

using Fs = MountedFilesystem;
using fsmeta::Ino;
using fsmeta::Result;

class List {
 public:
  template <typename Prepare, std::invocable<Fs&> F>
  void Add(std::string name, Prepare prepare, F run, Atomicity atomicity = Atomicity::kWhole) {
    Preparation preparation{.name = "its own files", .run = [prepare](Fs& fs) {
                              FileSet().run(fs);
                              prepare(fs);
                            }};
    workloads_.push_back({std::move(preparation), {std::move(name), std::move(run), atomicity}});
  }
  template <typename F>
  void Add(std::string name, F run, Atomicity atomicity = Atomicity::kWhole) {
    Add(std::move(name), [](Fs&) {}, std::move(run), atomicity);
  }
  // A mount after the power failed in `interrupted`, if that has a name, after so many drains.
  template <typename Prepare>
  void AddMount(std::string name, Prepare prepare, const Operation& interrupted, uint64_t drains) {
    Add(std::move(name), prepare, [](Fs&) { return Result<void>(); });
    workloads_.back().is_mount = true;
    if (interrupted.name.empty()) return;
    last().interrupted = interrupted;
    last().drains = drains;
  }
  Preparation& last() { return workloads_.back().preparation; }
  std::vector<ExtraWorkload> Take() { return std::move(workloads_); }

 private:
  std::vector<ExtraWorkload> workloads_;
};

void MakeClone(Fs& fs) {
  Must(fs.Create("clone"));
  Must(Reflink(fs, "foo", 0, "clone", 0, 0));
}

// Files in `directory`, so many.
void MakeFiles(Fs& fs, const std::string& directory, int count, const char* prefix = "file") {
  for (int i = 0; i < count; ++i) {
    Must(fs.Create(absl::StrCat(directory, directory.empty() ? "" : "/", prefix, i)));
  }
}

// A file of `count` extents, none of which continues another.
void MakeFragmented(Fs& fs, const char* path, int count) {
  Must(fs.Create(path));
  for (int i = 0; i < count; ++i) Must(WriteFile(fs, path, uint64_t{8192} * i, 4096, 500 + i));
}

void AddSharing(List& list) {
  list.Add(
      "reflink /foo whole to a new file", [](Fs& fs) { Must(fs.Create("clone")); },
      [](Fs& fs) { return Reflink(fs, "foo", 0, "clone", 0, 0); });
  list.Add("reflink a range of /foo into /A/bar",
           [](Fs& fs) { return Reflink(fs, "foo", 4096, "A/bar", 4096, 4096); });
  list.Add("reflink a range of /foo into /foo",
           [](Fs& fs) { return Reflink(fs, "foo", 0, "foo", 16384, 8192); });
  list.Add("reflink /foo once more", MakeClone,
           [](Fs& fs) { return Reflink(fs, "clone", 0, "A/bar", 0, 0); });
  list.Add(
      "copy_file_range of all of /foo",
      [](Fs& fs) { return Copy(fs, "foo", 0, "A/bar", 0, 10'000); }, Atomicity::kInSteps);
  list.Add(
      "copy_file_range, unaligned",
      [](Fs& fs) { return Copy(fs, "foo", 1000, "B/baz", 3001, 5000); }, Atomicity::kInPlace);
  list.Add(
      "write into a shared block", MakeClone,
      [](Fs& fs) { return WriteFile(fs, "clone", 5000, 2000, 300); }, Atomicity::kInPlace);
  list.Add(
      "write over a whole clone", MakeClone,
      [](Fs& fs) { return WriteFile(fs, "clone", 0, 12'288, 301); }, Atomicity::kInPlace);
  list.Add("truncate a clone inside a block", MakeClone,
           [](Fs& fs) { return Truncate(fs, "clone", 6000); });
  list.Add("grow a clone", MakeClone, [](Fs& fs) { return Truncate(fs, "clone", 20'000); });
  list.Add("unlink one of two clones", MakeClone, [](Fs& fs) { return fs.Unlink("foo"); });
  list.Add(
      "unshare a clone", MakeClone,
      [](Fs& fs) { return Fallocate(fs, "clone", FALLOC_FL_UNSHARE_RANGE, 0, 12'288); },
      Atomicity::kInSteps);
}

void AddRanges(List& list) {
  constexpr int kKeep = FALLOC_FL_KEEP_SIZE;
  const auto punch = FALLOC_FL_PUNCH_HOLE | kKeep;
  list.Add("punch whole blocks", [=](Fs& fs) { return Fallocate(fs, "foo", punch, 4096, 4096); });
  list.Add("punch inside a block", [=](Fs& fs) { return Fallocate(fs, "foo", punch, 100, 900); });
  list.Add("punch over edges", [=](Fs& fs) { return Fallocate(fs, "foo", punch, 1000, 8000); });
  list.Add("punch edges of a clone", MakeClone,
           [=](Fs& fs) { return Fallocate(fs, "clone", punch, 1000, 8000); });
  list.Add("zero over edges",
           [](Fs& fs) { return Fallocate(fs, "foo", FALLOC_FL_ZERO_RANGE, 1000, 8000); });
  list.Add("zero past the end",
           [](Fs& fs) { return Fallocate(fs, "foo", FALLOC_FL_ZERO_RANGE, 9000, 9000); });
  list.Add("zero a clone", MakeClone, [](Fs& fs) {
    return Fallocate(fs, "clone", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 8192);
  });
  list.Add("allocate past the end, growing",
           [](Fs& fs) { return Fallocate(fs, "foo", 0, 9000, 9000); });
  list.Add("collapse",
           [](Fs& fs) { return Fallocate(fs, "foo", FALLOC_FL_COLLAPSE_RANGE, 0, 4096); });
  list.Add("insert",
           [](Fs& fs) { return Fallocate(fs, "foo", FALLOC_FL_INSERT_RANGE, 4096, 8192); });
  list.Add("collapse a clone", MakeClone,
           [](Fs& fs) { return Fallocate(fs, "clone", FALLOC_FL_COLLAPSE_RANGE, 4096, 4096); });
  list.Add(
      "write into unwritten blocks",
      [](Fs& fs) { Must(Fallocate(fs, "foo", FALLOC_FL_KEEP_SIZE, 20'000, 20'000)); },
      [](Fs& fs) { return WriteFile(fs, "foo", 25'000, 5000, 310); }, Atomicity::kInPlace);
  list.Add(
      "write where a hole was punched",
      [=](Fs& fs) { Must(Fallocate(fs, "foo", punch, 100, 900)); },
      [](Fs& fs) { return WriteFile(fs, "foo", 200, 500, 311); }, Atomicity::kInPlace);
}

void AddNames(List& list) {
  list.Add(
      "temporary file given a name",
      [](Fs& fs) -> Result<void> {
        HOLDFAST_ASSIGN(const auto made,
                        fs.fs().MakeTemporary(fs.op(), Ino(fsmeta::kInoRoot), 0600));
        const auto linked = fs.fs().Link(fs.op(), made.ino, Ino(fsmeta::kInoRoot), "named");
        fs.fs().Forget(made.ino, linked ? 2 : 1);
        return linked ? Result<void>() : daxcore::Fail(linked.error().code);
      },
      Atomicity::kInSteps);
  list.Add("temporary file dropped", [](Fs& fs) -> Result<void> {
    HOLDFAST_ASSIGN(const auto made, fs.fs().MakeTemporary(fs.op(), Ino(fsmeta::kInoRoot), 0600));
    fs.fs().Forget(made.ino, 1);
    return {};
  });
  list.Add("rename exchange of files",
           [](Fs& fs) { return fs.Rename("foo", "A/bar", RENAME_EXCHANGE); });
  list.Add("rename exchange of file and directory",
           [](Fs& fs) { return fs.Rename("foo", "A", RENAME_EXCHANGE); });
  list.Add(
      "rename over an empty directory", [](Fs& fs) { Must(fs.MakeDirectory("empty")); },
      [](Fs& fs) { return fs.Rename("A", "empty"); });
  list.Add(
      "rmdir of an empty directory", [](Fs& fs) { Must(fs.MakeDirectory("A/empty")); },
      [](Fs& fs) { return fs.RemoveDirectory("A/empty"); });
  list.Add("symlink, short", [](Fs& fs) { return fs.Symlink("foo", "A/link"); });
  list.Add("symlink, long", [](Fs& fs) { return fs.Symlink(std::string(1000, 'x'), "A/link"); });
  list.Add(
      "unlink of a long symlink", [](Fs& fs) { Must(fs.Symlink(std::string(1000, 'x'), "link")); },
      [](Fs& fs) { return fs.Unlink("link"); });
  list.Add("mknod", [](Fs& fs) -> Result<void> {
    HOLDFAST_ASSIGN(const auto made, fs.fs().MakeNode(fs.op(), Ino(fsmeta::kInoRoot), "device",
                                                      S_IFCHR | 0600, 0x103));
    fs.fs().Forget(made.ino, 1);
    return {};
  });
}

void AddAttributes(List& list) {
  list.Add("chmod and chown", [](Fs& fs) -> Result<void> {
    HOLDFAST_ASSIGN(const Ino ino, fs.Find("foo"));
    HOLDFAST_TRY(fs.fs().SetAttributes(fs.op(), ino, {.mode = 0600, .uid = 5, .gid = 6}));
    return {};
  });
  list.Add("first xattr", [](Fs& fs) { return SetXattr(fs, "foo", "user.a", "value"); });
  list.Add(
      "xattr replaced by a longer one",
      [](Fs& fs) { Must(SetXattr(fs, "foo", "user.a", "value")); },
      [](Fs& fs) { return SetXattr(fs, "foo", "user.a", std::string(1500, 'y')); });
  list.Add("xattr of two blocks",
           [](Fs& fs) { return SetXattr(fs, "foo", "user.long", std::string(7000, 'z')); });
  list.Add(
      "xattr of two blocks replaced",
      [](Fs& fs) { Must(SetXattr(fs, "foo", "user.long", std::string(7000, 'z'))); },
      [](Fs& fs) { return SetXattr(fs, "foo", "user.long", std::string(9000, 'q')); });
  list.Add(
      "last xattr removed", [](Fs& fs) { Must(SetXattr(fs, "foo", "user.a", "value")); },
      [](Fs& fs) { return RemoveXattr(fs, "foo", "user.a"); });
  // An access list: owner rw, user 7 r, group r, mask rw, other none (version 2, little-endian).
  const std::string acl(
      "\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\x07\0\0\0"
      "\x04\0\x04\0\xff\xff\xff\xff\x10\0\x06\0\xff\xff\xff\xff"
      "\x20\0\0\0\xff\xff\xff\xff",
      44);
  list.Add("access list set",
           [acl](Fs& fs) { return SetXattr(fs, "foo", "system.posix_acl_access", acl); });
  list.Add(
      "create under a default access list",
      [acl](Fs& fs) { Must(SetXattr(fs, "A", "system.posix_acl_default", acl)); },
      [](Fs& fs) { return fs.Create("A/heir"); });
}

void AddWrites(List& list) {
  const auto write = [](const char* path, uint64_t offset, uint64_t length, uint32_t seed) {
    return [=](Fs& fs) { return WriteFile(fs, path, offset, length, seed); };
  };
  list.Add("write of 1 byte", write("foo", 4097, 1, 320), Atomicity::kInPlace);
  list.Add("write of 13 bytes over a block's end", write("foo", 4090, 13, 321),
           Atomicity::kInPlace);
  list.Add("write past a gap", write("foo", 30'001, 777, 322), Atomicity::kInPlace);
  list.Add("write of 64 KiB", write("A/bar", 3, 65'536, 323), Atomicity::kInPlace);
  list.Add(
      "write into a hole", [](Fs& fs) { Must(Truncate(fs, "foo", 50'000)); },
      write("foo", 40'001, 3000, 324), Atomicity::kInPlace);
  list.Add(
      "two writers of one file",
      [](Fs& fs) -> Result<void> {
        HOLDFAST_TRY(WriteFile(fs, "foo", 9000, 3000, 325));
        return WriteFile(fs, "foo", 11'000, 3000, 326);
      },
      Atomicity::kInSteps);
  for (const uint64_t offset : {uint64_t{1001}, uint64_t{9000}}) {
    list.Add(absl::StrCat("write at ", offset, " with data=cow"), write("foo", offset, 3333, 327));
    list.last().mount.data = fsmeta::DataMode::kCow;
  }
}

// Where the index changes its shape follows from the names and the seed of their hashes.
void AddIndexGrowth(List& list) {
  list.Add(
      "directory gets an index of three nodes", [](Fs& fs) { MakeFiles(fs, "A", 167); },
      [](Fs& fs) { return fs.Create("A/file167"); });
  list.Add(
      "node of a directory's index splits", [](Fs& fs) { MakeFiles(fs, "A", 301); },
      [](Fs& fs) { return fs.Create("A/file301"); });
  list.Add(
      "nodes of a directory's index merge",
      [](Fs& fs) {
        MakeFiles(fs, "A", 420);
        for (int i = 419; i > 249; --i) Must(fs.Unlink(absl::StrCat("A/file", i)));
      },
      [](Fs& fs) { return fs.Unlink("A/file249"); });
}

void AddGrowth(List& list) {
  list.Add(
      "inode file grows", [](Fs& fs) { MakeFiles(fs, "A", 99); },
      [](Fs& fs) { return fs.Create("A/one more"); });
  list.Add(
      "directory gets its second block",
      [](Fs& fs) { MakeFiles(fs, "A", 15, std::string(200, 'n').c_str()); },
      [](Fs& fs) -> Result<void> {
        for (int i = 0; i < 4; ++i)
          HOLDFAST_TRY(fs.Create("A/" + std::string(200, 'm') + char('0' + i)));
        return {};
      },
      Atomicity::kInSteps);
  list.Add(
      "directory loses its second block",
      [](Fs& fs) { MakeFiles(fs, "A", 18, std::string(200, 'n').c_str()); },
      [](Fs& fs) -> Result<void> {
        for (int i = 17; i > 13; --i) {
          HOLDFAST_TRY(fs.Unlink("A/" + std::string(200, 'n') + std::to_string(i)));
        }
        return {};
      },
      Atomicity::kInSteps);
  AddIndexGrowth(list);
  list.Add(
      "extents move to a tree", [](Fs& fs) { MakeFragmented(fs, "frag", 10); },
      [](Fs& fs) { return WriteFile(fs, "frag", 81'920, 4096, 330); }, Atomicity::kInPlace);
  list.Add(
      "extents move back from the tree", [](Fs& fs) { MakeFragmented(fs, "frag", 11); },
      [](Fs& fs) { return Truncate(fs, "frag", 40'960); });
  list.Add(
      "extent tree splits", [](Fs& fs) { MakeFragmented(fs, "frag", 158); },
      [](Fs& fs) { return WriteFile(fs, "frag", 158 * 8192, 4096, 331); }, Atomicity::kInPlace);
  list.Add(
      "extent tree merges", [](Fs& fs) { MakeFragmented(fs, "frag", 160); },
      [](Fs& fs) { return Truncate(fs, "frag", 100 * 8192); });
  list.Add(
      "delete of a fragmented file", [](Fs& fs) { MakeFragmented(fs, "frag", 160); },
      [](Fs& fs) { return fs.Unlink("frag"); });
  list.Add(
      "punch of many extents spills", [](Fs& fs) { MakeFragmented(fs, "frag", 160); },
      [](Fs& fs) {
        return Fallocate(fs, "frag", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 160 * 8192);
      });
  list.Add(
      "reflink of many extents spills",
      [](Fs& fs) {
        MakeFragmented(fs, "frag", 160);
        Must(fs.Create("clone"));
      },
      [](Fs& fs) { return Reflink(fs, "frag", 0, "clone", 0, 0); });
}

// Puts blocks that no file has into quarantine, for a process that may still touch them.
Result<void> Quarantine(Fs& fs) {
  fsmeta::Volume& volume = fs.volume();
  fsmeta::QuarantineFile file(volume.medium(), volume.inodes(), volume.extents());
  HOLDFAST_TRY(file.Load());
  const daxcore::ProcessId process{1, 1};
  return volume.transactions().Run([&](fsmeta::Transaction& tx) -> Result<void> {
    HOLDFAST_ASSIGN(const fsmeta::BlockRun run,
                    volume.allocator().Allocate(tx, daxcore::BlockCount(5), daxcore::Pfn(0),
                                                fsmeta::AllocFor::kData));
    return file.AddRuns(tx, std::span(&run, 1), Ino(50), std::span(&process, 1));
  });
}

Result<void> ReleaseQuarantine(Fs& fs) {
  fsmeta::Volume& volume = fs.volume();
  fsmeta::QuarantineFile file(volume.medium(), volume.inodes(), volume.extents());
  HOLDFAST_ASSIGN(const fsmeta::QuarantineContents contents, file.Load());
  fsmeta::FileQuarantineStore store(volume.transactions(), volume.space(), file);
  for (const auto& run : contents.runs) store.Release(std::span(&run.pages, 1));
  return {};
}

void AddQuarantine(List& list) {
  list.Add("blocks go into quarantine", Quarantine);
  list.Add("quarantine is released", [](Fs& fs) { Must(Quarantine(fs)); }, ReleaseQuarantine);
}

Result<void> RemoveFragmented(Fs& fs) { return fs.Unlink("frag"); }

// What a mount has to do is itself interrupted, and again while the image is checked.
void AddMounts(List& list) {
  const auto nothing = [](Fs&) {};
  const auto fragmented = [](Fs& fs) { MakeFragmented(fs, "frag", 160); };
  list.AddMount("mount", nothing, {}, 0);
  const Operation rename{"rename", [](Fs& fs) { return fs.Rename("foo", "A/bar"); }};
  // Two drains make a record durable, the third its changes.
  list.AddMount("mount that replays a rename", nothing, rename, 2);
  list.AddMount("mount that replays a rename already applied", nothing, rename, 3);
  const Operation reflink{"reflink", [](Fs& fs) { return Reflink(fs, "frag", 0, "foo", 0, 0); }};
  list.AddMount("mount that replays a spilled record", fragmented, reflink, 2);
  const Operation unlink{"unlink", RemoveFragmented};
  list.AddMount("mount that deletes an orphan", fragmented, unlink, 4);
  list.AddMount("mount that goes on deleting an orphan", fragmented, unlink, 8);
  const Operation truncate{"truncate", [](Fs& fs) { return Truncate(fs, "frag", 100); }};
  list.AddMount("mount that goes on truncating", fragmented, truncate, 4);
  list.AddMount("mount that replays a step of a truncation", fragmented, truncate, 6);
  const Operation temporary{
      "temporary file", [](Fs& fs) -> Result<void> {
        HOLDFAST_TRY(fs.fs().MakeTemporary(fs.op(), Ino(fsmeta::kInoRoot), 0600));
        return fs.Create("last");
      }};
  list.AddMount("mount that deletes a temporary file", nothing, temporary, 4);
}

}  // namespace

const std::vector<ExtraWorkload>& ExtraWorkloads() {
  static const std::vector<ExtraWorkload> workloads = [] {
    List list;
    AddSharing(list);
    AddRanges(list);
    AddNames(list);
    AddAttributes(list);
    AddWrites(list);
    AddGrowth(list);
    AddQuarantine(list);
    AddMounts(list);
    return list.Take();
  }();
  return workloads;
}

}  // namespace holdfast::tests
