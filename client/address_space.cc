// SPDX-License-Identifier: Apache-2.0
// Reserving, mapping and blanking addresses.
#include "client/address_space.h"

#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "client/message.h"

namespace holdfast::client {
namespace {

constexpr uint64_t kPage = 4096;

char* AlignUp(char* at, uint64_t unit) {
  const auto value = reinterpret_cast<uintptr_t>(at);
  return at + ((value + unit - 1) / unit * unit - value);
}

}  // namespace

AddressSpace::~AddressSpace() {
  if (space_ != nullptr) munmap(space_, space_length_);
}

// One unit to start at a multiple, one for where in it, one for the end of the last.
int AddressSpace::Reserve(uint64_t length, uint64_t unit, uint64_t residue) {
  const uint64_t slack = unit > kPage ? 3 * unit : 0;
  if (length + slack < length) return FailWith(ENOMEM, "address space for a mapping");
  void* const at =
      mmap(nullptr, length + slack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED)
    return FailWith(errno, "address space for " + std::to_string(length) + " bytes");
  space_ = static_cast<char*>(at);
  space_length_ = length + slack;
  address_ = AlignUp(space_, unit) + residue;
  return 0;
}

// PROT_NONE keeps the addresses ours while nothing may be behind them. All of them at once: a
// device refuses to have a mapping cut inside a unit.
int AddressSpace::Blank() {
  if (mmap(space_, space_length_, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
    return FailWith(errno, "taking away a mapping");
  return 0;
}

int AddressSpace::ShowPiece(char* at, const MapPiece& piece, int region_fd, int protection) {
  void* const mapped = piece.backed ? mmap(at, piece.length, protection, MAP_SHARED | MAP_FIXED,
                                           region_fd, static_cast<off_t>(piece.region_offset))
                                    : mmap(at, piece.length, PROT_READ,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (mapped == MAP_FAILED)
    return FailWith(errno, "mapping of region offset " + std::to_string(piece.region_offset));
  madvise(at, piece.length, MADV_DONTFORK);
  return 0;
}

int AddressSpace::Show(const MapPlan& plan, uint64_t unit, int region_fd, int protection) {
  char* const first = address_ - reinterpret_cast<uintptr_t>(address_) % unit;
  if (shown_ && static_cast<uint64_t>(address_ - first) != plan.residue)
    return FailWith(EOPNOTSUPP,
                    "the blocks are now at another place in the units that the region "
                    "can be mapped in, so not at the same address");
  address_ = first + plan.residue;
  shown_ = true;
  for (const MapPiece& piece : plan.pieces)
    if (const int rc = ShowPiece(first + piece.start, piece, region_fd, protection); rc != 0)
      return rc;
  return 0;
}

}  // namespace holdfast::client
