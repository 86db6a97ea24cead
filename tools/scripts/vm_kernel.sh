# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/vm: fetches Debian kernel packages through the package manager into a cache. They
# are unpacked there and never installed; the machine's package configuration is only read.

# private_sources SUITE: writes the source list of one suite of the machine's own mirror.
private_sources() {
  mkdir -p "$vm_cache/apt/lists/partial" "$vm_cache/apt/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
    "$(debian_mirror)" "$1" >"$vm_cache/apt/sources.list"
}

kernel_apt() {
  local tool=$1
  shift
  "$tool" -q -o Dir::Etc::SourceList="$vm_cache/apt/sources.list" \
    -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$vm_cache/apt/lists" \
    -o Dir::Cache="$vm_cache/apt" -o APT::Sandbox::User=root -o Acquire::Retries=3 \
    -o APT::Update::Error-Mode=any "$@"
}

# kernel_suite NAME: the suite that has it; "backport" is the newest one for this release.
kernel_suite() {
  local codename
  codename=$(release_codename)
  [[ $1 == backport ]] && echo "$codename-backports" || echo "$codename"
}

# newest_kernel_package: the package that linux-image-amd64 stands for in the current source list.
newest_kernel_package() {
  kernel_apt apt-cache show linux-image-amd64 2>/dev/null | sed -n 's/^Depends: \([^ ,]*\).*/\1/p' |
    sort -V | tail -n 1
}

# fetch_kernel NAME: unpacks the newest kernel of NAME's suite and prints its folder. NAME:
# distribution, backport, or the exact version of a package linux-image-VERSION.
fetch_kernel() {
  local name=$1 package folder
  folder=$vm_cache/kernels/$name
  if [[ ! -e $folder/ready ]]; then
    private_sources "$(kernel_suite "$name")"
    run_logged "$vm_cache/apt.log" kernel_apt apt-get update ||
      die "no kernel: the list of $(kernel_suite "$name") cannot be fetched (see above)"
    case $name in
      distribution | backport) package=$(newest_kernel_package) ;;
      *) package=linux-image-$name ;;
    esac
    [[ -n $package ]] || die "no kernel: $(kernel_suite "$name") has no linux-image-amd64"
    rm -rf "$folder"
    mkdir -p "$folder"
    say "fetching $package" >&2
    (cd "$folder" && run_logged "$vm_cache/apt.log" kernel_apt apt-get download "$package") ||
      die "no kernel: $package cannot be fetched (see above)"
    dpkg-deb -x "$folder"/*.deb "$folder"
    rm "$folder"/*.deb
    # Debian's newer packages keep their modules below usr.
    [[ -d $folder/lib/modules ]] || ln -s usr/lib "$folder/lib"
    depmod -b "$folder" "$(kernel_release "$folder")"
    touch "$folder/ready"
  fi
  echo "$folder"
}

# kernel_release FOLDER: what `uname -r` will say.
kernel_release() { basename "$(echo "$1"/lib/modules/*)"; }
