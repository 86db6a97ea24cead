// SPDX-License-Identifier: Apache-2.0
// Mounting on memory, and operations by path.
#include "tests/support/mounted_filesystem.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "fsmeta/checker.h"

namespace holdfast::tests {

using fsmeta::Attributes;
using fsmeta::Ino;
using fsmeta::Result;

namespace {

void Must(const Result<void>& result) {
  if (result) return;
  std::fprintf(stderr, "test set-up failed: %s\n", result.error().Text().c_str());
  std::abort();
}

template <typename T>
T Must(Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "test set-up failed: %s\n", result.error().Text().c_str());
  std::abort();
}

}  // namespace

MountedFilesystem::MountedFilesystem(uint64_t bytes, const fsmeta::MountOptions& options,
                                     const fsmeta::FormatOptions& format)
    : options_(options) {
  auto region = daxcore::Region::InMemory(bytes);
  Must(fsmeta::FormatRegion(*region, format));
  Mount(std::move(region));
}

MountedFilesystem::MountedFilesystem(std::unique_ptr<daxcore::Region> region,
                                     const fsmeta::MountOptions& options)
    : options_(options), fs_(Must(fsmeta::Filesystem::Mount(std::move(region), options))) {}

void MountedFilesystem::Mount(std::unique_ptr<daxcore::Region> region) {
  fs_ = Must(fsmeta::Filesystem::Mount(std::move(region), options_));
}

void MountedFilesystem::Crash() {
  const daxcore::Region& region = volume().region();
  MountImage({region.base(), region.size()});
}

void MountedFilesystem::MountImage(std::span<const std::byte> image) {
  auto region = daxcore::Region::InMemory(image.size());
  region->persist().CopyNt(region->Target(0), image.data(), image.size());
  fs_.reset();
  Mount(std::move(region));
}

void MountedFilesystem::Remount() {
  // All that unmounting does to the medium.
  Must(fs_->Sync());
  volume().live().ForgetAll();
  Crash();
}

std::vector<std::byte> MountedFilesystem::Image() {
  const daxcore::Region& region = volume().region();
  return {region.base(), region.base() + region.size()};
}

void MountedFilesystem::ExpectSound() {
  const daxcore::Region& region = volume().region();
  const auto report = fsmeta::CheckFilesystem({region.base(), region.size()}, "(memory)");
  ASSERT_TRUE(report) << report.error().Text();
  for (const fsmeta::Finding& finding : report->findings()) {
    EXPECT_NE(finding.severity, fsmeta::Severity::kError) << finding.Text();
  }
}

void MountedFilesystem::CheckEachCommit() {
  volume().transactions().set_after_commit([this] { ExpectSound(); });
}

Result<Ino> MountedFilesystem::Find(std::string_view path) {
  Ino at(fsmeta::kInoRoot);
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(name.size() + 1, path.size()));
    HOLDFAST_ASSIGN(const Attributes found, fs_->Lookup(at, name));
    fs_->Forget(found.ino, 1);
    at = found.ino;
  }
  return at;
}

Result<MountedFilesystem::Place> MountedFilesystem::Split(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return Place{Ino(fsmeta::kInoRoot), std::string(path)};
  HOLDFAST_ASSIGN(const Ino parent, Find(path.substr(0, slash)));
  return Place{parent, std::string(path.substr(slash + 1))};
}

Result<void> MountedFilesystem::Forgotten(Result<Attributes> made) {
  HOLDFAST_ASSIGN(const Attributes attributes, std::move(made));
  fs_->Forget(attributes.ino, 1);
  return {};
}

Result<Attributes> MountedFilesystem::Stat(std::string_view path) {
  HOLDFAST_ASSIGN(const Ino ino, Find(path));
  return fs_->GetAttributes(ino);
}

Result<void> MountedFilesystem::Create(std::string_view path, uint32_t mode) {
  HOLDFAST_ASSIGN(const Place at, Split(path));
  return Forgotten(fs_->MakeNode(op_, at.parent, at.name, S_IFREG | mode, 0));
}

Result<void> MountedFilesystem::MakeDirectory(std::string_view path, uint32_t mode) {
  HOLDFAST_ASSIGN(const Place at, Split(path));
  return Forgotten(fs_->MakeDirectory(op_, at.parent, at.name, mode));
}

Result<void> MountedFilesystem::Symlink(std::string_view target, std::string_view path) {
  HOLDFAST_ASSIGN(const Place at, Split(path));
  return Forgotten(fs_->MakeSymlink(op_, at.parent, at.name, target));
}

Result<void> MountedFilesystem::Link(std::string_view path, std::string_view new_path) {
  HOLDFAST_ASSIGN(const Ino ino, Find(path));
  HOLDFAST_ASSIGN(const Place at, Split(new_path));
  return Forgotten(fs_->Link(op_, ino, at.parent, at.name));
}

Result<void> MountedFilesystem::Unlink(std::string_view path) {
  HOLDFAST_ASSIGN(const Place at, Split(path));
  return fs_->Unlink(op_, at.parent, at.name);
}

Result<void> MountedFilesystem::RemoveDirectory(std::string_view path) {
  HOLDFAST_ASSIGN(const Place at, Split(path));
  return fs_->RemoveDirectory(op_, at.parent, at.name);
}

Result<void> MountedFilesystem::Rename(std::string_view from, std::string_view to, unsigned flags) {
  HOLDFAST_ASSIGN(const Place source, Split(from));
  HOLDFAST_ASSIGN(const Place target, Split(to));
  return fs_->Rename(op_, source.parent, source.name, target.parent, target.name, flags);
}

Result<std::string> MountedFilesystem::ReadSymlink(std::string_view path) {
  HOLDFAST_ASSIGN(const Ino ino, Find(path));
  return fs_->ReadSymlink(ino);
}

std::map<std::string, Ino> MountedFilesystem::List(std::string_view path) {
  std::map<std::string, Ino> names;
  Must(fs_->ReadDirectory(Must(Find(path)), 0, [&](const fsmeta::DirectoryItem& item) {
    if (item.name != "." && item.name != "..") names.emplace(item.name, item.ino);
    return true;
  }));
  return names;
}

uint64_t MountedFilesystem::FreeBlocks() { return Must(fs_->GetStatFs()).free; }

uint64_t MountedFilesystem::FreeInodes() { return Must(fs_->GetStatFs()).free_inodes; }

void MountedFilesystem::FillUp(uint64_t left) {
  const Attributes hog = Must(fs_->MakeNode(op_, Ino(fsmeta::kInoRoot), "hog", S_IFREG | 0600, 0));
  for (uint64_t at = 0;;) {
    const uint64_t available = Must(fs_->GetStatFs()).available;
    if (available <= left) break;
    // The hog's own metadata takes a block now and then.
    const uint64_t n = std::max<uint64_t>((available - left) / 2, 1);
    if (!fs_->Allocate(op_, hog.ino, 0, at * daxcore::kBlockSize, n * daxcore::kBlockSize)) break;
    at += n;
  }
  fs_->Forget(hog.ino, 1);
}

}  // namespace holdfast::tests
