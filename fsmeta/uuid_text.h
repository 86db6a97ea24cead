// SPDX-License-Identifier: Apache-2.0
// Uuids as people write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "fsmeta/medium.h"

namespace holdfast::fsmeta {

/// "01234567-89ab-cdef-0123-456789abcdef".
std::string UuidText(const Uuid& uuid);
/// The uuid written so, in either case; nothing for anything else.
std::optional<Uuid> ParseUuid(std::string_view text);

}  // namespace holdfast::fsmeta
