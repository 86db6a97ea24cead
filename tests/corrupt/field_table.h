// SPDX-License-Identifier: Apache-2.0
// Every field of every struct on the medium. The compiler checks that none is missing.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "fsmeta/format.h"

namespace holdfast::tests {

struct Field {
  std::string_view name;
  size_t offset;  ///< in its struct, bytes
  size_t size;
  /// Why nobody can tell some wrong values, if the checksum fits. Empty: every change is found.
  std::string_view harmless;
  /// Of a member that is a struct: its fields, tried one by one.
  std::span<const Field> fields;
};

/// Are these all bytes of a struct of that size, in order?
constexpr bool Covers(std::span<const Field> fields, size_t size) {
  size_t at = 0;
  for (const Field& field : fields) {
    if (field.offset != at) return false;
    at += field.size;
  }
  return at == size;
}

std::span<const Field> FieldsOfSuperblock();
std::span<const Field> FieldsOfGroupHeader();
std::span<const Field> FieldsOfBitmap();
std::span<const Field> FieldsOfTreeNode();
/// One record of a tree, as its kind has it.
std::span<const Field> FieldsOfRefcountRecord();
std::span<const Field> FieldsOfReverseMapRecord();
std::span<const Field> FieldsOfIndexRecord();
std::span<const Field> FieldsOfExtent();
/// The record of a child in an interior node of a tree of extents.
std::span<const Field> FieldsOfChildRecord();
std::span<const Field> FieldsOfCluster();
std::span<const Field> FieldsOfInode();
std::span<const Field> FieldsOfDirectory();
std::span<const Field> FieldsOfEntry();
std::span<const Field> FieldsOfXattr();
std::span<const Field> FieldsOfXattrEntry();
std::span<const Field> FieldsOfXattrValue();
std::span<const Field> FieldsOfOrphans();
std::span<const Field> FieldsOfQuarantine();
std::span<const Field> FieldsOfQuarantineRecord();
std::span<const Field> FieldsOfLane();
std::span<const Field> FieldsOfRecord();

}  // namespace holdfast::tests
