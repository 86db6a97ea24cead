// SPDX-License-Identifier: Apache-2.0
// holdfast fail: media failures, made by hand on emulated regions, listed and cleared.
#include <fcntl.h>

#include <memory>
#include <string>

#include "tools/holdfast.h"
#include "tools/mount_file.h"
#include "tools/mount_query.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Result;

struct FailOptions {
  std::string mount;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool report = false;
  bool json = false;
};

Result<void> Control(const FailOptions& options, uint32_t what, const char* verb) {
  HOLDFAST_ASSIGN(const MountFile file, MountFile::Open(options.mount, O_RDONLY | O_NONBLOCK));
  holdfast_fail wish{
      .size = sizeof(wish), .what = what, .offset = options.offset, .length = options.length};
  return file.Control(HOLDFAST_IOC_FAIL, &wish, verb);
}

Result<void> Inject(const FailOptions& options, std::ostream&) {
  HOLDFAST_TRY(Control(options, HOLDFAST_FAIL_INJECT, "inject a failure into"));
  if (!options.report) return {};
  return Control(options, HOLDFAST_FAIL_REPORT, "report a failure to");
}

Result<void> Clear(const FailOptions& options, std::ostream&) {
  return Control(options, HOLDFAST_FAIL_CLEAR, "clear a failure of");
}

Result<void> Remove(const FailOptions& options, std::ostream&) {
  return Control(options, HOLDFAST_FAIL_REMOVE, "announce the removal of the region of");
}

Result<void> List(const FailOptions& options, std::ostream& out) {
  holdfast_query question{};
  question.what = HOLDFAST_QUERY_FAILURES;
  HOLDFAST_ASSIGN(const Json failures, AskMount(options.mount, question));
  Print(out, failures, options.json);
  return {};
}

// One subcommand of `fail`.
class Subcommand {
 public:
  using Work = Result<void> (*)(const FailOptions& options, std::ostream& out);

  Subcommand(CLI::App& parent, const char* name, const char* description, Work work, Action& chosen)
      : options_(std::make_shared<FailOptions>()), app_(*parent.add_subcommand(name, description)) {
    app_.add_option("MNT", options_->mount, "a directory or file of the mount")->required();
    app_.callback([options = options_, work, &chosen] {
      chosen = [options, work](std::ostream& out) { return work(*options, out); };
    });
  }
  Subcommand& WithRange() {
    AddSize(app_, "--offset", options_->offset, "first byte, in the region")->required();
    AddSize(app_, "--length", options_->length, "bytes; whole blocks of 4 KiB fail")->required();
    return *this;
  }
  void WithReport() {
    app_.add_flag("--report", options_->report,
                  "tell all owners at once, not when somebody touches it");
  }
  void WithJson() { app_.add_flag("--json", options_->json, "one JSON object"); }

 private:
  std::shared_ptr<FailOptions> options_;
  CLI::App& app_;
};

}  // namespace

void AddFailCommand(CLI::App& app, Action& chosen) {
  CLI::App* fail = app.add_subcommand("fail", "media failures of a mounted region (root)");
  fail->require_subcommand(1);
  Subcommand(*fail, "inject", "make bytes of an emulated region fail as bad memory does", Inject,
             chosen)
      .WithRange()
      .WithReport();
  Subcommand(*fail, "clear", "make failed bytes good again; real memory loses what it held", Clear,
             chosen)
      .WithRange();
  Subcommand(*fail, "list", "show the bytes that are known to have failed", List, chosen)
      .WithJson();
  Subcommand(*fail, "remove", "announce that the region goes away: the filesystem shuts down",
             Remove, chosen);
}

}  // namespace holdfast::tools
