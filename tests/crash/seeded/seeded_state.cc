// SPDX-License-Identifier: Apache-2.0
// What is switched on in the programs that can: nothing yet.
#include "fsmeta/allocation_fault.h"
#include "fsmeta/seeded_bug.h"

namespace holdfast::fsmeta {

SeededBug seeded_bug = SeededBug::kNone;
AllocationFault allocation_fault;

}  // namespace holdfast::fsmeta
