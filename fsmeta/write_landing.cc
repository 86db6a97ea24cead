// SPDX-License-Identifier: Apache-2.0
// Extents first, bytes second: how each piece of a write plan is carried out.
#include "fsmeta/write_landing.h"

#include <algorithm>

namespace holdfast::fsmeta {
namespace {

// Completes bytes [part.offset, part.end) of the file, which lie in a landing's edge block and are
// not written themselves.
Result<void> CompleteEdge(const DataStore& store, const Landing& landing, ByteSpan part,
                          uint64_t old_size, bool before_data) {
  if (part.offset >= part.end) return {};
  const uint64_t start = ByteOffset(landing.place.start);
  const uint64_t to = ByteOffset(landing.place.run.start) + (part.offset - start);
  // Bytes of the old contents; from there on the file had none.
  const uint64_t kept = std::clamp(old_size, part.offset, part.end) - part.offset;
  const uint64_t fresh = part.length() - kept;
  switch (landing.way) {
    case WriteWay::kConvert:
    case WriteWay::kFill:
      return store.Zero(to, part.length());
    case WriteWay::kReplace:
      HOLDFAST_TRY(store.CopyWithin(to, ByteOffset(landing.old) + (part.offset - start), kept));
      return store.Zero(to + kept, fresh);
    case WriteWay::kInPlace:
      // What follows the data lies past the end of the file, or is kept.
      return before_data ? store.Zero(to + kept, fresh) : Result<void>();
  }
  return {};
}

Result<FileBlock> LandPiece(FileEdit& edit, const WritePiece& piece, Landings* landings) {
  const FileRange range = piece.range;
  switch (piece.way) {
    case WriteWay::kInPlace:
    case WriteWay::kConvert:
      if (piece.way == WriteWay::kConvert) HOLDFAST_TRY(edit.SetWritten(range));
      landings->push_back({{range.start, {piece.old, range.length()}}, piece.way, Pfn(0)});
      return range.end;
    case WriteWay::kFill:
    case WriteWay::kReplace:
      break;
  }
  const bool fill = piece.way == WriteWay::kFill;
  HOLDFAST_ASSIGN(const std::vector<PlacedRun> placed,
                  fill ? edit.Fill(range, 0, FileEdit::Need::kWhatFits)
                       : edit.Replace(range, FileEdit::Need::kWhatFits));
  FileBlock reached = range.start;
  for (const PlacedRun& place : placed) {
    const Pfn old = fill ? Pfn(0) : piece.old + (place.start - range.start);
    landings->push_back({place, piece.way, old});
    reached = place.end();
  }
  return reached;
}

// The bytes of a landing, edges included.
Result<void> StoreLanding(const DataStore& store, const Landing& landing, const WriteData& data,
                          uint64_t end) {
  const ByteSpan place{ByteOffset(landing.place.start), ByteOffset(landing.place.end())};
  const ByteSpan part{std::max(place.offset, data.span.offset), std::min(place.end, end)};
  HOLDFAST_TRY(CompleteEdge(store, landing, {place.offset, part.offset}, data.old_size,
                            /*before_data=*/true));
  HOLDFAST_TRY(store.CopyIn(ByteOffset(landing.place.run.start) + (part.offset - place.offset),
                            data.pieces, part.offset - data.span.offset, part.length()));
  return CompleteEdge(store, landing, {part.end, place.end}, data.old_size,
                      /*before_data=*/false);
}

}  // namespace

Result<FileBlock> Land(FileEdit& edit, const WritePlan& plan, FileBlock until, Landings* landings) {
  FileBlock reached = plan.front().range.start;
  for (WritePiece piece : plan) {
    if (piece.range.start >= until) break;
    piece.range.end = std::min(piece.range.end, until);
    HOLDFAST_ASSIGN(reached, LandPiece(edit, piece, landings));
    if (reached < piece.range.end) break;
  }
  return reached;
}

Result<void> FillLanding(const DataStore& store, const Landing& landing, const WriteData& data,
                         uint64_t end) {
  const auto fill = [&] { return StoreLanding(store, landing, data, end); };
  // In place, what is not written stays, so bad memory under that stays bad.
  if (landing.way == WriteWay::kInPlace) return fill();
  return store.Overwrite(landing.place.run, fill);
}

}  // namespace holdfast::fsmeta
