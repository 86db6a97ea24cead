// SPDX-License-Identifier: Apache-2.0
// Running fsck and mount over one damaged image.
#include "tests/corrupt/trial.h"

#include <malloc.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "fsmeta/checker.h"
#include "fsmeta/repairer.h"
#include "tests/support/image_probe.h"

namespace holdfast::tests {

using fsmeta::Filesystem;
using fsmeta::RepairOutcome;

namespace {

constexpr std::array<uint8_t, 16> kOtherBoot{9, 9, 9};

std::vector<std::string> FindingsIn(std::span<const std::byte> image) {
  const auto report = fsmeta::CheckFilesystem(image, "image");
  if (!report) return {report.error().Text()};
  std::vector<std::string> lines;
  for (const fsmeta::Finding& finding : report->findings()) lines.push_back(finding.Text());
  return lines;
}

// Links to a file may become more when an entry goes astray; that is no loss.
std::string WithoutLinks(const std::string& attributes) {
  const size_t at = attributes.find(" links ");
  const size_t end = attributes.find(' ', at + 7);
  return attributes.substr(0, at) + (end == std::string::npos ? "" : attributes.substr(end));
}

bool SameFile(const TreeEntry& a, const TreeEntry& b) {
  return WithoutLinks(a.attributes) == WithoutLinks(b.attributes) && a.data == b.data;
}

bool IsHurt(const Victim& victim, const TreeEntry& entry) {
  return std::ranges::count(victim.hurts, InodeOf(entry)) != 0;
}

bool IsSomewhere(const TreeState& tree, const TreeEntry& entry) {
  return std::ranges::any_of(tree,
                             [&](const auto& found) { return SameFile(found.second, entry); });
}

}  // namespace

// What is below a directory that is hurt may have to move.
bool Trials::LivesIn(const Victim& victim, const std::string& path) const {
  for (size_t end = path.rfind('/'); end != std::string::npos && end != 0;
       end = path.rfind('/', end - 1)) {
    if (IsHurt(victim, specimen_.tree.at(path.substr(0, end)))) return true;
  }
  return IsHurt(victim, specimen_.tree.at(""));
}

Trials::Trials(const Specimen& specimen)
    : specimen_(specimen), memory_(specimen.image), usual_findings_(FindingsIn(specimen.image)) {
  // Every trial takes and gives back the same memory: the system need not see it.
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
}

void Trials::Damage(const Victim& victim, std::span<const std::byte> bytes) {
  memory_.Reset();
  memory_.Write(victim.object, bytes);
}

Verdict Trials::Run(const Victim& victim, std::span<const std::byte> bytes) {
  Verdict verdict;
  Damage(victim, bytes);
  verdict.noticed = FsckNotices();
  verdict.noticed |= MountNotices();
  Damage(victim, bytes);
  Repair(victim, &verdict);
  return verdict;
}

bool Trials::FsckNotices() { return FindingsIn(memory_.image()) != usual_findings_; }

bool Trials::MountNotices() {
  const auto fs = Filesystem::Mount(memory_.MakeRegion(), {});
  if (!fs) return true;
  const bool finished = (*fs)->FinishOrphans().has_value();
  const SeenFiles seen = LookAround(**fs);
  ChangeThings(**fs, seen);
  return !finished || std::ranges::any_of(seen, [](const auto& file) {
    return file.second.digest.find("error") != std::string::npos;
  });
}

void Trials::Repair(const Victim& victim, Verdict* verdict) {
  const uint64_t before = memory_.Hash();
  for (const bool may_lose : {false, true}) {
    const auto region = memory_.MakeRegion();
    const auto report =
        fsmeta::RepairRegion(*region, {.may_lose = may_lose, .boot_id = kOtherBoot});
    verdict->refused = !report || report->outcome == RepairOutcome::kRefused;
    if (verdict->refused) {
      if (memory_.Hash() != before) verdict->faults.push_back("refused, but changed something");
      continue;
    }
    verdict->repaired = report->outcome == RepairOutcome::kRepaired;
    for (const fsmeta::Finding& finding : report->check.findings()) {
      const bool is_error = finding.severity == fsmeta::Severity::kError;
      if (is_error) verdict->faults.push_back("still there: " + finding.Text());
    }
    const auto again = fsmeta::RepairRegion(*region, {.may_lose = true, .boot_id = kOtherBoot});
    if (!again || again->outcome != RepairOutcome::kClean) {
      verdict->faults.push_back("a second repair finds something");
    }
    break;
  }
  if (!verdict->refused) LookForLosses(victim, verdict);
}

void Trials::LookForLosses(const Victim& victim, Verdict* verdict) {
  const auto fault = [&](std::string text) { verdict->faults.push_back(std::move(text)); };
  const auto fs = Filesystem::Mount(memory_.MakeRegion(), {});
  if (!fs) return fault("does not mount: " + fs.error().Text());
  if (const auto done = (*fs)->FinishOrphans(); !done) fault("orphans: " + done.error().Text());
  const auto tree = ReadTree(**fs);
  if (!tree) return fault("cannot be read: " + tree.error().Text());
  for (const auto& [path, entry] : specimen_.tree) {
    if (IsHurt(victim, entry) || (LivesIn(victim, path) && IsSomewhere(*tree, entry))) continue;
    const auto found = tree->find(path);
    if (found == tree->end()) {
      fault("lost: /" + path);
    } else if (!SameFile(found->second, entry)) {
      fault("changed:\n" + Differences("found", {*found}, "before", {{path, entry}}));
    }
  }
}

}  // namespace holdfast::tests
