// SPDX-License-Identifier: Apache-2.0
// Using a filesystem that may be damaged, as far as it lets itself be used.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "fsmeta/filesystem.h"

namespace holdfast::tests {

/// What a name led to, or the error that came instead.
struct SeenFile {
  uint64_t ino = 0;
  std::string digest;  ///< attributes, target, attributes' values, first bytes
};
/// By path, "" is the root.
using SeenFiles = std::map<std::string, SeenFile>;

/// Looks at everything below the root, within bounds: of each file the first 64 KiB, at most 1,000
/// names, 16 directories deep. Errors become part of the digests.
SeenFiles LookAround(fsmeta::Filesystem& fs);

/// Changes a little of everything: writes into, cuts, copies, renames and removes some of what was
/// seen, makes new files and directories. Whatever fails, fails.
void ChangeThings(fsmeta::Filesystem& fs, const SeenFiles& seen);

}  // namespace holdfast::tests
