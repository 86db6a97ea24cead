// SPDX-License-Identifier: Apache-2.0
// holdfast pages: the page descriptors of a file.
#include <array>
#include <iomanip>
#include <memory>
#include <string>

#include "tools/holdfast.h"
#include "tools/json_text.h"
#include "tools/mount_query.h"
#include "tools/size_text.h"

namespace holdfast::tools {
namespace {

using daxcore::Result;

struct PagesOptions {
  std::string file;
  uint64_t offset = 0;
  uint64_t length = 0;
  bool json = false;
};

struct Column {
  const char* title;
  const char* key;
  int width;
};
constexpr std::array kColumns = {
    Column{"file offset", "file_offset", 14},
    Column{"length", "length", 12},
    Column{"pfn", "pfn", 12},
    Column{"state", "state", 8},
    Column{"inode", "inode", 10},
    Column{"index", "index", 10},
    Column{"share", "share", 7},
    Column{"references", "references", 12},
    Column{"pins", "pins", 6},
    Column{"order", "order_bytes", 12},
};

std::string Cell(const Json& page, const char* key) {
  const auto found = page.find(key);
  if (found == page.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

void PrintTable(std::ostream& out, const Json& answer) {
  for (const Column& column : kColumns) out << std::setw(column.width) << column.title;
  out << '\n';
  for (const Json& page : answer.value("pages", Json::array())) {
    for (const Column& column : kColumns) out << std::setw(column.width) << Cell(page, column.key);
    out << '\n';
  }
}

Result<void> ShowPages(const PagesOptions& options, std::ostream& out) {
  holdfast_query question{};
  question.what = HOLDFAST_QUERY_PAGES;
  question.offset = options.offset;
  question.length = options.length;
  HOLDFAST_ASSIGN(const Json pages, AskMount(options.file, question));
  options.json ? PrintJson(out, pages) : PrintTable(out, pages);
  return {};
}

}  // namespace

void AddPagesCommand(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<PagesOptions>();
  CLI::App* sub = app.add_subcommand("pages", "show the page descriptors of a file");
  sub->add_option("FILE", options->file, "a file of a Holdfast mount")->required();
  AddSize(*sub, "--offset", options->offset, "first byte to show");
  AddSize(*sub, "--length", options->length, "bytes to show; default: to the end");
  sub->add_flag("--json", options->json, "one JSON object");
  sub->footer(
      "Only what somebody leased, mapped or pinned since the mount has descriptors in use.");
  sub->callback([options, &chosen] {
    chosen = [options](std::ostream& out) { return ShowPages(*options, out); };
  });
}

}  // namespace holdfast::tools
