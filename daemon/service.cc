// SPDX-License-Identifier: Apache-2.0
// The end of a service.
#include "daemon/service.h"

#include <cerrno>

namespace holdfast::daemon {

daxcore::Result<void> Service::Finish() {
  parking_lot_.Close(EINTR);
  notifiers_.Stop();
  workers_.Stop();
  return filesystem_->Sync();
}

}  // namespace holdfast::daemon
