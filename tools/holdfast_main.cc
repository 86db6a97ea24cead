// SPDX-License-Identifier: Apache-2.0
// holdfast.
#include <iostream>

#include "tools/holdfast.h"

int main(int argc, char** argv) {
  using namespace holdfast::tools;  // NOLINT: a thin main
  return HoldfastMain(ArgumentsOf(argc, argv), {std::cout, std::cerr});
}
