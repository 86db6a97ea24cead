// SPDX-License-Identifier: Apache-2.0
// One directory block of any bytes: read, searched, filled and emptied. Whatever adds up before a
// change adds up after it.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "fsmeta/directory_block.h"

using namespace holdfast::fsmeta;  // NOLINT

namespace {

bool AddsUp(const DirectoryBlock& block) {
  return ForEachRecord(block, [](const DirectoryRecord&) { return true; }).has_value();
}

void Must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void Insert(DirectoryBlock& block, const std::string& name) {
  const HashedName hashed{name, 77};
  const bool sound = AddsUp(block);
  const auto at = InsertEntry(&block, hashed, {holdfast::daxcore::Ino(99), 8});
  if (!sound) return;
  Must(at.has_value() && AddsUp(block), "inserting into a sound block");
  if (*at) Must(FindName(block, hashed)->has_value(), "what was inserted is not found");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static DirectoryBlock block;
  block = {};
  if (size != 0 && data[0] % 2 == 1) InitDirectoryBlock(&block);
  std::memcpy(block.entries, data, std::min(size, sizeof(block.entries)));
  std::vector<uint32_t> offsets;
  std::vector<std::string> names;
  const bool sound = ForEachRecord(block, [&](const DirectoryRecord& record) {
                       if (record.free()) return true;
                       offsets.push_back(record.offset);
                       names.emplace_back(record.name);
                       return true;
                     }).has_value();
  for (uint32_t at = 0; at < 200; at += 7) static_cast<void>(RecordAt(block, at));
  static_cast<void>(RecordAt(block, UINT32_MAX));
  static_cast<void>(RoomIn(block));
  Insert(block, "new");
  Insert(block, std::string(kMaxNameBytes, 'n'));
  for (const std::string& name : names) static_cast<void>(FindName(block, {name, 0}));
  for (const uint32_t at : offsets) {
    static_cast<void>(RetargetEntry(&block, at, {holdfast::daxcore::Ino(7), 4}));
    const auto erased = EraseEntry(&block, at);
    if (sound) Must(erased.has_value() && AddsUp(block), "erasing from a sound block");
  }
  return 0;
}
