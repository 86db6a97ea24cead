# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/setup: builds a newer libfuse than the distribution's from the distribution's own
# source package of a later suite, into a private prefix, with the examples that bench measures
# against. The machine's package configuration is only read: apt works on a source list of its own
# in a scratch folder.

libfuse_wanted=3.18 # the first with FUSE-over-io_uring
libfuse_recipe=1    # raise to have installed private libfuses built again

version_at_least() { dpkg --compare-versions "$1" ge "$2"; }

release_codename() { (. /etc/os-release && echo "${VERSION_CODENAME:-sid}"); }

# debian_mirror: prints the URI that this machine takes its main archive from, as apt itself
# understands its sources, whichever of the two file formats they are in.
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
    awk -v codename="$(release_codename)" \
      '$2 == codename || $2 ~ /^(stable|testing|unstable|sid)$/ { print $1; exit }'
}

# private_apt COMMAND...: an apt that knows one source and puts its lists into the scratch folder.
private_apt() {
  local tool=$1
  shift
  "$tool" -q -o Dir::Etc::SourceList="$work/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" \
    -o APT::Update::Error-Mode=any -o Acquire::Retries=2 -o Acquire::http::Timeout=20 "$@"
}

# use_suite MIRROR SUITE: prints the version of fuse3's source in that suite, if it can be reached.
use_suite() {
  printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
    "$1" "$2" >"$work/apt/sources.list"
  if ! private_apt apt-get update >"$work/suite.log" 2>&1; then
    say "suite $2 is of no use: $(grep -m1 '^E:' "$work/suite.log" || echo no answer)" >&2
    return 1
  fi
  private_apt apt-cache showsrc --only-source fuse3 2>/dev/null | sed -n 's/^Version: //p' |
    sort -V | tail -n 1
}

# choose_suite MIRROR: prints "SUITE VERSION" of the newest libfuse that can be had.
choose_suite() {
  local suite version best=0 chosen=
  for suite in ${HOLDFAST_LIBFUSE_SUITES:-sid testing trixie $(release_codename)}; do
    version=$(use_suite "$1" "$suite") && [[ -n $version ]] || continue
    if ! version_at_least "$best" "$version"; then
      best=$version chosen=$suite
    fi
    ! version_at_least "$best" "$libfuse_wanted" || break
  done
  [[ -z $chosen ]] || echo "$chosen $best"
}

# download_source MIRROR SUITE VERSION: into $work/source, checked against the archive's signature.
download_source() {
  use_suite "$1" "$2" >/dev/null || return 1
  mkdir -p "$work/source"
  # apt fetches as its own user, who must be able to write here.
  ! id _apt >/dev/null 2>&1 || [[ $EUID -ne 0 ]] || chown _apt "$work/source"
  (cd "$work/source" && private_apt apt-get source --download-only "fuse3=$3")
}

# build_libfuse PREFIX: from $work/source.
build_libfuse() {
  local prefix=$1 tree="$work/libfuse" program
  # No helper programs: a fusermount3 without setuid would hide the distribution's.
  local options=(-Dutils=false -Duseroot=false -Dtests=false -Dexamples=true)
  dpkg-source -x "$work"/source/*.dsc "$tree" || return 1
  if grep -q enable-io-uring "$tree/meson_options.txt"; then
    # Custom I/O lets tests drive the daemon over a socket pair; it is inert otherwise.
    options+=(-Denable-io-uring=true -Denable-custom-io=true)
  fi
  meson setup "$tree/build" "$tree" --prefix="$prefix" --libdir=lib --buildtype=release \
    --wrap-mode=nodownload "${options[@]}" || return 1
  ninja -C "$tree/build" && ninja -C "$tree/build" install || return 1
  # The examples look for the library in ../lib, which is right in the prefix too.
  for program in passthrough_hp passthrough_ll null; do
    install -D -m 755 -t "$prefix/libexec" "$tree/build/example/$program" || return 1
  done
}

# ensure_libfuse PREFIX: never fails for want of a newer libfuse; it says so and goes on.
ensure_libfuse() {
  local prefix=$1 stamp="$1/libfuse.stamp" have mirror suite version
  [[ "$(cut -d' ' -f1 "$stamp" 2>/dev/null)" != "$libfuse_recipe" ]] || return 0
  have="the distribution's libfuse $(pkg-config --modversion fuse3)"
  if ! mkdir -p "$prefix" 2>/dev/null || [[ ! -w $prefix ]]; then
    say "using $have: a newer one would go to $prefix, which only root can write"
    return 0
  fi
  say "looking for a newer libfuse than $have in later suites"
  mirror=$(debian_mirror)
  read -r suite version < <(choose_suite "$mirror") || true
  if [[ -z $version ]] || ! run_logged "$work/source.log" download_source "$mirror" "$suite" "$version"; then
    say "using $have, without FUSE-over-io_uring: no source package of a later suite can be reached"
    return 0
  fi
  ensure_packages dpkg-dev meson liburing-dev libnuma-dev
  say "building libfuse $version of Debian's $suite into $prefix"
  if ! run_logged "$work/libfuse.log" build_libfuse "$prefix"; then
    say "using $have, without FUSE-over-io_uring: libfuse $version does not build here (see above)"
    return 0
  fi
  echo "$libfuse_recipe $version" >"$stamp"
  version_at_least "$version" "$libfuse_wanted" ||
    say "no libfuse $libfuse_wanted can be reached: $version goes without FUSE-over-io_uring" \
      "(remove $stamp to look again)"
}
