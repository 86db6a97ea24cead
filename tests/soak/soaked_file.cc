// SPDX-License-Identifier: Apache-2.0
// Doing things to a file and to its model.
#include "tests/soak/soaked_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ranges>
#include <stdexcept>
#include <system_error>

namespace holdfast::tests {
namespace {

void Must(bool done, const char* what) {
  if (!done) throw std::system_error(errno, std::generic_category(), what);
}

uint64_t Down(uint64_t n) { return n / kBlock * kBlock; }
uint64_t Up(uint64_t n) { return Down(n + kBlock - 1); }

void ChangeRange(int fd, unsigned long request, Range range, const char* what) {
  const holdfast_range argument{sizeof(argument), 0, range.at, range.length};
  Must(ioctl(fd, request, &argument) == 0, what);
}

// A mapping of whole pages of a file around some bytes of it.
class Mapped {
 public:
  Mapped(int fd, Range range)
      : start_(Down(range.at)), length_(Up(range.at + range.length) - start_) {
    memory_ =
        mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(start_));
    Must(memory_ != MAP_FAILED, "mmap");
  }
  ~Mapped() { munmap(memory_, length_); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  char* at(uint64_t offset) const { return static_cast<char*>(memory_) + (offset - start_); }
  void Sync() { Must(msync(memory_, length_, MS_SYNC) == 0, "msync"); }

 private:
  const uint64_t start_;
  const uint64_t length_;
  void* memory_;
};

}  // namespace

std::string Chance::Bytes(uint64_t n) {
  std::string bytes(n, '\0');
  for (uint64_t i = 0; i < n; i += sizeof(uint64_t)) {
    const uint64_t word = random_();
    std::memcpy(bytes.data() + i, &word, std::min<uint64_t>(sizeof(word), n - i));
  }
  return bytes;
}

SoakedFile::SoakedFile(std::string path, const std::string& region)
    : path_(std::move(path)), region_(region) {
  unlink(path_.c_str());
  Reopen();
}

void SoakedFile::Reopen() {
  kept_.reset();
  file_.reset();
  file_ = std::make_unique<File>(path_, O_RDWR | O_CREAT, 0600, region_.c_str());
  file_->Start();
}

void SoakedFile::Put(uint64_t at, std::string_view bytes) {
  if (bytes.empty()) return;
  if (model_.size() < at + bytes.size()) model_.resize(at + bytes.size());
  model_.replace(at, bytes.size(), bytes);
}

void SoakedFile::Clear(Range range) {
  if (range.at >= model_.size()) return;
  const uint64_t length = std::min(range.length, model_.size() - range.at);
  model_.replace(range.at, length, std::string(length, '\0'));
}

void SoakedFile::Expect(std::string_view found, uint64_t at, const char* how) const {
  const auto wanted =
      at < model_.size() ? std::string_view(model_).substr(at, found.size()) : std::string_view();
  if (found == wanted) return;
  const auto [a, b] = std::ranges::mismatch(found, wanted);
  const uint64_t count = static_cast<uint64_t>(
      std::ranges::count_if(std::views::iota(uint64_t{0}, std::min(found.size(), wanted.size())),
                            [&](uint64_t i) { return found[i] != wanted[i]; }));
  throw std::runtime_error(
      path_ + ": " + how + " of " + std::to_string(found.size()) + " bytes at " +
      std::to_string(at) + " of " + std::to_string(model_.size()) + ": wrong from byte " +
      std::to_string(at + static_cast<uint64_t>(a - found.begin())) + " on, " +
      std::to_string(count) + " bytes, " + std::to_string(wanted.size()) + " are there");
}

void SoakedFile::Read(Range range) {
  std::string bytes(range.length, '\0');
  uint64_t done = 0;
  while (done < range.length) {
    const ssize_t n =
        pread(fd(), bytes.data() + done, range.length - done, static_cast<off_t>(range.at + done));
    Must(n >= 0, "pread");
    if (n == 0) break;
    done += static_cast<uint64_t>(n);
  }
  const uint64_t there = range.at < size() ? std::min(range.length, size() - range.at) : 0;
  if (done != there) {
    throw std::runtime_error(path_ + ": read " + std::to_string(done) + " bytes at " +
                             std::to_string(range.at) + ", " + std::to_string(there) +
                             " are there");
  }
  Expect(std::string_view(bytes).substr(0, done), range.at, "a read");
}

void SoakedFile::Write(uint64_t at, std::string_view bytes) {
  const ssize_t n = pwrite(fd(), bytes.data(), bytes.size(), static_cast<off_t>(at));
  Must(n == static_cast<ssize_t>(bytes.size()), "pwrite");
  Put(at, bytes);
}

void SoakedFile::Truncate(uint64_t size) {
  Must(ftruncate(fd(), static_cast<off_t>(size)) == 0, "ftruncate");
  model_.resize(size);
}

void SoakedFile::Allocate(int mode, Range range) {
  Must(fallocate(fd(), mode, static_cast<off_t>(range.at), static_cast<off_t>(range.length)) == 0,
       "fallocate");
  if ((mode & FALLOC_FL_KEEP_SIZE) == 0) model_.resize(std::max(size(), range.at + range.length));
  if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) Clear(range);
}

