// SPDX-License-Identifier: Apache-2.0
// The FAIL ioctl.
#include "daemon/failure_operations.h"

#include "daxcore/media_failure.h"

namespace holdfast::daemon {

using daxcore::Fail;
using daxcore::MediaFailure;
using daxcore::Result;

namespace {

Result<void> Do(MediaFailure& failure, const holdfast_fail& wish) {
  switch (wish.what) {
    case HOLDFAST_FAIL_INJECT:
      return failure.Inject(wish.offset, wish.length);
    case HOLDFAST_FAIL_CLEAR:
      return failure.Clear(wish.offset, wish.length);
    case HOLDFAST_FAIL_REPORT:
      return failure.Notify(wish.offset, wish.length);
    case HOLDFAST_FAIL_REMOVE:
      if (wish.offset != 0 || wish.length != 0) return Fail(EINVAL);
      return failure.NotifyRemoval();
    default:
      return Fail(EOPNOTSUPP);
  }
}

}  // namespace

Result<IoctlAnswer> FailByHand(Call& call, Handle /*handle*/, const holdfast_fail& wish) {
  if (fuse_req_ctx(call.request())->uid != 0) return Fail(EPERM);
  HOLDFAST_TRY(Do(call.filesystem().volume().failure(), wish));
  return IoctlAnswer{};
}

}  // namespace holdfast::daemon
