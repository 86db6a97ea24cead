// SPDX-License-Identifier: Apache-2.0
// fsck.holdfast.
#include <iostream>

#include "tools/fsck.h"

int main(int argc, char** argv) {
  using namespace holdfast::tools;  // NOLINT: a thin main
  return FsckMain(ArgumentsOf(argc, argv), {std::cout, std::cerr});
}
