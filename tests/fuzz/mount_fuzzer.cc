// SPDX-License-Identifier: Apache-2.0
// Mounts a changed filesystem, looks at everything and changes it.
#include "tests/fuzz/fuzz_image.h"
#include "tests/support/image_probe.h"
#include "tests/support/quiet_log.h"

using holdfast::fsmeta::Filesystem;
using namespace holdfast::tests;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const QuietLog quiet;
  static FuzzImage image(MakeRichSpecimen());
  image.Apply({data, size});
  const auto fs = Filesystem::Mount(image.memory().MakeRegion(), {});
  if (!fs) return 0;
  static_cast<void>((*fs)->FinishOrphans());
  const SeenFiles seen = LookAround(**fs);
  ChangeThings(**fs, seen);
  return 0;
}
