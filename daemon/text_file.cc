// SPDX-License-Identifier: Apache-2.0
// Read in pieces, since files of /proc do not tell how long they are.
#include "daemon/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/file_descriptor.h"

namespace holdfast::daemon {

daxcore::Result<std::string> ReadTextFile(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return daxcore::FailErrno(errno, "cannot read", path);
  std::string text;
  char piece[4096];
  for (;;) {
    const ssize_t length = read(file.get(), piece, sizeof(piece));
    if (length == 0) return text;
    if (length > 0) {
      text.append(piece, static_cast<size_t>(length));
    } else if (errno != EINTR) {
      return daxcore::FailErrno(errno, "cannot read", path);
    }
  }
}

}  // namespace holdfast::daemon
