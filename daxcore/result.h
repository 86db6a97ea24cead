// SPDX-License-Identifier: Apache-2.0
// The one result type: a value, or an errno with a line a person can act on, or "blocked".
#pragma once

#include <cerrno>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace holdfast::daxcore {

/// Something an operation may have to wait for (a busy page, a lease recall, a file lock). The
/// operation changed nothing; whoever started it parks the request, calls `OnReady`, and runs it
/// again from the start when the callback fires (rule L3). Implementations are thread-safe.
class Waitable {
 public:
  virtual ~Waitable() = default;
  /// Arranges for `wake` to run once, from any thread, when the wait may be over; at once if it
  /// already is. `wake` must not block and must not call back into the waitable.
  virtual void OnReady(std::move_only_function<void()> wake) = 0;
};

/// Why an operation did not happen. `code` is a positive errno; an `EAGAIN` with `wait` set means
/// "blocked": nothing was changed, wait and run it again. `message` is empty where the errno says
/// everything (the hot path), else one line: what failed, on what, why, what to do.
struct [[nodiscard]] Error {
  int code = EIO;
  std::string message;
  std::shared_ptr<Waitable> wait;

  bool blocked() const { return wait != nullptr; }
  /// The message, or the errno's text where there is none.
  std::string Text() const;
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> Fail(int code) { return std::unexpected(Error{code, {}, {}}); }
inline std::unexpected<Error> Fail(int code, std::string message) {
  return std::unexpected(Error{code, std::move(message), {}});
}
/// Fails with a system call's errno: "WHAT SUBJECT: the errno's text".
std::unexpected<Error> FailErrno(int code, std::string_view what, std::string_view subject);
inline std::unexpected<Error> Blocked(std::shared_ptr<Waitable> what) {
  return std::unexpected(Error{EAGAIN, {}, std::move(what)});
}
/// Passes the error of one result on in another.
template <typename T>
std::unexpected<Error> Pass(Result<T>&& failed) {
  return std::unexpected(std::move(failed).error());
}

}  // namespace holdfast::daxcore

/// Returns the error of `expr` from the enclosing function, if it is one.
#define HOLDFAST_TRY(expr)                                            \
  do {                                                                \
    if (auto holdfast_result = (expr); !holdfast_result) [[unlikely]] \
      return std::unexpected(std::move(holdfast_result).error());     \
  } while (false)

#define HOLDFAST_CONCAT_INNER(a, b) a##b
#define HOLDFAST_CONCAT(a, b) HOLDFAST_CONCAT_INNER(a, b)
/// `HOLDFAST_ASSIGN(auto x, Expr())`: declares x with the value, or returns the error.
#define HOLDFAST_ASSIGN(lhs, expr) \
  HOLDFAST_ASSIGN_INNER(HOLDFAST_CONCAT(holdfast_assign_, __LINE__), lhs, expr)
#define HOLDFAST_ASSIGN_INNER(tmp, lhs, expr)       \
  auto tmp = (expr);                                \
  if (!tmp) [[unlikely]]                            \
    return std::unexpected(std::move(tmp).error()); \
  lhs = *std::move(tmp)
