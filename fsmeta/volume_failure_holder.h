// SPDX-License-Identifier: Apache-2.0
// What daxcore asks of a mounted volume when memory fails (section 6).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daxcore/failure_holder.h"
#include "fsmeta/volume.h"

namespace holdfast::fsmeta {

/// The FailureHolder of a volume. Keeps only a reference to it. Thread-safe; the caller holds no
/// lock of the filesystem.
class VolumeFailureHolder : public daxcore::FailureHolder {
 public:
  explicit VolumeFailureHolder(Volume& volume) : volume_(volume) {}

  Result<std::vector<daxcore::PageOwner>> OwnersOf(daxcore::PfnRange pages) override;
  void WithLiveInode(Ino ino, const std::function<void(daxcore::InodeLayout&)>& fn) override;
  void Shutdown(const std::string& reason) override;
  void Freeze() override { volume_.gate().Close(); }
  void Thaw() override { volume_.gate().Open(); }

 private:
  Volume& volume_;
};

}  // namespace holdfast::fsmeta
