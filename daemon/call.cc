// SPDX-License-Identifier: Apache-2.0
// Identity, interruption, counting and errors of requests.
#include "daemon/call.h"

#include <cerrno>

#include "spdlog/spdlog.h"

namespace holdfast::daemon {

const fsmeta::OpContext& Call::context(Handle handle) {
  if (attempt_ == nullptr) {
    const fuse_ctx* caller = fuse_req_ctx(request_);
    context_.caller = {caller->uid, caller->gid, caller->pid, caller->umask};
    attempt_ = std::make_unique<daxcore::BreakAttempt>(std::string(NameOf(op_)), caller->pid,
                                                       service_->direct().SessionOf(handle));
    context_.attempt = attempt_.get();
  }
  return context_;
}

void Call::Interrupt() {
  if (attempt_ != nullptr) attempt_->Interrupt();
}

void Call::Account(const daxcore::Error* error) {
  const auto took = std::chrono::steady_clock::now() - started_;
  service_->metrics().Count(op_, took, error != nullptr);
  if (spdlog::should_log(spdlog::level::debug)) [[unlikely]] {
    spdlog::debug("{} inode {}: {} in {} us", NameOf(op_), ino_.value(),
                  error == nullptr ? "done" : error->Text(),
                  std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  }
}

void Call::ReplyError(const daxcore::Error& error) {
  if (error.code == EINTR) service_->metrics().interrupted.fetch_add(1, std::memory_order_relaxed);
  // A user's mistake is the user's business; what is wrong with the medium is the administrator's.
  if ((error.code == EUCLEAN || error.code == EIO) && !error.message.empty()) {
    spdlog::error("{} inode {}: {}", NameOf(op_), ino_.value(), error.message);
  }
  fuse_reply_err(request_, error.code);
}

}  // namespace holdfast::daemon
