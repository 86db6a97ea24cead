// SPDX-License-Identifier: Apache-2.0
// Running checker or repair on a region and telling what was found and done.
#include "tools/fsck.h"

#include "absl/strings/str_cat.h"
#include "daxcore/region.h"
#include "fsmeta/checker.h"
#include "fsmeta/repairer.h"
#include "tools/json_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Region;
using fsmeta::CheckReport;
using fsmeta::CheckTotals;
using fsmeta::RepairOutcome;
using fsmeta::RepairReport;
using fsmeta::Severity;

constexpr char kName[] = "fsck.holdfast";

struct FsckOptions {
  std::string region;
  bool preen = false;   // -p: what loses nothing
  bool repair = false;  // -y: everything
  bool json = false;
  bool verbose = false;
};

Json TotalsAsJson(const CheckTotals& totals) {
  return {{"blocks", totals.blocks},
          {"used_blocks", totals.used_blocks},
          {"shared_blocks", totals.shared_blocks},
          {"quarantined_blocks", totals.quarantined_blocks},
          {"inodes", totals.inodes},
          {"files", totals.files},
          {"directories", totals.directories},
          {"symlinks", totals.symlinks},
          {"others", totals.others},
          {"orphans", totals.orphans},
          {"extents", totals.extents},
          {"live_records", totals.live_records}};
}

Json ReportAsJson(const FsckOptions& options, const CheckReport& report) {
  auto findings = Json::array();
  for (const auto& finding : report.findings()) {
    findings.push_back({{"severity", finding.severity == Severity::kError ? "error" : "note"},
                        {"structure", finding.structure},
                        {"location", finding.location},
                        {"what", finding.what},
                        {"expected", finding.expected},
                        {"found", finding.found},
                        {"text", finding.Text()}});
  }
  return {{"region", options.region},  {"clean", report.clean()},
          {"errors", report.errors()}, {"suppressed", report.suppressed()},
          {"findings", findings},      {"totals", TotalsAsJson(report.totals)}};
}

void PrintReport(const FsckOptions& options, const CheckReport& report, std::ostream& out) {
  for (const auto& finding : report.findings()) {
    out << (finding.severity == Severity::kNote ? "note: " : "") << finding.Text() << '\n';
  }
  if (report.suppressed() != 0) out << "... and " << report.suppressed() << " more findings\n";
  const CheckTotals& totals = report.totals;
  out << options.region << ": "
      << (report.clean() ? "clean" : absl::StrCat(report.errors(), " errors")) << ", "
      << totals.files << " files, " << totals.directories << " directories, " << totals.used_blocks
      << "/" << totals.blocks << " blocks\n";
  if (!options.verbose) return;
  out << totals.symlinks << " symlinks, " << totals.others << " devices, fifos and sockets, "
      << totals.orphans << " orphans, " << totals.extents << " extents, " << totals.shared_blocks
      << " shared blocks, " << totals.quarantined_blocks << " quarantined blocks, "
      << totals.live_records << " journal records to replay\n";
}

int Fail(const Streams& streams, const daxcore::Error& error) {
  Complain(streams, kName, error);
  return kFsckFailure;
}

int Check(const FsckOptions& options, const Streams& streams) {
  const auto region = Region::Open(options.region, {.read_only = true});
  if (!region) return Fail(streams, region.error());
  const auto report = fsmeta::CheckRegion(**region);
  if (!report) return Fail(streams, report.error());
  if (options.json) {
    PrintJson(streams.out, ReportAsJson(options, *report));
  } else {
    PrintReport(options, *report, streams.out);
  }
  return report->clean() ? kExitOk : kFsckErrorsLeft;
}

const char* NameOf(RepairOutcome outcome) {
  switch (outcome) {
    case RepairOutcome::kClean:
      return "clean";
    case RepairOutcome::kRepaired:
      return "repaired";
    case RepairOutcome::kRefused:
      break;
  }
  return "refused";
}

Json RepairAsJson(const FsckOptions& options, const RepairReport& report) {
  Json json = ReportAsJson(options, report.check);
  auto repairs = Json::array();
  for (const auto& action : report.log.actions()) {
    repairs.push_back({{"text", action.text}, {"loses", action.loses}});
  }
  json["outcome"] = NameOf(report.outcome);
  json["repairs"] = std::move(repairs);
  json["repairs_suppressed"] = report.log.suppressed();
  json["why"] = report.why;
  return json;
}

void PrintRepairs(const FsckOptions& options, const RepairReport& report, std::ostream& out) {
  const bool done = report.outcome == RepairOutcome::kRepaired;
  for (const auto& action : report.log.actions()) {
    out << (action.loses ? "lost: " : "") << action.text << (done ? "" : " (not done)") << '\n';
  }
  if (const uint64_t more = report.log.suppressed()) out << "... and " << more << " more\n";
  if (done) {
    out << options.region << ": repaired, " << report.log.count() << " changes, "
        << report.log.lost() << " of them lose something\n";
  }
}

int ExitOf(const RepairReport& report) {
  if (!report.check.clean()) return kFsckErrorsLeft;
  return report.outcome == RepairOutcome::kRepaired ? kFsckCorrected : kExitOk;
}

int Repair(const FsckOptions& options, const Streams& streams) {
  const auto region = Region::Open(options.region, {});
  if (!region) return Fail(streams, region.error());
  const auto report = fsmeta::RepairRegion(**region, {.may_lose = options.repair});
  if (!report) return Fail(streams, report.error());
  if (options.json) {
    PrintJson(streams.out, RepairAsJson(options, *report));
  } else {
    PrintRepairs(options, *report, streams.out);
    PrintReport(options, report->check, streams.out);
  }
  if (report->outcome == RepairOutcome::kRefused) {
    streams.err << kName << ": " << options.region << ": nothing was changed: " << report->why
                << '\n';
  }
  return ExitOf(*report);
}

}  // namespace

int FsckMain(const Arguments& arguments, const Streams& streams) {
  FsckOptions options;
  CLI::App app("Check or repair a Holdfast filesystem that is not mounted.", kName);
  app.footer("Exit codes: 0 clean, 1 repaired, 4 errors left, 8 not checked, 16 usage.");
  app.add_option("REGION", options.region, "device or file made by mkfs.holdfast")->required();
  bool ignored = false;
  auto* report = app.add_flag("-n", ignored, "only report (the default)");
  auto* preen = app.add_flag("-p,-a", options.preen, "repair if nothing is lost by it");
  preen->excludes(report);
  app.add_flag("-y", options.repair, "repair everything; what cannot be saved is named and dropped")
      ->excludes(report)
      ->excludes(preen);
  app.add_flag("-f", ignored, "check even if it seems clean (always done)");
  app.add_flag("-v,--verbose", options.verbose, "more counts");
  app.add_flag("--json", options.json, "one JSON object");
  // What fsck(8) passes on to its helpers.
  app.add_flag("-T,-M,-r", ignored, "accepted for fsck(8)");
  int progress_fd = 0;
  app.add_option("-C", progress_fd, "accepted for fsck(8)");
  if (const auto exit = Parse(app, arguments, streams)) return *exit == 0 ? 0 : kFsckUsage;
  return options.preen || options.repair ? Repair(options, streams) : Check(options, streams);
}

}  // namespace holdfast::tools
