// SPDX-License-Identifier: Apache-2.0
// The FUSE requests that the daemon answers.
#pragma once

#include <fuse_lowlevel.h>

namespace holdfast::daemon {

// Each group fills its part of the table. All handlers are thread-safe and answer, or park, their
// request before they return; none waits for a client.
void AddNameOperations(fuse_lowlevel_ops& operations);
void AddAttributeOperations(fuse_lowlevel_ops& operations);
void AddDirectoryOperations(fuse_lowlevel_ops& operations);
void AddFileOperations(fuse_lowlevel_ops& operations);
void AddIoctlOperations(fuse_lowlevel_ops& operations);
void AddPollOperation(fuse_lowlevel_ops& operations);

/// All of them. Advisory locks are not among them: the kernel keeps those by itself.
fuse_lowlevel_ops AllOperations();

}  // namespace holdfast::daemon
