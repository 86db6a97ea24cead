// SPDX-License-Identifier: Apache-2.0
// C++ on top of holdfast.h: owners that clean up. C++17; errors are std::system_error.
#pragma once

#include <fcntl.h>

#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "holdfast/holdfast.h"

namespace holdfast {

/// Throws what a function of the C interface returned, if it is an error.
inline int Check(int result) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), holdfast_message());
  return result;
}

/// A mapped range; unmapped at the end. Not movable while somebody is inside.
class Map {
 public:
  explicit Map(holdfast_map* map) : map_(map) {}
  void* data() const { return holdfast_address(map_.get()); }
  size_t size() const { return holdfast_length(map_.get()); }
  void Sync(size_t at, size_t length) { Check(holdfast_sync(map_.get(), at, length)); }

  /// Inside the mapping for as long as it lives.
  class Access {
   public:
    explicit Access(Map& map) : map_(map.map_.get()) { Check(holdfast_enter(map_)); }
    ~Access() { holdfast_leave(map_); }
    Access(const Access&) = delete;
    Access& operator=(const Access&) = delete;
    void* data() const { return holdfast_address(map_); }

   private:
    holdfast_map* map_;
  };
  Access Enter() { return Access(*this); }

 private:
  struct Unmap {
    void operator()(holdfast_map* map) const { holdfast_unmap(map); }
  };
  std::unique_ptr<holdfast_map, Unmap> map_;
};

/// An open file of a mount. Its maps must be gone before it is.
class File {
 public:
  explicit File(const std::string& path, int flags = O_RDWR, mode_t mode = 0666,
                const char* region = nullptr) {
    holdfast_file* file = nullptr;
    Check(holdfast_open(path.c_str(), flags, mode, region, &file));
    file_.reset(file);
  }
  Map MapRange(uint64_t offset, uint64_t length, uint32_t flags) {
    holdfast_map* map = nullptr;
    Check(holdfast_map_range(file_.get(), offset, length, flags, &map));
    return Map(map);
  }
  uint64_t Pin(uint64_t offset, uint64_t length, uint32_t flags = 0) {
    uint64_t pin = 0;
    Check(holdfast_pin_range(file_.get(), offset, length, flags, &pin));
    return pin;
  }
  void Unpin(uint64_t pin) { Check(holdfast_unpin(file_.get(), pin)); }
  int Dispatch(int timeout_ms) { return Check(holdfast_dispatch(file_.get(), timeout_ms)); }
  void Start() { Check(holdfast_start(file_.get())); }
  int fd() const { return holdfast_file_fd(file_.get()); }
  holdfast_file* get() const { return file_.get(); }

 private:
  struct Close {
    void operator()(holdfast_file* file) const { holdfast_close(file); }
  };
  std::unique_ptr<holdfast_file, Close> file_;
};

}  // namespace holdfast
