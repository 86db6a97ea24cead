// SPDX-License-Identifier: Apache-2.0
// The kernel's attribute format of access control lists, from text.
#include "tests/support/acl_text.h"

#include <cstdint>
#include <sstream>

namespace holdfast::tests {
namespace {

template <typename T>
void Append(std::string* value, T number) {
  value->append(reinterpret_cast<const char*>(&number), sizeof(number));
}

uint16_t TagOf(char letter, bool named) {
  switch (letter) {
    case 'u':
      return named ? 0x02 : 0x01;
    case 'g':
      return named ? 0x08 : 0x04;
    case 'm':
      return 0x10;
    default:
      return 0x20;
  }
}

}  // namespace

std::string AclValue(std::string_view text) {
  std::string value;
  Append(&value, uint32_t{2});
  std::istringstream entries{std::string(text)};
  for (std::string entry; entries >> entry;) {
    const size_t id_at = entry.find(':') + 1;
    const size_t permissions_at = entry.find(':', id_at) + 1;
    const std::string id = entry.substr(id_at, permissions_at - 1 - id_at);
    unsigned permissions = 0;
    for (const char bit : entry.substr(permissions_at)) {
      permissions = permissions * 2 + (bit == '-' ? 0 : 1);
    }
    Append(&value, TagOf(entry[0], !id.empty()));
    Append(&value, static_cast<uint16_t>(permissions));
    Append(&value, id.empty() ? ~uint32_t{0} : static_cast<uint32_t>(std::stoul(id)));
  }
  return value;
}

}  // namespace holdfast::tests
