// SPDX-License-Identifier: Apache-2.0
// The beginning and the end of a service.
#include "daemon/service.h"

#include <sys/uio.h>

#include <cerrno>
#include <optional>
#include <span>

namespace holdfast::daemon {

Service::Service(Options options, std::unique_ptr<fsmeta::Filesystem> filesystem,
                 std::unique_ptr<DirectSessions> direct)
    : options_(std::move(options)), direct_(std::move(direct)), filesystem_(std::move(filesystem)) {
  direct_->Attach(*filesystem_, workers_, [this](daxcore::Ino ino) { InvalidateSoon(ino); });
}

void Service::ShowNewEnd(daxcore::Ino ino) const {
  const auto attributes = filesystem_->GetAttributes(ino);
  if (!store_in_kernel_ || !attributes || attributes->size == 0) return;
  const uint64_t offset = attributes->size - 1;
  std::optional<std::byte> last;
  // Shorter again, or in failed memory: then it is left to the next who asks for attributes.
  (void)filesystem_->Read(ino, offset, 1, [&last](std::span<const iovec> pieces) {
    if (!pieces.empty()) last = *static_cast<const std::byte*>(pieces[0].iov_base);
  });
  // No lock is held: the kernel may have to wait for a page that is being read.
  if (last) store_in_kernel_(ino, offset, *last);
}

daxcore::Result<void> Service::Finish() {
  parking_lot_.Close(EINTR);
  notifiers_.Stop();
  workers_.Stop();
  return filesystem_->Sync();
}

}  // namespace holdfast::daemon
