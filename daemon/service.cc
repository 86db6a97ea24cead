// SPDX-License-Identifier: Apache-2.0
// The beginning and the end of a service.
#include "daemon/service.h"

#include <cerrno>

namespace holdfast::daemon {

Service::Service(Options options, std::unique_ptr<fsmeta::Filesystem> filesystem,
                 std::unique_ptr<DirectSessions> direct)
    : options_(std::move(options)), direct_(std::move(direct)), filesystem_(std::move(filesystem)) {
  direct_->Attach(*filesystem_, workers_, [this](daxcore::Ino ino) { InvalidateSoon(ino); });
}

daxcore::Result<void> Service::Finish() {
  parking_lot_.Close(EINTR);
  notifiers_.Stop();
  workers_.Stop();
  return filesystem_->Sync();
}

}  // namespace holdfast::daemon
