// SPDX-License-Identifier: Apache-2.0
// A million random steps on the page table, each predicted by a naive model of rules P1 to P12 and
// C1 to C8; on two threads whose pages share a lock.
#include "tests/daxcore/page_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace holdfast::tests {
namespace {

constexpr uint64_t kGroups = 4;
constexpr uint64_t kSteps = 500'000;  // of each of two threads
constexpr uint32_t kMappings = 3;
constexpr uint64_t kIndexes = 8;  // few, so that the same one comes up again

class Walk {
 public:
  Walk(PageTable& table, uint64_t first, uint32_t seed)
      : table_(table), model_(first, kGroups), random_(seed) {
    for (uint32_t i = 0; i < kMappings; ++i) {
      names_.push_back(*table_.AddMapping(Ino(1000 * seed + i)));
    }
  }

  void Run() {
    for (uint64_t step = 0; step < kSteps && !testing::Test::HasFailure(); ++step) {
      Step();
      Check(model_.first() + Below(model_.size()));
      if (step % 20'000 == 0) CheckAll();
    }
    CheckAll();
  }
  uint64_t canaries() const { return model_.canaries(); }
  uint64_t count(const std::string& what) { return counts_[what]; }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  MappingId Name() { return names_[Below(kMappings)]; }
  uint64_t AnyPage() { return model_.first() + Below(model_.size()); }
  // Mostly pages near the start of a group, so that they meet each other.
  uint64_t SomePage() {
    return model_.first() + Below(kGroups) * PageModel::kGroup + Below(Below(20) == 0 ? 512 : 12);
  }

  void Step() {
    switch (Below(16)) {
      case 0:
      case 1:
      case 2:
        return AssociateSmall();
      case 3:
        return Below(8) == 0 ? AssociateCompound() : AssociateSmall();
      case 4:
      case 5:
      case 6:
        return Disassociate();
      case 7:
      case 8:
        return Get();
      case 9:
      case 10:
      case 11:
        return Put();
      case 12:
        if (Below(40) == 0) return ClearGroup();
        return Below(8) == 0 ? Split() : Put();
      case 13:
        return HandOver();
      case 14:
        return Wait();
      default:
        return Find();
    }
  }

  void AssociateSmall() {
    const uint64_t pfn = SomePage();
    const uint64_t room = PageModel::kGroup - (pfn - model_.first()) % PageModel::kGroup;
    const FileRun run{FileBlock(Below(kIndexes)), Pfn(pfn),
                      BlockCount(1 + Below(std::min<uint64_t>(4, room)))};
    Associate(run, PageOrder::k4K);
  }
  void AssociateCompound() {
    const uint64_t pfn = model_.first() + Below(kGroups) * PageModel::kGroup;
    Associate({FileBlock(512 * Below(kIndexes)), Pfn(pfn), BlockCount(512)}, PageOrder::k2M);
  }
  void Associate(const FileRun& run, PageOrder order) {
    const MappingId name = Name();
    const bool shared = Below(4) != 0;
    const Progress expected = model_.Associate(name.value(), run, order, shared);
    const Progress got = table_.Associate(name, run, order, shared);
    EXPECT_EQ(got.code, expected.code);
    EXPECT_EQ(got.done, expected.done);
    ++counts_[order == PageOrder::k4K ? "small" : "compound"];
    counts_["refused"] += expected.code != 0;
    CheckEdges(run.pages());
  }

  void Disassociate() {
    const uint64_t pfn = SomePage();
    const PfnRange page = model_.Whole(pfn);
    const auto& associations = model_.At(page.start.value()).associations;
    if (associations.empty()) return;
    auto association = associations[Below(associations.size())];
    if (Below(50) == 0) association.mapping = Name().value();  // a bug of the filesystem, perhaps
    const ModelPage& head = model_.At(page.start.value());
    const bool foreign = head.mapping != 0 && head.mapping != association.mapping;
    const bool really = std::ranges::any_of(head.associations, [&](const auto& a) {
      return a.mapping == association.mapping && a.index == association.index;
    });
    if (!foreign && !really) return;  // would unbalance the walk, not the table
    const auto why = Below(2) == 0 ? Disassociation::kTruncate : Disassociation::kInvalidate;
    Disassociate(page, association, why);
  }
  void Disassociate(PfnRange page, ModelPage::Association association, Disassociation why) {
    const FileRun run{FileBlock(association.index), page.start, page.length};
    model_.Disassociate(association.mapping, run, why);
    table_.Disassociate(MappingId(association.mapping), run, why);
    ++counts_["disassociate"];
    CheckEdges(page);
  }

  void Get() {
    const uint64_t pfn = SomePage();
    const uint64_t room = model_.first() + model_.size() - pfn;
    PfnRange pages{Pfn(pfn), BlockCount(std::min<uint64_t>(room, 1 + Below(4)))};
    if (Below(2) == 0) pages = model_.Whole(pfn);
    const Reference kind = Below(2) == 0 ? Reference::kMap : Reference::kPin;
    const Progress expected = model_.Get(pages, kind);
    const Progress got = table_.Get(pages, kind);
    EXPECT_EQ(got.code, expected.code);
    EXPECT_EQ(got.done, expected.done);
    ++counts_["get"];
    CheckEdges(pages);
  }

  void Put() {
    const PfnRange pages = model_.Whole(SomePage());
    const ModelPage& page = model_.At(pages.start.value());
    const Reference kind = Below(2) == 0 ? Reference::kMap : Reference::kPin;
    const uint64_t held = kind == Reference::kMap ? page.mapped : page.references - page.mapped;
    if (held != 0) Put(pages, kind);
  }
  void Put(PfnRange pages, Reference kind) {
    const auto expected = model_.Put(pages, kind);
    const uint64_t woken_before = woken_;
    const uint64_t waiting = expected.empty() ? 0 : std::exchange(waiting_[pages.start.value()], 0);
    EXPECT_EQ(table_.Put(pages, kind), expected);
    EXPECT_EQ(woken_ - woken_before, waiting);
    ++counts_["put"];
    CheckEdges(pages);
  }

  // Everybody lets go of a whole group, so that it can become a compound again.
  void ClearGroup() {
    const uint64_t head = model_.first() + Below(kGroups) * PageModel::kGroup;
    for (uint64_t pfn = head; pfn < head + PageModel::kGroup; ++pfn) {
      const PfnRange page = model_.Whole(pfn);
      const ModelPage& state = model_.At(page.start.value());
      while (state.references > state.mapped) Put(page, Reference::kPin);
      while (state.mapped > 0) Put(page, Reference::kMap);
      while (!state.associations.empty()) {
        Disassociate(page, state.associations.back(), Disassociation::kTruncate);
      }
    }
    Associate({FileBlock(512 * Below(kIndexes)), Pfn(head), BlockCount(512)}, PageOrder::k2M);
    // Compounds are let go of sooner than a random page of them is chosen for a split.
    if (Below(2) == 0) SplitAt(head + 1 + Below(PageModel::kGroup - 1));
  }

  void Split() { SplitAt(AnyPage()); }
  void SplitAt(uint64_t pfn) {
    const uint64_t room = PageModel::kGroup - (pfn - model_.first()) % PageModel::kGroup;
    const PfnRange pages{Pfn(pfn), BlockCount(1 + Below(room))};
    const PfnRange whole = model_.Whole(pfn);
    const bool was = model_.IsCompound(pfn);
    model_.SplitAround(pages);
    const bool split = was && !model_.IsCompound(pfn);
    const uint64_t woken_before = woken_;
    const uint64_t waiting = split ? std::exchange(waiting_[whole.start.value()], 0) : 0;
    table_.SplitAround(pages);
    EXPECT_EQ(woken_ - woken_before, waiting);
    counts_["split"] += split;
    CheckEdges(whole);
  }

  void HandOver() {
    const PfnRange page = model_.Whole(SomePage());
    const ModelPage head = model_.At(page.start.value());
    if (head.associations.empty()) return;
    const auto& association = head.associations[Below(head.associations.size())];
    if (head.mapping != 0 && head.mapping != association.mapping) return;
    const MappingId to = Name();
    model_.HandOver(association.mapping, association.index, to.value(), page);
    table_.HandOver(MappingId(association.mapping), to, page);
    ++counts_["hand over"];
    CheckEdges(page);
  }

  void Wait() {
    const PfnRange page = model_.Whole(SomePage());
    const bool busy = model_.At(page.start.value()).references != 0;
    auto wake = std::make_shared<WakeOnce>([this] { ++woken_; });
    EXPECT_EQ(table_.WakeWhenIdle(page.end() - BlockCount(1), std::move(wake)), busy);
    waiting_[page.start.value()] += busy;
    counts_["wait"] += busy;
  }

  void Find() {
    const uint64_t pfn = AnyPage();
    const uint64_t room = model_.first() + model_.size() - pfn;
    const PfnRange range{Pfn(pfn), BlockCount(1 + Below(room))};
    EXPECT_EQ(table_.NextReferenced(range), model_.NextReferenced(range));
    ++counts_["find"];
  }

  void Check(uint64_t pfn) {
    const ModelPage& head = model_.At(model_.Whole(pfn).start.value());
    const Ino ino = table_.InoOf(MappingId(head.mapping));
    const PageInfo got = table_.Describe(Pfn(pfn));
    EXPECT_EQ(got, model_.Expect(pfn, ino)) << "page " << pfn;
    // P1 to P12, as far as they can be seen in one descriptor.
    EXPECT_LE(got.mapped, got.references);
  }
  void CheckEdges(PfnRange pages) {
    Check(pages.start.value());
    Check(pages.end().value() - 1);
  }
  void CheckAll() {
    for (uint64_t i = 0; i < model_.size(); ++i) Check(model_.first() + i);
  }

  PageTable& table_;
  PageModel model_;
  std::mt19937 random_;
  std::vector<MappingId> names_;
  uint64_t woken_ = 0;
  std::map<uint64_t, uint64_t> waiting_;  // by head
  std::map<std::string, uint64_t> counts_;
};

TEST(PageModel, P1_P12_C4_AMillionRandomStepsAgreeWithTheRules) {
  // Both walks lie in one GiB, so they share a lock and a set of referenced pages.
  auto table = *PageTable::Create(BlockCount(2 * kGroups * 512), PageOrder::k2M);
  table->SetCanaryHook([](const PageInfo&, Ino, FileBlock) { return true; });
  const auto seed = static_cast<uint32_t>(testing::UnitTest::GetInstance()->random_seed());
  SCOPED_TRACE("seed " + std::to_string(seed));
  Walk first(*table, 0, 2 * seed + 1), second(*table, kGroups * 512, 2 * seed + 2);
  std::thread other([&] { second.Run(); });
  first.Run();
  other.join();
  EXPECT_EQ(table->canary_hits(), first.canaries() + second.canaries());
  // The walk went everywhere, else it proves nothing.
  for (const char* what : {"small", "compound", "refused", "disassociate", "get", "put", "split",
                           "hand over", "wait", "find"}) {
    EXPECT_GT(first.count(what), 100U) << what;
  }
  EXPECT_GT(first.canaries(), 100U);
}

}  // namespace
}  // namespace holdfast::tests
