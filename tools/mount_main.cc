// SPDX-License-Identifier: Apache-2.0
// mount.holdfast.
#include <iostream>

#include "tools/mount.h"

int main(int argc, char** argv) {
  using namespace holdfast::tools;  // NOLINT: a thin main
  return MountMain(ArgumentsOf(argc, argv), {std::cout, std::cerr}, Exec);
}
