// SPDX-License-Identifier: Apache-2.0
// Putting a formatted medium together.
#include "tests/support/formatted_medium.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fsmeta/superblock.h"

namespace holdfast::tests {
namespace {

template <typename T>
T Must(daxcore::Result<T> result) {
  if (result) return *std::move(result);
  std::fprintf(stderr, "test set-up failed: %s\n", result.error().Text().c_str());
  std::abort();
}

}  // namespace

FormattedMedium::FormattedMedium(uint64_t bytes, const fsmeta::FormatOptions& options,
                                 Recorder* recorder)
    : region_(recorder != nullptr ? recorder->MakeRegion(bytes)
                                  : daxcore::Region::InMemory(bytes)) {
  if (!fsmeta::FormatRegion(*region_, options)) std::abort();
  Open();
  if (recorder != nullptr) recorder->Clear();
}

FormattedMedium::FormattedMedium(const std::vector<std::byte>& image)
    : region_(daxcore::Region::InMemory(image.size())) {
  region_->persist().CopyNt(region_->Target(0), image.data(), image.size());
  Open();
}

void FormattedMedium::Remount() {
  runner_.reset();
  journal_.reset();
  Open();
}

void FormattedMedium::Open() {
  const auto superblock = Must(fsmeta::ReadSuperblock(*region_));
  medium_ = std::make_unique<fsmeta::Medium>(*region_, superblock);
  replayed_ = Must(fsmeta::Journal::Replay(*medium_));
  journal_ = Must(fsmeta::Journal::Open(*medium_));
  runner_ = std::make_unique<fsmeta::TransactionRunner>(*medium_, *journal_);
}

std::vector<std::byte> FormattedMedium::Image() const {
  return {region_->base(), region_->base() + region_->size()};
}

}  // namespace holdfast::tests
