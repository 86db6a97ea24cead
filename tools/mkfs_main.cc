// SPDX-License-Identifier: Apache-2.0
// mkfs.holdfast.
#include <iostream>

#include "tools/mkfs.h"

int main(int argc, char** argv) {
  using namespace holdfast::tools;  // NOLINT: a thin main
  return MkfsMain(ArgumentsOf(argc, argv), {std::cout, std::cerr});
}
