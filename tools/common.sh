# shellcheck shell=bash
# What the scripts of tools/ share: the project's root, packages, configuring and building. Sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034  # for the scripts that source this file
cores=$(nproc)

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# Runs a long command: its output goes to a log, and is shown only when it fails.
#   run_logged "What is done" LOG COMMAND...
run_logged() {
  local what=$1 log=$2 start=$SECONDS
  shift 2
  mkdir -p "$(dirname "$log")"
  printf '%s ... ' "$what"
  if "$@" >"$log" 2>&1 </dev/null; then
    say "done ($((SECONDS - start)) s)"
  else
    say "FAILED"
    tail -n 40 "$log" >&2
    die "$what failed; the whole log is $log"
  fi
}

# The packages of the given groups that are not installed.
missing_packages() {
  local group package command
  while read -r group package command; do
    [[ " $* " == *" $group "* ]] || continue
    [[ -z $command ]] || ! command -v "$command" >/dev/null || continue
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done < <(grep -v '^#' "$root/tools/packages.txt")
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

apt_install() {
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@")
  # The package lists may be missing or out of date: then they are fetched, and not otherwise.
  as_root "${install[@]}" && return
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update
  as_root "${install[@]}"
}

# install_packages GROUP...: installs what is missing of these groups, with apt.
install_packages() {
  local missing=()
  command -v dpkg-query >/dev/null ||
    die "this script installs Debian packages; elsewhere install the equivalents of tools/packages.txt and run meson (see README.md)"
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
    die "these packages are missing, and without root or sudo they cannot be installed: ${missing[*]}"
  fi
  run_logged "Installing ${#missing[@]} packages with apt" "$root/build-logs/apt.log" apt_install "${missing[@]}"
}

# configure DIR OPTION...: sets a build directory up, or brings an existing one to these options.
configure() {
  local dir=$1 stamp=$1/.ringway-options
  shift
  if [[ -f $dir/build.ninja && -f $stamp && $(<"$stamp") == "$*" ]]; then return; fi
  local reconfigure=()
  [[ -f $dir/build.ninja ]] && reconfigure=(--reconfigure)
  run_logged "Configuring $(basename "$dir")" "$root/build-logs/$(basename "$dir")-configure.log" \
    meson setup "${reconfigure[@]}" "$@" "$dir" "$root"
  printf '%s' "$*" >"$stamp"
}

# build DIR [TARGET...]: on a terminal ninja shows its progress, elsewhere the output goes to a log.
build() {
  local dir=$1
  shift
  if [[ -t 1 ]]; then
    ninja -C "$dir" "$@" || die "the build in $dir failed"
  else
    run_logged "Building $(basename "$dir")" "$root/build-logs/$(basename "$dir").log" ninja -C "$dir" "$@"
  fi
}

# What the programs alone need, as they are shipped.
# shellcheck disable=SC2034  # for the scripts that source this file
release_options=(-Dbuildtype=release -Dpkgconfig.relocatable=true -Dtests=false -Dbenchmarks=false -Dfuzzers=false)
