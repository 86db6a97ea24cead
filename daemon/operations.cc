// SPDX-License-Identifier: Apache-2.0
// The whole table.
#include "daemon/operations.h"

#include "daemon/call.h"

namespace holdfast::daemon {
namespace {

void Init(void* userdata, fuse_conn_info* connection) {
  auto& service = *static_cast<Service*>(userdata);
  service.SetFeatures(Negotiate(*connection, service.options()));
}

void StatFilesystem(fuse_req_t request, fuse_ino_t ino) {
  Serve(request, Op::kStatfs, Ino(ino), [](Call& call) { return call.filesystem().GetStatFs(); });
}

}  // namespace

fuse_lowlevel_ops AllOperations() {
  fuse_lowlevel_ops operations{};
  operations.init = Init;
  operations.statfs = StatFilesystem;
  AddNameOperations(operations);
  AddAttributeOperations(operations);
  AddDirectoryOperations(operations);
  AddFileOperations(operations);
  AddIoctlOperations(operations);
  AddPollOperation(operations);
  return operations;
}

}  // namespace holdfast::daemon
