// SPDX-License-Identifier: Apache-2.0
// The rules of semantics sections 1 and 2, written down naively: one record for every 4 KiB, a
// compound being 512 of them that always change together.
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <vector>

#include "daxcore/page_table.h"

namespace holdfast::tests {

using namespace daxcore;  // NOLINT: tests of daxcore speak its language

/// One block as the rules see it.
struct ModelPage {
  uint32_t mapping = 0;  // M, 0 = null
  uint64_t number = 0;   // U
  uint64_t references = 0;
  uint64_t mapped = 0;
  // Everybody who associated it and did not let go, with their index.
  struct Association {
    uint32_t mapping;
    uint64_t index;
  };
  std::vector<Association> associations;

  bool idle() const { return mapping == 0 && number == 0; }
  bool in_use() const { return !idle() || references != 0; }
};

/// Pages [first, first + groups * 512) of a region whose pages are 4 KiB or 2 MiB. Predicts what a
/// PageTable answers and does. One thread.
class PageModel {
 public:
  static constexpr uint64_t kGroup = 512;

  PageModel(uint64_t first, uint64_t groups)
      : first_(first), pages_(groups * kGroup), compound_(groups, false) {}

  uint64_t first() const { return first_; }
  uint64_t size() const { return pages_.size(); }
  uint64_t canaries() const { return canaries_; }
  ModelPage& At(uint64_t pfn) { return pages_[pfn - first_]; }
  bool IsCompound(uint64_t pfn) const { return compound_[(pfn - first_) / kGroup]; }
  /// The whole page of `pfn`: itself or its group.
  PfnRange Whole(uint64_t pfn) const {
    if (!IsCompound(pfn)) return {Pfn(pfn), BlockCount(1)};
    return {Pfn(pfn - (pfn - first_) % kGroup), BlockCount(kGroup)};
  }

  Progress Associate(uint32_t mapping, const FileRun& run, PageOrder order, bool shared) {
    const uint64_t step = BlocksOf(order).value();
    Progress progress;
    for (uint64_t done = 0; done < run.length.value(); done += step) {
      const uint64_t pfn = run.pfn.value() + done;
      progress.code = Refusal(mapping, run.index.value() + done, pfn, order, shared);
      if (progress.code != 0) return progress;
      for (uint64_t i = 0; i < step; ++i) Join(mapping, run.index.value() + done + i, pfn + i);
      if (order == PageOrder::k2M) SetCompound(pfn, true);
      progress.done += BlockCount(step);
    }
    return progress;
  }

  void Disassociate(uint32_t mapping, const FileRun& run, Disassociation why) {
    const bool one_page = IsCompound(run.pfn.value());
    for (uint64_t i = 0; i < run.length.value(); ++i) {
      const bool counted = Leave(mapping, run.index.value() + i, run.pfn.value() + i, why);
      canaries_ += counted && (i == 0 || !one_page) ? 1 : 0;
    }
    if (!At(run.pfn.value()).in_use()) SetCompound(run.pfn.value(), false);
  }

  Progress Get(PfnRange pages, Reference kind) {
    Progress progress;
    for (uint64_t pfn = pages.start.value(); pfn < pages.end().value();) {
      const PfnRange page = Whole(pfn);
      const bool whole = page.start >= pages.start && page.end() <= pages.end();
      if (!whole || At(pfn).idle()) {
        progress.code = EINVAL;
        return progress;
      }
      for (uint64_t i = 0; i < page.length.value(); ++i) {
        ++At(pfn + i).references;
        At(pfn + i).mapped += kind == Reference::kMap ? 1 : 0;
      }
      pfn += page.length.value();
      progress.done += page.length;
    }
    return progress;
  }

  /// `pages` are whole pages with such a reference.
  std::vector<PfnRange> Put(PfnRange pages, Reference kind) {
    std::vector<PfnRange> idle;
    for (uint64_t pfn = pages.start.value(); pfn < pages.end().value(); ++pfn) {
      ModelPage& page = At(pfn);
      --page.references;
      page.mapped -= kind == Reference::kMap ? 1 : 0;
      if (page.references != 0) continue;
      if (!idle.empty() && idle.back().end() == Pfn(pfn)) {
        idle.back().length += BlockCount(1);
      } else {
        idle.push_back({Pfn(pfn), BlockCount(1)});
      }
    }
    if (!At(pages.start.value()).in_use()) SetCompound(pages.start.value(), false);
    return idle;
  }

