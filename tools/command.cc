// SPDX-License-Identifier: Apache-2.0
// Parsing and complaining.
#include "tools/command.h"

#include <algorithm>

namespace holdfast::tools {

std::optional<int> Parse(CLI::App& app, Arguments arguments, const Streams& streams) {
  app.set_version_flag("--version", app.get_name() + " " + HOLDFAST_VERSION);
  std::ranges::reverse(arguments);  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    // Of the subcommand that was asked, if one was.
    const auto chosen = app.get_subcommands();
    streams.out << (chosen.empty() ? app.help() : chosen.front()->help(app.get_name()));
    return kExitOk;
  } catch (const CLI::CallForAllHelp&) {
    streams.out << app.help("", CLI::AppFormatMode::All);
    return kExitOk;
  } catch (const CLI::CallForVersion& version) {
    streams.out << version.what() << '\n';
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    const auto unknown = app.remaining();
    std::string text = unknown.empty() ? error.what() : "there is no '" + unknown.front() + "'";
    std::ranges::replace(text, '\n', ' ');
    streams.err << app.get_name() << ": " << text << "; try --help\n";
    return kExitUsage;
  }
}

int Complain(const Streams& streams, std::string_view name, const daxcore::Error& error) {
  streams.err << name << ": " << error.Text() << '\n';
  return kExitFailure;
}

int Finish(const Streams& streams, std::string_view name, const daxcore::Result<void>& result) {
  return result ? kExitOk : Complain(streams, name, result.error());
}

Arguments ArgumentsOf(int argc, char** argv) {
  return argc > 0 ? Arguments(argv + 1, argv + argc) : Arguments();
}

}  // namespace holdfast::tools
