// SPDX-License-Identifier: Apache-2.0
// Running the checker on a region and telling what it found.
#include "tools/fsck.h"

#include "absl/strings/str_cat.h"
#include "daxcore/region.h"
#include "fsmeta/checker.h"
#include "tools/json_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Region;
using fsmeta::CheckReport;
using fsmeta::CheckTotals;
using fsmeta::Severity;

constexpr char kName[] = "fsck.holdfast";

struct FsckOptions {
  std::string region;
  bool repair = false;
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

int Check(const FsckOptions& options, const Streams& streams) {
  const auto fail = [&](const daxcore::Error& error) {
    Complain(streams, kName, error);
    return kFsckFailure;
  };
  const auto region = Region::Open(options.region, {.read_only = true});
  if (!region) return fail(region.error());
  const auto report = fsmeta::CheckRegion(**region);
  if (!report) return fail(report.error());
  if (options.json) {
    PrintJson(streams.out, ReportAsJson(options, *report));
  } else {
    PrintReport(options, *report, streams.out);
  }
  if (report->clean()) return kExitOk;
  if (options.repair) {
    streams.err << kName << ": " << options.region
                << ": this version cannot repair; nothing was changed\n";
  }
  return kFsckErrorsLeft;
}

}  // namespace

int FsckMain(const Arguments& arguments, const Streams& streams) {
  FsckOptions options;
  CLI::App app("Check a Holdfast filesystem that is not mounted.", kName);
  app.footer("Exit codes: 0 clean, 4 errors found, 8 not checked, 16 usage.");
  app.add_option("REGION", options.region, "device or file made by mkfs.holdfast")->required();
  bool ignored = false;
  auto* report = app.add_flag("-n", ignored, "only report (what this version always does)");
  app.add_flag("-p,-a,-y", options.repair, "as fsck(8) asks for repair: says if it was needed")
      ->excludes(report);
  app.add_flag("-f", ignored, "check even if it seems clean (always done)");
  app.add_flag("-v,--verbose", options.verbose, "more counts");
  app.add_flag("--json", options.json, "one JSON object");
  // What fsck(8) passes on to its helpers.
  app.add_flag("-T,-M,-r", ignored, "accepted for fsck(8)");
  int progress_fd = 0;
  app.add_option("-C", progress_fd, "accepted for fsck(8)");
  if (const auto exit = Parse(app, arguments, streams)) return *exit == 0 ? 0 : kFsckUsage;
  return Check(options, streams);
}

}  // namespace holdfast::tools
