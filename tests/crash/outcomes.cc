// SPDX-License-Identifier: Apache-2.0
// Enumerating subsets of the stores in flight.
#include "tests/crash/outcomes.h"

#include <algorithm>
#include <array>
#include <optional>

#include "fsmeta/format.h"

namespace holdfast::tests {
namespace {

using fsmeta::kLine;

struct MissingLine {
  size_t unit;
  uint64_t line;
};

class Subsets {
 public:
  Subsets(std::span<const StoreUnit> units, OutcomeFn fn) : units_(units), fn_(fn) {
    // The unit that must survive first: an earlier cached store to the same line.
    before_.resize(units.size());
    for (size_t i = 0; i < units.size(); ++i) {
      for (size_t j = i; units[i].cached && j-- > 0;) {
        if (!units[j].cached || units[j].offset / kLine != units[i].offset / kLine) continue;
        before_[i] = j;
        break;
      }
    }
  }

  void Only(std::string_view kind, std::span<const Survivor> chosen) {
    chosen_.assign(chosen.begin(), chosen.end());
    for (size_t i = 0; i < chosen_.size(); ++i) {
      const auto first = before_[chosen_[i].unit];
      if (first && std::ranges::find(chosen_, *first, &Survivor::unit) == chosen_.end()) {
        chosen_.push_back(Whole(*first));
      }
    }
    std::ranges::sort(chosen_, {}, &Survivor::unit);
    fn_(kind, chosen_);
  }

  // All but `lost`, of which only [start, end) is there.
  void AllBut(std::string_view kind, size_t lost, uint64_t start, uint64_t end) {
    chosen_.clear();
    std::vector<bool> gone(units_.size());
    for (size_t i = 0; i < units_.size(); ++i) {
      gone[i] = i == lost || (before_[i] && gone[*before_[i]]);
      if (!gone[i]) chosen_.push_back(Whole(i));
      if (i == lost && start < end) chosen_.push_back({i, start, end});
    }
    fn_(kind, chosen_);
  }

  void All() {
    chosen_.clear();
    for (size_t i = 0; i < units_.size(); ++i) chosen_.push_back(Whole(i));
    fn_("all of them", chosen_);
  }

  Survivor Whole(size_t unit) const { return {unit, 0, units_[unit].bytes.size()}; }

  // All, but of each of `torn`, which are data, one line is missing.
  void WithoutLines(std::string_view kind, std::span<const MissingLine> torn) {
    chosen_.clear();
    for (size_t i = 0; i < units_.size(); ++i) {
      const auto missing = std::ranges::find(torn, i, &MissingLine::unit);
      if (missing == torn.end()) {
        chosen_.push_back(Whole(i));
        continue;
      }
      const uint64_t length = units_[i].bytes.size();
      const uint64_t skew = units_[i].offset % kLine;
      const uint64_t from = missing->line == 0 ? 0 : missing->line * kLine - skew;
      const uint64_t to = std::min(length, (missing->line + 1) * kLine - skew);
      if (from > 0) chosen_.push_back({i, 0, from});
      if (to < length) chosen_.push_back({i, to, length});
    }
    fn_(kind, chosen_);
  }
  void DataTorn(size_t unit) {
    const uint64_t lines = LinesOf(unit);
    for (const uint64_t line : {uint64_t{0}, lines / 2, lines - 1}) {
      const std::array<MissingLine, 1> torn = {MissingLine{unit, line}};
      WithoutLines("all but a line of data", torn);
    }
  }

  void Prefixes(size_t unit) {
    const uint64_t length = units_[unit].bytes.size();
    const uint64_t skew = units_[unit].offset % 8;
    for (uint64_t end = 8 - skew; end < length; end += 8) {
      const std::array<Survivor, 1> torn = {Survivor{unit, 0, end}};
      Only("one alone, torn", torn);
      AllBut("all, one of them torn", unit, 0, end);
    }
  }

  void Pairs() {
    const size_t n = units_.size();
    const size_t step = (n + kMostForAllPairs - 1) / kMostForAllPairs;
    for (size_t i = 0; i < n; i += step) {
      for (size_t j = i + step; j < n; j += step) Pair(i, j);
    }
    for (size_t i = 0; step > 1 && i + 1 < n; ++i) Pair(i, i + 1);
  }

 private:
  void Pair(size_t i, size_t j) {
    const std::array<Survivor, 2> pair = {Whole(i), Whole(j)};
    Only("two of them", pair);
    if (!units_[i].whole_blocks() || !units_[j].whole_blocks()) return;
    for (const uint64_t part : {0, 1, 2}) {  // the first, middle or last line of both
      const std::array<MissingLine, 2> torn = {MissingLine{i, part * (LinesOf(i) - 1) / 2},
                                               MissingLine{j, part * (LinesOf(j) - 1) / 2}};
      WithoutLines("all, two of them torn", torn);
    }
  }

  uint64_t LinesOf(size_t unit) const {
    return (units_[unit].end() - 1) / kLine - units_[unit].offset / kLine + 1;
  }

  std::span<const StoreUnit> units_;
  OutcomeFn fn_;
  std::vector<std::optional<size_t>> before_;
  std::vector<Survivor> chosen_;
};

}  // namespace

void ForEachOutcome(std::span<const StoreUnit> units, OutcomeFn fn) {
  Subsets subsets(units, fn);
  fn("none of them", {});
  if (units.empty()) return;
  subsets.All();
  for (size_t i = 0; i < units.size(); ++i) {
    const std::array<Survivor, 1> one = {subsets.Whole(i)};
    subsets.Only("one of them", one);
    subsets.AllBut("all but one", i, 0, 0);
    if (units[i].whole_blocks()) {
      subsets.DataTorn(i);
    } else {
      subsets.Prefixes(i);
    }
  }
  subsets.Pairs();
}

}  // namespace holdfast::tests