void SoakedFile::Collapse(Range range) {
  ChangeRange(fd(), HOLDFAST_IOC_COLLAPSE, range, "collapse");
  model_.erase(range.at, range.length);
}

void SoakedFile::Insert(Range range) {
  ChangeRange(fd(), HOLDFAST_IOC_INSERT, range, "insert");
  model_.insert(range.at, range.length, '\0');
}

void SoakedFile::Unshare(Range range) { ChangeRange(fd(), HOLDFAST_IOC_UNSHARE, range, "unshare"); }

void SoakedFile::ReflinkFrom(const SoakedFile& source, Range range, uint64_t at) {
  holdfast_share share{};
  share.size = sizeof(share);
  Must(ioctl(source.fd(), HOLDFAST_IOC_SHARE, &share) == 0, "share");
  holdfast_reflink reflink{};
  reflink.size = sizeof(reflink);
  std::memcpy(reflink.token, share.token, sizeof(reflink.token));
  reflink.source_offset = range.at;
  reflink.length = range.length;
  reflink.destination_offset = at;
  Must(ioctl(fd(), HOLDFAST_IOC_REFLINK, &reflink) == 0, "reflink");
  Put(at, std::string(source.model_.substr(range.at, range.length)));
}

void SoakedFile::CopyFrom(const SoakedFile& source, Range range, uint64_t at) {
  auto from = static_cast<off_t>(range.at), to = static_cast<off_t>(at);
  for (uint64_t left = range.length; left > 0;) {
    const ssize_t n = copy_file_range(source.fd(), &from, fd(), &to, left, 0);
    Must(n > 0, "copy_file_range");
    left -= static_cast<uint64_t>(n);
  }
  Put(at, std::string(source.model_.substr(range.at, range.length)));
}

void SoakedFile::MappedWrite(uint64_t at, std::string_view bytes) {
  Mapped mapped(fd(), {at, bytes.size()});
  std::memcpy(mapped.at(at), bytes.data(), bytes.size());
  mapped.Sync();
  Put(at, bytes);
}

void SoakedFile::MappedRead(Range range) {
  const Mapped mapped(fd(), range);
  Expect({mapped.at(range.at), range.length}, range.at, "a read through mmap");
}

void SoakedFile::DirectWrite(uint64_t at, std::string_view bytes) {
  const uint64_t start = Down(at);
  Map map = file_->MapRange(start, Up(at + bytes.size()) - start, HOLDFAST_MAP_WRITE);
  {
    const auto access = map.Enter();
    std::memcpy(static_cast<char*>(access.data()) + (at - start), bytes.data(), bytes.size());
    map.Sync(at - start, bytes.size());
  }
  Put(at, bytes);
}

void SoakedFile::DirectRead(Range range) {
  const uint64_t start = Down(range.at);
  Map map = file_->MapRange(start, Up(range.at + range.length) - start, 0);
  const auto access = map.Enter();
  Expect({static_cast<char*>(access.data()) + (range.at - start), range.length}, range.at,
         "a direct read");
}

void SoakedFile::KeepMapped(Range range) {
  kept_.reset();
  kept_.emplace(file_->MapRange(range.at, range.length, HOLDFAST_MAP_WRITE | HOLDFAST_MAP_KEEP));
  kept_range_ = range;
}

void SoakedFile::UseKept(Chance& chance) {
  if (!kept_) return;
  const uint64_t length = chance.Below(kept_range_.length) + 1;
  const uint64_t at = chance.Below(kept_range_.length - length + 1);
  const uint64_t in_file = kept_range_.at + at;
  try {
    const auto access = kept_->Enter();
    char* const memory = static_cast<char*>(access.data()) + at;
    // What lies past the end is nobody's.
    const uint64_t there = in_file < size() ? std::min(length, size() - in_file) : 0;
    Expect({memory, there}, in_file, "a read of a mapping that was kept");
    if (chance.OneIn(2)) return;
    const std::string bytes = chance.Bytes(there);
    std::memcpy(memory, bytes.data(), there);
    kept_->Sync(at, there);
    Put(in_file, bytes);
    return;
  } catch (const std::system_error& error) {
    if (error.code().value() != ESTALE) throw;
  }
  // The file ended before it meanwhile.
  if (kept_range_.at + kept_range_.length <= Up(size())) {
    throw std::runtime_error(path_ + ": a mapping inside the file went stale");
  }
  kept_.reset();
}

}  // namespace holdfast::tests
