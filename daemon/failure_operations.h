// SPDX-License-Identifier: Apache-2.0
// Media failure by hand: made, undone, reported.
#pragma once

#include "client/include/holdfast/ioctl.h"
#include "daemon/call.h"

namespace holdfast::daemon {

/// The FAIL ioctl. EPERM for all but root; EOPNOTSUPP: unknown `what`, or injecting into real
/// memory; ENXIO, EINVAL as MediaFailure says.
daxcore::Result<IoctlAnswer> FailByHand(Call& call, Handle handle, const holdfast_fail& wish);

}  // namespace holdfast::daemon
