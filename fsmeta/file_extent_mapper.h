// SPDX-License-Identifier: Apache-2.0
// Tells daxcore where the blocks of a file are.
#pragma once

#include "daxcore/extent_mapper.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// The ExtentMapper of a volume. Thread-safe; takes the metadata lock of the inode that is asked
/// about, which the caller keeps in core. Keeps only a reference to the volume.
class FileExtentMapper : public daxcore::ExtentMapper {
 public:
  explicit FileExtentMapper(Volume& volume) : volume_(volume) {}

  Result<daxcore::MappedExtent> Map(Ino ino, FileBlock index, FileBlock end) override;

 private:
  Result<daxcore::MappedExtent> MapWritten(const InodeSlot& slot, const Extent& part);

  Volume& volume_;
};

}  // namespace holdfast::fsmeta
