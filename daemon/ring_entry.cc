// SPDX-License-Identifier: Apache-2.0
// The entry's memory: a page with the kernel's header at its start, then the payload. A message is
// put together in the end of that page, right before the payload, which therefore is not copied.
#include "daemon/ring_entry.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "daxcore/sigbus.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::FailErrno;
using daxcore::Result;

constexpr size_t kHeaderPage = 4096;
static_assert(sizeof(RingHeader) + sizeof(fuse_in_header) + kRingHeaderBytes <= kHeaderPage);

}  // namespace

Result<std::unique_ptr<RingEntry>> RingEntry::Create(RingWorker& owner, size_t payload_size) {
  const size_t size = kHeaderPage + payload_size;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return FailErrno(errno, "cannot get memory for", "a ring entry");
  // Most entries that wait with a request have used one page: they must not cost a huge one each.
  madvise(memory, size, MADV_NOHUGEPAGE);
  return std::unique_ptr<RingEntry>(
      new RingEntry(owner, static_cast<std::byte*>(memory), payload_size));
}

RingEntry::RingEntry(RingWorker& owner, std::byte* memory, size_t payload_size)
    : owner_(owner),
      memory_(memory),
      payload_size_(payload_size),
      pieces_{{memory, sizeof(RingHeader)}, {memory + kHeaderPage, payload_size}} {}

RingEntry::~RingEntry() { munmap(memory_, kHeaderPage + payload_size_); }

Result<std::span<std::byte>> RingEntry::Message() {
  fuse_in_header in;
  std::memcpy(&in, header().in_out, sizeof(in));
  id_ = header().entry.commit_id;
  operation_ = in.opcode;
  node_ = in.nodeid;
  caller_ = static_cast<pid_t>(in.pid);
  const size_t payload = header().entry.payload_size;
  const size_t around = sizeof(in) + payload;
  if (payload > payload_size_ || in.len < around || in.len - around > kRingHeaderBytes) {
    return Fail(EPROTO, "a request on a ring has lengths that do not fit together");
  }
  const size_t argument = in.len - around;
  std::byte* const start = memory_ + kHeaderPage - argument - sizeof(in);
  std::memcpy(start, &in, sizeof(in));
  std::memcpy(start + sizeof(in), header().operation, argument);
  return std::span(start, in.len);
}

void RingEntry::Answer(std::span<const iovec> message) {
  fuse_out_header out;
  std::memcpy(&out, message[0].iov_base, sizeof(out));
  std::byte* const payload = memory_ + kHeaderPage;
  size_t size = 0;
  for (const iovec& piece : message.subspan(1)) size += piece.iov_len;
  if (size > payload_size_) return AnswerError(EIO);
  const bool copied = daxcore::RunGuarded([payload, message] {
    std::byte* to = payload;
    for (const iovec& piece : message.subspan(1)) {
      std::memcpy(to, piece.iov_base, piece.iov_len);
      to += piece.iov_len;
    }
  });
  if (!copied) return AnswerError(EIO);
  Finish(-out.error, size);
}

void RingEntry::AnswerError(int error) { Finish(error, 0); }

void RingEntry::Finish(int error, size_t payload_size) {
  const fuse_out_header out{
      .len = static_cast<uint32_t>(sizeof(out) + payload_size), .error = -error, .unique = id_};
  std::memcpy(header().in_out, &out, sizeof(out));
  header().entry.payload_size = static_cast<uint32_t>(payload_size);
}

}  // namespace holdfast::daemon
