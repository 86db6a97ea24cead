// SPDX-License-Identifier: Apache-2.0
// The pages of an answer, put together.
#include "tools/mount_query.h"

#include <fcntl.h>

#include <algorithm>

#include "tools/mount_file.h"

namespace holdfast::tools {

using daxcore::Fail;
using daxcore::Result;

Result<Json> AskMount(const std::string& path, holdfast_query question) {
  HOLDFAST_ASSIGN(const MountFile file, MountFile::Open(path, O_RDONLY | O_NONBLOCK));
  std::string text;
  question.size = sizeof(question);
  question.cursor = 0;
  do {
    HOLDFAST_TRY(file.Control(HOLDFAST_IOC_QUERY, &question, "ask the daemon of"));
    text.append(question.text, std::min<size_t>(question.count, sizeof(question.text)));
  } while (question.cursor != 0);
  Json answer = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (answer.is_discarded()) return Fail(EPROTO, "the daemon of " + path + " answered no JSON");
  return answer;
}

}  // namespace holdfast::tools
