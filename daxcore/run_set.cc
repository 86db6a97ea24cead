// SPDX-License-Identifier: Apache-2.0
// Runs in a B-tree.
#include "daxcore/run_set.h"

#include <iterator>

namespace holdfast::daxcore {

RunSet::Runs::const_iterator RunSet::FirstEndingAfter(FileBlock block) const {
  auto it = runs_.upper_bound(block);
  if (it != runs_.begin() && std::prev(it)->second.end() > block) --it;
  return it;
}

void RunSet::Add(const FileRun& run) {
  blocks_ += run.length;
  auto next = runs_.lower_bound(run.index);
  if (next != runs_.begin()) {
    FileRun& before = std::prev(next)->second;
    if (before.end() == run.index && before.pages().end() == run.pfn) {
      before.length += run.length;
      return;
    }
  }
  runs_.emplace_hint(next, run.index, run);
}

std::vector<FileRun> RunSet::Take(FileRange range) {
  std::vector<FileRun> taken;
  for (auto it = FirstEndingAfter(range.start); it != runs_.end() && it->first < range.end;) {
    const FileRun run = it->second;
    it = runs_.erase(it);
    const FileRun part = run.Clip(range);
    taken.push_back(part);
    blocks_ -= part.length;
    if (run.index < part.index) {
      runs_.emplace(run.index, FileRun{run.index, run.pfn, part.index - run.index});
    }
    if (part.end() < run.end()) {
      runs_.emplace(part.end(), FileRun{part.end(), part.pages().end(), run.end() - part.end()});
      break;
    }
    it = FirstEndingAfter(run.end());
  }
  return taken;
}

std::vector<FileRun> RunSet::TakePages(PfnRange pages) {
  std::vector<FileRun> taken;
  for (const FileRun& run : List()) {
    const Pfn start = std::max(run.pfn, pages.start);
    const Pfn end = std::min(run.pages().end(), pages.end());
    if (start >= end) continue;
    const FileBlock index = run.index + (start - run.pfn);
    for (const FileRun& part : Take({index, index + (end - start)})) taken.push_back(part);
  }
  return taken;
}

std::optional<FileRange> RunSet::FirstGap(FileRange range) const {
  auto it = FirstEndingAfter(range.start);
  while (it != runs_.end() && it->first <= range.start) {
    range.start = it->second.end();
    ++it;
  }
  if (it != runs_.end() && it->first < range.end) range.end = it->first;
  if (range.empty()) return std::nullopt;
  return range;
}

bool RunSet::Overlaps(FileRange range) const {
  const auto it = FirstEndingAfter(range.start);
  return !range.empty() && it != runs_.end() && it->first < range.end;
}

std::vector<FileRun> RunSet::List() const {
  std::vector<FileRun> list;
  for (const auto& [index, run] : runs_) list.push_back(run);
  return list;
}

}  // namespace holdfast::daxcore