  void SplitAround(PfnRange pages) {
    for (const uint64_t boundary : {pages.start.value(), pages.end().value()}) {
      if (boundary >= first_ + size() || (boundary - first_) % kGroup == 0) continue;
      SetCompound(boundary, false);
    }
  }

  /// `pages` is a whole page of which `from` has an association at `index`.
  void HandOver(uint32_t from, uint64_t index, uint32_t to, PfnRange pages) {
    for (uint64_t i = 0; i < pages.length.value(); ++i) {
      const uint64_t pfn = pages.start.value() + i;
      const uint64_t number = pages.start.value() + i;  // an index that is the page's number
      ModelPage& page = At(pfn);
      if (page.mapping == from) {
        page.mapping = to;
        page.number = number;
      }
      for (auto& a : page.associations) {
        if (a.mapping == from && a.index == index + i) {
          a = {to, number};
          break;
        }
      }
    }
  }

  std::optional<PfnRange> NextReferenced(PfnRange range) {
    uint64_t pfn = range.start.value();
    while (pfn < range.end().value() && At(pfn).references == 0) ++pfn;
    if (pfn == range.end().value()) return std::nullopt;
    uint64_t end = pfn;
    while (end < range.end().value() && At(end).references != 0) ++end;
    return PfnRange{Pfn(pfn), BlockCount(end - pfn)};
  }

  /// What Describe must say of the page that holds `pfn`, with `ino` the inode of its owner.
  PageInfo Expect(uint64_t pfn, Ino ino) {
    const PfnRange whole = Whole(pfn);
    const ModelPage& head = At(whole.start.value());
    PageInfo info;
    info.pages = whole;
    info.order = whole.length == BlockCount(1) ? PageOrder::k4K : PageOrder::k2M;
    info.references = head.references;
    info.mapped = head.mapped;
    if (head.mapping != 0) {
      info.state = PageState::kOwned;
      info.owner = ino;
      info.index = FileBlock(head.number);
    } else if (head.number != 0) {
      info.state = PageState::kShared;
      info.share = head.number;
    }
    return info;
  }

 private:
  int Refusal(uint32_t mapping, uint64_t index, uint64_t pfn, PageOrder order, bool shared) {
    const ModelPage& page = At(pfn);
    if (order == PageOrder::k4K && IsCompound(pfn)) return EEXIST;
    if (order == PageOrder::k2M && !IsCompound(pfn)) {
      for (uint64_t i = 0; i < kGroup; ++i) {
        if (At(pfn + i).in_use()) return EEXIST;
      }
    }
    if (page.mapping == mapping && page.number == index) return 0;
    if (page.idle()) return page.references != 0 ? EBUSY : 0;
    return shared ? 0 : EUCLEAN;
  }

  void Join(uint32_t mapping, uint64_t index, uint64_t pfn) {
    ModelPage& page = At(pfn);
    if (page.mapping == mapping && page.number == index) return;  // P8
    page.associations.push_back({mapping, index});
    if (page.idle()) {  // P2
      page.mapping = mapping;
      page.number = index;
    } else if (page.mapping != 0) {  // P3
      page.mapping = 0;
      page.number = 2;
    } else {
      ++page.number;
    }
  }

  // True if the canary must count it.
  bool Leave(uint32_t mapping, uint64_t index, uint64_t pfn, Disassociation why) {
    ModelPage& page = At(pfn);
    if (page.mapping != 0 && page.mapping != mapping) return true;  // P9, left alone
    for (auto it = page.associations.begin(); it != page.associations.end(); ++it) {
      if (it->mapping == mapping && it->index == index) {
        page.associations.erase(it);
        break;
      }
    }
    const bool last = page.mapping != 0 || page.number == 1;
    if (last) {  // P4, P5
      page.mapping = 0;
      page.number = 0;
    } else {
      --page.number;
    }
    return last && why == Disassociation::kTruncate && page.references > page.mapped;
  }

  void SetCompound(uint64_t pfn, bool compound) { compound_[(pfn - first_) / kGroup] = compound; }

  const uint64_t first_;
  std::vector<ModelPage> pages_;
  std::vector<bool> compound_;
  uint64_t canaries_ = 0;
};

}  // namespace holdfast::tests
