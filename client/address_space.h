// SPDX-License-Identifier: Apache-2.0
// The addresses of one mapping, and what is behind them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "client/map_plan.h"

namespace holdfast::client {

/// Owns a reserved range of addresses in which a mapping has room at any offset into a unit, so
/// that it can start where the region's place has it (or the file's, for huge pages). Not
/// thread-safe but for `address`, once something was shown. Nothing is inherited by a child: it
/// would map the blocks without a lease of its own.
class AddressSpace {
 public:
  AddressSpace() = default;
  ~AddressSpace();
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  /// Reserves room for `length` bytes, which begin `residue` behind a multiple of `unit`. Negative
  /// errno.
  int Reserve(uint64_t length, uint64_t unit, uint64_t residue);
  /// Maps all pieces of a plan made for a unit. The first one says for good where in a unit the
  /// mapping starts; -EOPNOTSUPP if this one is for another start. What was there stays if that
  /// fails, else anything may.
  int Show(const MapPlan& plan, uint64_t unit, int region_fd, int protection);
  /// Keeps the addresses, with nothing behind them. Negative errno.
  int Blank();
  /// Of the first byte.
  void* address() const { return address_; }

 private:
  int ShowPiece(char* at, const MapPiece& piece, int region_fd, int protection);

  char* space_ = nullptr;
  uint64_t space_length_ = 0;
  char* address_ = nullptr;
  bool shown_ = false;
};

}  // namespace holdfast::client
