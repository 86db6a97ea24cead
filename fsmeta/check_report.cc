// SPDX-License-Identifier: Apache-2.0
// Findings as text.
#include "fsmeta/check_report.h"

#include "absl/strings/strip.h"

namespace holdfast::fsmeta {

std::string Finding::Text() const {
  std::string text = structure;
  if (!location.empty()) absl::StrAppend(&text, " ", location);
  absl::StrAppend(&text, ": ", what);
  if (!found.empty() || !expected.empty()) {
    absl::StrAppend(&text, " is ", found, ", expected ", expected);
  }
  return text;
}

std::string ReasonOf(const daxcore::Error& error) {
  const std::string text = error.Text();
  return std::string(absl::StripSuffix(text, "; run fsck.holdfast"));
}

void CheckReport::Add(Finding finding) {
  if (finding.severity == Severity::kError) ++errors_;
  if (findings_.size() < kMaxFindings) {
    findings_.push_back(std::move(finding));
  } else {
    ++suppressed_;
  }
}

}  // namespace holdfast::fsmeta
