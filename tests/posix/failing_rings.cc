// SPDX-License-Identifier: Apache-2.0
// Preloaded into a daemon: io_uring fails as FAIL_RINGS says, when a ring is made (`make`) or when
// its first entry is registered with the kernel (`register`).
#include <dlfcn.h>
#include <liburing.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace {

bool Fails(const char* step) {
  const char* const wanted = std::getenv("FAIL_RINGS");
  return wanted != nullptr && std::strcmp(wanted, step) == 0;
}

// The function that would be called without us.
template <typename Function>
Function* Original(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int io_uring_queue_init_params(unsigned entries, io_uring* ring,
                                          io_uring_params* params) {
  static auto* const original =
      Original<int(unsigned, io_uring*, io_uring_params*)>("io_uring_queue_init_params");
  return Fails("make") ? -EPERM : original(entries, ring, params);
}

extern "C" int io_uring_submit(io_uring* ring) {
  static auto* const original = Original<int(io_uring*)>("io_uring_submit");
  // The kernel wants two pieces of memory for an entry. Big submissions are two slots wide.
  io_uring_sqe& first = ring->sq.sqes[0];
  if (Fails("register") && first.opcode == IORING_OP_URING_CMD) first.len = 1;
  return original(ring);
}
