#!/usr/bin/env bash
# Installs what building and testing need beyond the .NET 10 SDK, which has to be there already.
# Asks for each thing first, so it is quiet and harmless where everything is present; needs root (or sudo) only to install.
set -euo pipefail

if ! command -v dotnet >/dev/null; then
  echo "install-deps: the .NET 10 SDK is required: put 'dotnet' on the PATH first." >&2
  exit 1
fi
if ! dotnet --list-sdks | grep -q '^10\.'; then
  echo "install-deps: 'dotnet' has no SDK 10.x (found: $(dotnet --list-sdks | cut -d' ' -f1 | tr '\n' ' ')). Install the .NET 10 SDK." >&2
  exit 1
fi

missing=()
need_command() { command -v "$1" >/dev/null || missing+=("$2"); }
need_file() { [ -e "$1" ] || missing+=("$2"); }

need_command gcc gcc                            # links the native executable, compiles SQLite
need_file /usr/include/stdio.h libc6-dev
need_file /usr/include/zlib.h zlib1g-dev        # NativeAOT links against it
need_command npm npm                            # fetches the SQLite source package
need_command sqlite3 sqlite3                    # "an ordinary application" in tests and in the demonstration
need_command strace strace                      # tests of the order of file syncs and renames

[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-deps: missing ${missing[*]}; run this script as root, or install them by hand." >&2
    exit 1
  fi
  as_root=(sudo)
fi
if ! command -v apt-get >/dev/null; then
  echo "install-deps: this machine has no apt-get; install what these Debian packages hold: ${missing[*]}" >&2
  exit 1
fi

echo "install-deps: installing ${missing[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
