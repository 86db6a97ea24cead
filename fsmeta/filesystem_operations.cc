// SPDX-License-Identifier: Apache-2.0
// The operations that one part of the filesystem does by itself.
#include <sys/stat.h>

#include "fsmeta/file_data.h"
#include "fsmeta/filesystem.h"
#include "fsmeta/namespace.h"
#include "fsmeta/xattrs.h"

namespace holdfast::fsmeta {
namespace {

constexpr uint32_t kModeBits = 07777;

NewInode DirectoryWith(uint32_t mode) {
  return {.mode = S_IFDIR | (mode & kModeBits), .nlink = 2, .target = {}};
}

}  // namespace

// -- Names.

Result<Attributes> Filesystem::Lookup(Ino parent, std::string_view name) {
  return names_->Lookup(parent, name);
}

void Filesystem::Forget(Ino ino, uint64_t lookups) { volume_->live().Forget(ino, lookups); }

Result<Attributes> Filesystem::MakeNode(const OpContext& op, Ino parent, std::string_view name,
                                        uint32_t mode, uint64_t rdev) {
  const auto inside = volume_->gate().Enter();
  if (S_ISDIR(mode) || S_ISLNK(mode)) return Fail(EINVAL);
  const bool is_device = S_ISCHR(mode) || S_ISBLK(mode);
  const NewInode what{
      .mode = mode & (S_IFMT | kModeBits), .rdev = is_device ? rdev : 0, .nlink = 1, .target = {}};
  return names_->Make(op, parent, name, what);
}

Result<Attributes> Filesystem::MakeDirectory(const OpContext& op, Ino parent, std::string_view name,
                                             uint32_t mode) {
  const auto inside = volume_->gate().Enter();
  return names_->Make(op, parent, name, DirectoryWith(mode));
}

Result<Attributes> Filesystem::MakeSymlink(const OpContext& op, Ino parent, std::string_view name,
                                           std::string_view target) {
  const auto inside = volume_->gate().Enter();
  return names_->Make(op, parent, name, {.mode = S_IFLNK | 0777, .nlink = 1, .target = target});
}

Result<Attributes> Filesystem::MakeTemporary(const OpContext& op, Ino parent, uint32_t mode) {
  const auto inside = volume_->gate().Enter();
  return names_->MakeTemporary(op, parent, mode & kModeBits);
}

Result<Attributes> Filesystem::Link(const OpContext&, Ino ino, Ino parent, std::string_view name) {
  const auto inside = volume_->gate().Enter();
  return names_->Link(ino, parent, name);
}

Result<void> Filesystem::Unlink(const OpContext&, Ino parent, std::string_view name) {
  const auto inside = volume_->gate().Enter();
  return names_->Unlink(parent, name);
}

Result<void> Filesystem::RemoveDirectory(const OpContext&, Ino parent, std::string_view name) {
  const auto inside = volume_->gate().Enter();
  return names_->RemoveDirectory(parent, name);
}

Result<void> Filesystem::Rename(const OpContext&, Ino parent, std::string_view name, Ino new_parent,
                                std::string_view new_name, unsigned flags) {
  const auto inside = volume_->gate().Enter();
  return names_->Rename(parent, name, new_parent, new_name, flags);
}

Result<std::string> Filesystem::ReadSymlink(Ino ino) { return names_->ReadSymlink(ino); }

Result<void> Filesystem::ReadDirectory(Ino ino, uint64_t cookie,
                                       const std::function<bool(const DirectoryItem&)>& emit) {
  return names_->ReadDirectory(ino, cookie, emit);
}

Result<Attributes> Filesystem::AddLookup(Ino ino) { return names_->AddLookup(ino); }

Result<Ino> Filesystem::ParentOf(Ino directory) { return names_->ParentOf(directory); }

// -- Extended attributes.

Result<std::string> Filesystem::GetXattr(Ino ino, std::string_view name) {
  return xattrs_->Get(ino, name);
}

Result<void> Filesystem::SetXattr(const OpContext&, Ino ino, std::string_view name,
                                  std::string_view value, int flags, bool kill_sgid) {
  const auto inside = volume_->gate().Enter();
  return xattrs_->Set(ino, name, value, flags, kill_sgid);
}

Result<void> Filesystem::RemoveXattr(const OpContext&, Ino ino, std::string_view name) {
  const auto inside = volume_->gate().Enter();
  return xattrs_->Remove(ino, name);
}

Result<std::string> Filesystem::ListXattr(Ino ino) { return xattrs_->List(ino); }

// -- Data.

Result<void> Filesystem::Read(Ino ino, uint64_t offset, uint64_t length,
                              const std::function<void(std::span<const iovec>)>& reply) {
  return data_->Read(ino, offset, length, reply);
}

Result<uint64_t> Filesystem::Write(const OpContext& op, Ino ino, uint64_t offset,
                                   std::span<const std::byte> data, bool kill_suid_sgid) {
  const auto inside = volume_->gate().Enter();
  return data_->Write(op, ino, offset, data, kill_suid_sgid);
}

Result<uint64_t> Filesystem::WriteBack(const OpContext& op, Ino ino, uint64_t offset,
                                       std::span<const std::byte> data) {
  const auto inside = volume_->gate().Enter();
  return data_->WriteBack(op, ino, offset, data);
}

Result<void> Filesystem::Allocate(const OpContext& op, Ino ino, int mode, uint64_t offset,
                                  uint64_t length) {
  const auto inside = volume_->gate().Enter();
  return data_->Allocate(op, ino, mode, offset, length);
}

Result<uint64_t> Filesystem::Seek(Ino ino, uint64_t offset, int whence) {
  return data_->Seek(ino, offset, whence);
}

Result<uint64_t> Filesystem::CopyRange(const OpContext& op, Ino source, uint64_t source_offset,
                                       Ino destination, uint64_t destination_offset,
                                       uint64_t length) {
  const auto inside = volume_->gate().Enter();
  return data_->CopyRange(op, source, source_offset, destination, destination_offset, length);
}

Result<void> Filesystem::Reflink(const OpContext& op, Ino source, uint64_t source_offset,
                                 Ino destination, uint64_t destination_offset, uint64_t length) {
  const auto inside = volume_->gate().Enter();
  return data_->Reflink(op, source, source_offset, destination, destination_offset, length);
}

Result<std::vector<LayoutPiece>> Filesystem::Layout(Ino ino, uint64_t offset, uint64_t length,
                                                    size_t max) {
  return data_->Layout(ino, offset, length, max);
}

}  // namespace holdfast::fsmeta
