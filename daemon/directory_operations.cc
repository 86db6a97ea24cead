// SPDX-License-Identifier: Apache-2.0
// Listing directories.
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "daemon/call.h"
#include "daemon/operations.h"

namespace holdfast::daemon {
namespace {

using daxcore::Result;
using fsmeta::Attributes;
using fsmeta::DirectoryItem;

constexpr size_t kLargestListing = size_t{1} << 20;

// Packs entries as FUSE wants them, up to what the caller has room for.
class ListingBuilder {
 public:
  ListingBuilder(fuse_req_t request, size_t room) : request_(request) {
    listing_.bytes.resize(std::min(room, kLargestListing));
  }

  bool Add(const DirectoryItem& item) {
    struct stat stat{};
    stat.st_ino = item.ino.value();
    stat.st_mode = static_cast<mode_t>(item.type) << 12;
    name_ = item.name;
    return Take(fuse_add_direntry(request_, listing_.bytes.data() + used_, room(), name_.c_str(),
                                  &stat, static_cast<off_t>(item.cookie)));
  }

  bool AddPlus(const std::string& name, const fuse_entry_param& entry, uint64_t cookie) {
    return Take(fuse_add_direntry_plus(request_, listing_.bytes.data() + used_, room(),
                                       name.c_str(), &entry, static_cast<off_t>(cookie)));
  }
  size_t PlusSize(std::string_view name) const {
    return fuse_add_direntry_plus(request_, nullptr, 0, std::string(name).c_str(), nullptr, 0);
  }
  void LookedUp(Ino ino) { listing_.looked_up.push_back(ino); }

  Listing Finish() && {
    listing_.bytes.resize(used_);
    return std::move(listing_);
  }

 private:
  size_t room() const { return listing_.bytes.size() - used_; }
  bool Take(size_t size) {
    if (size > room()) return false;
    used_ += size;
    return true;
  }

  fuse_req_t request_;
  Listing listing_;
  std::string name_;
  size_t used_ = 0;
};

Result<Listing> ReadDirectory(Call& call, uint64_t cookie, size_t room) {
  ListingBuilder listing(call.request(), room);
  HOLDFAST_TRY(call.filesystem().ReadDirectory(
      call.ino(), cookie, [&](const DirectoryItem& item) { return listing.Add(item); }));
  return std::move(listing).Finish();
}

void OnReaddir(fuse_req_t request, fuse_ino_t ino, size_t room, off_t cookie,
               fuse_file_info* /*file*/) {
  Serve(request, Op::kReaddir, Ino(ino), ReadDirectory, static_cast<uint64_t>(cookie), room);
}

struct CopiedItem {
  Ino ino;
  uint8_t type;
  std::string name;
  uint64_t cookie;
};

// The entries that fit. They are copied first: their inodes are looked up without the directory's
// lock, which would otherwise come before theirs.
Result<std::vector<CopiedItem>> CopyItems(Call& call, uint64_t cookie, size_t room,
                                          const ListingBuilder& listing) {
  std::vector<CopiedItem> items;
  size_t used = 0;
  HOLDFAST_TRY(call.filesystem().ReadDirectory(call.ino(), cookie, [&](const DirectoryItem& item) {
    used += listing.PlusSize(item.name);
    if (used > room) return false;
    items.push_back({item.ino, item.type, std::string(item.name), item.cookie});
    return true;
  }));
  return items;
}

// Looks the entry's inode up for the kernel. A node id of 0 says "not told": for `.` and `..`,
// which get no lookup, and for what was removed just now.
fuse_entry_param PlusEntry(Call& call, const CopiedItem& item, ListingBuilder& listing) {
  fuse_entry_param entry{};
  entry.attr.st_ino = item.ino.value();
  entry.attr.st_mode = static_cast<mode_t>(item.type) << 12;
  if (item.name == "." || item.name == "..") return entry;
  auto found = call.filesystem().AddLookup(item.ino);
  if (!found) return entry;
  listing.LookedUp(item.ino);
  entry.ino = item.ino.value();
  entry.generation = found->generation;
  entry.attr = found->ToStat();
  entry.attr_timeout = kForever;
  entry.entry_timeout = kForever;
  return entry;
}

Result<Listing> ReadDirectoryPlus(Call& call, uint64_t cookie, size_t room) {
  ListingBuilder listing(call.request(), room);
  HOLDFAST_ASSIGN(const auto items,
                  CopyItems(call, cookie, std::min(room, kLargestListing), listing));
  for (const CopiedItem& item : items) {
    listing.AddPlus(item.name, PlusEntry(call, item, listing), item.cookie);
  }
  return std::move(listing).Finish();
}

void OnReaddirplus(fuse_req_t request, fuse_ino_t ino, size_t room, off_t cookie,
                   fuse_file_info* /*file*/) {
  Serve(request, Op::kReaddirplus, Ino(ino), ReadDirectoryPlus, static_cast<uint64_t>(cookie),
        room);
}

// The kernel then does without OPENDIR and RELEASEDIR and keeps listings cached; it drops them when
// it changes the directory, and nobody else changes it.
void OnOpendir(fuse_req_t request, fuse_ino_t /*ino*/, fuse_file_info* file) {
  if (ServiceOf(request).features().directory_cache) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  file->keep_cache = 1;
  fuse_reply_open(request, file);
}

Result<void> SyncDirectory(Call& call, bool data_only) {
  return call.filesystem().Fsync(call.ino(), data_only);
}

void OnFsyncdir(fuse_req_t request, fuse_ino_t ino, int data_only, fuse_file_info* /*file*/) {
  Serve(request, Op::kFsync, Ino(ino), SyncDirectory, data_only != 0);
}

}  // namespace

void AddDirectoryOperations(fuse_lowlevel_ops& operations) {
  operations.opendir = OnOpendir;
  operations.readdir = OnReaddir;
  operations.readdirplus = OnReaddirplus;
  operations.fsyncdir = OnFsyncdir;
}

}  // namespace holdfast::daemon
