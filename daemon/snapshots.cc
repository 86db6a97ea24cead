// SPDX-License-Identifier: Apache-2.0
// Paging of kept answers.
#include "daemon/snapshots.h"

#include <algorithm>
#include <utility>

namespace holdfast::daemon {

Snapshots::Page Snapshots::PageOf(const Answer& answer, uint64_t offset, size_t max) {
  Page page{answer.text.substr(offset, max), 0};
  const uint64_t end = offset + page.text.size();
  if (end < answer.text.size()) page.next = answer.id << kOffsetBits | end;
  return page;
}

void Snapshots::MakeRoom(uid_t owner, size_t bytes) {
  const auto oldest = Clock::now() - kKeptFor;
  std::erase_if(answers_, [&](const Answer& answer) { return answer.made < oldest; });
  if (std::ranges::count(answers_, owner, &Answer::owner) >= std::ptrdiff_t{kMostOfOne}) {
    answers_.erase(std::ranges::find(answers_, owner, &Answer::owner));
  }
  size_t sum = bytes;
  for (const Answer& answer : answers_) sum += answer.text.size();
  while (!answers_.empty() && (answers_.size() >= kMostKept || sum > kMostBytes)) {
    sum -= answers_.front().text.size();
    answers_.pop_front();
  }
}

Snapshots::Page Snapshots::First(std::string answer, uid_t owner, size_t max) {
  // What a cursor cannot name is cut off; 1 GiB of JSON is more than anybody reads.
  answer.resize(std::min(answer.size(), (size_t{1} << kOffsetBits) - 1));
  const absl::MutexLock hold(&mutex_);
  MakeRoom(owner, answer.size());
  Answer kept{++last_id_, owner, Clock::now(), std::move(answer)};
  Page page = PageOf(kept, 0, max);
  if (page.next != 0) answers_.push_back(std::move(kept));
  return page;
}

std::optional<Snapshots::Page> Snapshots::Next(uint64_t cursor, uid_t owner, size_t max) {
  const uint64_t id = cursor >> kOffsetBits;
  const uint64_t offset = cursor & ((uint64_t{1} << kOffsetBits) - 1);
  const absl::MutexLock hold(&mutex_);
  const auto found = std::ranges::find(answers_, id, &Answer::id);
  if (found == answers_.end() || found->owner != owner || offset >= found->text.size()) {
    return std::nullopt;
  }
  Page page = PageOf(*found, offset, max);
  if (page.next == 0) answers_.erase(found);
  return page;
}

}  // namespace holdfast::daemon
