// SPDX-License-Identifier: Apache-2.0
// A filesystem with one object of every kind on the medium, and where each of them is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/corrupt/field_table.h"
#include "tests/support/tree_state.h"

namespace holdfast::tests {

/// How an object's checksum is made right again after a change.
enum class Seal : uint8_t {
  kObject,  ///< ObjectHeader::crc32c
  kRecord,  ///< RecordHead::crc32c, over the whole record
  kNone,    ///< it has none
};

/// One struct on the medium, to be changed field by field.
struct Victim {
  std::string name;
  std::span<const Field> fields;
  uint64_t offset;  ///< of the struct, byte of the region
  uint64_t object;  ///< that holds it and has the checksum
  uint64_t object_size;
  Seal seal = Seal::kObject;
  /// Inodes that may lose something by it. Everybody else's names, attributes and bytes stay.
  std::vector<uint64_t> hurts = {};
};

struct Specimen {
  std::vector<std::byte> image;
  TreeState tree;  ///< as its next mount shows it
  std::vector<Victim> victims;
};

/// The smallest region, with files in every form, an orphan, and blocks in quarantine.
Specimen MakeRichSpecimen();
/// A filesystem whose journal holds a record that the next mount replays: the file "late" is made.
Specimen MakeJournalSpecimen();

/// Brings the checksum of the victim's object in step with its bytes.
void Reseal(std::span<std::byte> image, const Victim& victim);

}  // namespace holdfast::tests
