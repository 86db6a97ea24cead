// SPDX-License-Identifier: Apache-2.0
// What the passes of a check hand to each other: inodes as found, and where their slots are.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "fsmeta/check_claims.h"
#include "fsmeta/check_image.h"
#include "fsmeta/check_report.h"
#include "fsmeta/format.h"

namespace holdfast::fsmeta {

/// What the later passes need of an inode.
struct InodePicture {
  uint32_t mode = 0;  ///< 0: no inode, or one that could not be read
  uint32_t nlink = 0;
  uint32_t flags = 0;         ///< kInode*
  uint32_t links = 0;         ///< entries that name it
  uint64_t parent = 0;        ///< directories: as the slot has it
  uint64_t found_parent = 0;  ///< directories: that has its entry
  uint64_t orphan_slot = 0;
  bool shares = false;  ///< one of its blocks has another owner
  bool listed = false;  ///< in the orphan file
};

/// Pictures by inode number; what is past the inode file does not exist.
class InodePictures {
 public:
  void Resize(uint64_t count) { inodes_.resize(count); }
  uint64_t size() const { return inodes_.size(); }
  InodePicture& operator[](uint64_t ino) { return inodes_[ino]; }
  bool Exists(uint64_t ino) const { return ino < inodes_.size() && inodes_[ino].mode != 0; }

 private:
  std::vector<InodePicture> inodes_;
};

/// Where the blocks of one inode cluster are, its head first; Pfn(0): nowhere.
using ClusterPlaces = std::array<Pfn, kClusterBlocks>;

/// Everything the passes share.
struct CheckState {
  CheckImage& image;
  CheckReport& report;
  Claims claims{};
  InodePictures inodes{};
  std::vector<ClusterPlaces> clusters{};  ///< of the inode file, by number
  std::vector<uint64_t> directories{};    ///< inode numbers
  std::vector<Spill> spills{};            ///< of live records: free blocks
};

}  // namespace holdfast::fsmeta
