// SPDX-License-Identifier: Apache-2.0
// A file of a mount beside a model of its bytes in memory, and every way to change both.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "holdfast/holdfast.hpp"

namespace holdfast::tests {

inline constexpr uint64_t kBlock = 4096;

/// A range of bytes of a file.
struct Range {
  uint64_t at = 0;
  uint64_t length = 0;
};

/// Random numbers that follow from a seed.
class Chance {
 public:
  explicit Chance(uint64_t seed) : random_(seed) {}
  /// Below `n`; 0 for 0.
  uint64_t Below(uint64_t n) { return n == 0 ? 0 : random_() % n; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }
  std::string Bytes(uint64_t n);

 private:
  std::mt19937_64 random_;
};

/// Owns the open file, what is mapped of it, and its model. Every operation is checked for its
/// result and done to the model; std::system_error and std::runtime_error say what went wrong. One
/// thread; recalls of mappings are served by a thread of the library.
class SoakedFile {
 public:
  /// Creates it. `region` is what direct clients map.
  SoakedFile(std::string path, const std::string& region);

  const std::string& path() const { return path_; }
  uint64_t size() const { return model_.size(); }

  void Write(uint64_t at, std::string_view bytes);
  void Truncate(uint64_t size);
  /// `mode` as fallocate(2): 0, keep-size, punch, zero.
  void Allocate(int mode, Range range);
  /// Whole blocks inside the file.
  void Collapse(Range range);
  void Insert(Range range);
  void Unshare(Range range);
  /// `range` of `source`, whole blocks of both or up to the end of both.
  void ReflinkFrom(const SoakedFile& source, Range range, uint64_t at);
  void CopyFrom(const SoakedFile& source, Range range, uint64_t at);

  /// Through a mapping of the file, which the kernel serves.
  void MappedWrite(uint64_t at, std::string_view bytes);
  void MappedRead(Range range);
  /// As a direct client: leases and maps the blocks around the bytes, which lie inside the file.
  void DirectWrite(uint64_t at, std::string_view bytes);
  void DirectRead(Range range);
  /// The same through a mapping that stays, whatever recalls it meanwhile. `range`: whole blocks.
  void KeepMapped(Range range);
  void UseKept(Chance& chance);

  void Read(Range range);
  void ReadAll() { Read({0, size() + kBlock}); }
  void Reopen();

 private:
  void Expect(std::string_view found, uint64_t at, const char* how) const;
  void Put(uint64_t at, std::string_view bytes);
  void Clear(Range range);
  int fd() const { return file_->fd(); }

  const std::string path_;
  const std::string region_;
  std::string model_;
  std::unique_ptr<File> file_;
  std::optional<Map> kept_;
  Range kept_range_;
};

}  // namespace holdfast::tests
