// SPDX-License-Identifier: Apache-2.0
// Questions to the daemon, answered as paged JSON.
#include <cstring>

#include "client/include/holdfast/ioctl.h"
#include "daemon/busy_report.h"
#include "daemon/failure_report.h"
#include "daemon/info.h"
#include "daemon/ioctl_request.h"

namespace holdfast::daemon {
namespace {

using daxcore::Fail;
using daxcore::Result;

Result<nlohmann::json> QueryAnswer(Call& call, Handle handle, const holdfast_query& query) {
  const bool is_root = fuse_req_ctx(call.request())->uid == 0;
  switch (query.what) {
    case HOLDFAST_QUERY_INFO:
      return InfoOf(call.service());
    case HOLDFAST_QUERY_BUSY:
      if (!is_root) return Fail(EPERM);
      return BusyOf(call.filesystem());
    case HOLDFAST_QUERY_PAGES:
      if (!handle.readable()) return Fail(EBADF);
      return PagesOf(call.filesystem(), call.ino(), query.offset, query.length);
    case HOLDFAST_QUERY_OWNERS:
      if (!is_root) return Fail(EPERM);
      return OwnersOf(call.filesystem(), query.offset, query.length);
    case HOLDFAST_QUERY_FAILURES:
      if (!is_root) return Fail(EPERM);
      return FailuresOf(call.filesystem());
    default:
      return Fail(EOPNOTSUPP);
  }
}

Result<IoctlAnswer> Query(Call& call, Handle handle, const holdfast_query& query) {
  if (query.reserved != 0) return Fail(EINVAL);
  if (query.length != 0) HOLDFAST_TRY(CheckRange(query.offset, query.length));
  const uid_t owner = fuse_req_ctx(call.request())->uid;
  Snapshots& snapshots = call.service().snapshots();
  Snapshots::Page page;
  if (query.cursor == 0) {
    HOLDFAST_ASSIGN(const auto answer, QueryAnswer(call, handle, query));
    page = snapshots.First(JsonText(answer), owner, sizeof(query.text));
  } else {
    auto next = snapshots.Next(query.cursor, owner, sizeof(query.text));
    if (!next) return Fail(ESTALE);
    page = *std::move(next);
  }
  holdfast_query out = query;
  out.cursor = page.next;
  out.count = static_cast<uint32_t>(page.text.size());
  std::memcpy(out.text, page.text.data(), page.text.size());
  return Answer(out);
}

}  // namespace

void OnQuery(const IoctlRequest& ioctl) { ServeStruct<holdfast_query>(ioctl, Query); }

}  // namespace holdfast::daemon
