// SPDX-License-Identifier: Apache-2.0
// Holders, waiters and page descriptors as JSON.
#include "daemon/busy_report.h"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "absl/time/time.h"
#include "daxcore/page_order.h"
#include "daxcore/process.h"
#include "fsmeta/direct_access.h"

namespace holdfast::daemon {
namespace {

using daxcore::BreakReason;
using daxcore::ByteOffset;
using daxcore::Bytes;
using daxcore::FileRange;
using daxcore::HolderInfo;
using daxcore::LeaseState;
using daxcore::PageState;
using nlohmann::json;

std::string_view NameOf(HolderInfo::Kind kind) {
  switch (kind) {
    case HolderInfo::Kind::kLease:
      return "lease";
    case HolderInfo::Kind::kPin:
      return "pin";
    case HolderInfo::Kind::kLongTermPin:
      return "long_term_pin";
    case HolderInfo::Kind::kFormer:
      return "former";
  }
  return "unknown";
}

std::string_view NameOf(BreakReason reason) {
  switch (reason) {
    case BreakReason::kWrite:
      return "write";
    case BreakReason::kUnmap:
      return "unmap";
    case BreakReason::kShare:
      return "share";
  }
  return "unknown";
}

std::string_view NameOf(LeaseState state) {
  switch (state) {
    case LeaseState::kActive:
      return "active";
    case LeaseState::kRecalled:
      return "recalled";
    case LeaseState::kVoid:
      return "void";
  }
  return "unknown";
}

std::string_view NameOf(PageState state) {
  switch (state) {
    case PageState::kIdle:
      return "idle";
    case PageState::kOwned:
      return "owned";
    case PageState::kShared:
      return "shared";
  }
  return "unknown";
}

// Null where it is not known.
json TimeText(std::chrono::system_clock::time_point time) {
  if (time == std::chrono::system_clock::time_point()) return nullptr;
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromChrono(time), absl::UTCTimeZone());
}

json ProcessOf(pid_t pid) { return {{"pid", pid}, {"command", daxcore::CommandOf(pid)}}; }

void AddRange(json& object, daxcore::Ino ino, FileRange range) {
  object["inode"] = ino.value();
  object["file_offset"] = ByteOffset(range.start);
  object["length"] = range.empty() ? 0 : Bytes(range.length());
}

json HolderOf(const HolderInfo& info) {
  json holder = ProcessOf(info.holder.process.pid);
  AddRange(holder, info.ino, info.range);
  holder["since"] = TimeText(info.since);
  holder["kind"] = NameOf(info.kind);
  if (info.kind == HolderInfo::Kind::kFormer) return holder;
  holder["id"] = info.id;
  if (info.kind != HolderInfo::Kind::kLease) return holder;
  holder["write"] = info.write;
  holder["exclusive"] = info.exclusive;
  holder["state"] = NameOf(info.lease_state);
  holder["mapped_bytes"] = Bytes(info.mapped);
  return holder;
}

json WaiterOf(const daxcore::WaiterInfo& info) {
  json waiter = ProcessOf(info.pid);
  AddRange(waiter, info.ino, info.range);
  waiter["since"] = TimeText(info.since);
  waiter["operation"] = info.operation;
  waiter["reason"] = NameOf(info.reason);
  return waiter;
}

json QuarantineOf(const daxcore::QuarantinedRun& run) {
  json pids = json::array();
  for (const auto& process : run.holders) pids.push_back(process.pid);
  return {{"region_offset", ByteOffset(run.pages.start)},
          {"length", Bytes(run.pages.length)},
          {"inode", run.former_ino.value()},
          {"pids", std::move(pids)}};
}

json PagesOfRun(const daxcore::LayoutManager::PageRun& run) {
  json pages = {{"file_offset", ByteOffset(run.entry.run.index)},
                {"length", Bytes(run.entry.run.length)},
                {"dirty", run.entry.dirty()}};
  if (!run.entry.has_pages()) {
    pages["state"] = "hole";
    return pages;
  }
  const daxcore::PageInfo& page = run.page;
  pages["region_offset"] = ByteOffset(run.entry.run.pfn);
  pages["pfn"] = run.entry.run.pfn.value();
  pages["state"] = NameOf(page.state);
  if (page.state == PageState::kOwned) {
    pages["inode"] = page.owner.value();
    pages["index"] = page.index.value();
  }
  if (page.state == PageState::kShared) pages["share"] = page.share;
  pages["references"] = page.references;
  pages["pins"] = page.pins();
  pages["order_bytes"] = Bytes(daxcore::BlocksOf(page.order));
  return pages;
}

}  // namespace

json BusyOf(fsmeta::Filesystem& filesystem) {
  const daxcore::LayoutManager& layouts = filesystem.volume().layouts();
  json holders = json::array();
  for (const HolderInfo& info : layouts.Holders()) holders.push_back(HolderOf(info));
  json waiters = json::array();
  for (const auto& info : layouts.Waiters()) waiters.push_back(WaiterOf(info));
  json quarantines = json::array();
  for (const auto& run : layouts.quarantine().List()) quarantines.push_back(QuarantineOf(run));
  return {{"holders", std::move(holders)},
          {"waiters", std::move(waiters)},
          {"quarantines", std::move(quarantines)},
          {"quarantined_bytes", Bytes(layouts.quarantine().blocks())}};
}

daxcore::Result<json> PagesOf(fsmeta::Filesystem& filesystem, daxcore::Ino ino, uint64_t offset,
                              uint64_t length) {
  HOLDFAST_ASSIGN(const auto runs, filesystem.direct().Pages(ino, offset, length));
  json pages = json::array();
  for (const auto& run : runs) pages.push_back(PagesOfRun(run));
  return json{{"pages", std::move(pages)}};
}

}  // namespace holdfast::daemon
