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

# Real storage servers for the tests of the backends.
need_command radosgw radosgw                    # S3: the gateway of Ceph, with one monitor and one object store
need_command ceph-mon ceph-mon
need_command ceph-osd ceph-osd
need_command ceph ceph-common
need_command swift-proxy-server "swift swift-proxy swift-account swift-container swift-object"   # S3: a strict look-alike
need_command memcached memcached
need_file /usr/sbin/sshd "openssh-server openssh-sftp-server"
need_command ssh-agent openssh-client
need_file /usr/sbin/nats-server nats-server
need_file /usr/sbin/apache2 "apache2 apache2-utils"   # WebDAV
need_file /usr/sbin/nginx nginx-light                 # WebDAV: a second server
need_file /usr/lib/nginx/modules/ngx_http_dav_ext_module.so libnginx-mod-http-dav-ext
need_command openssl openssl                    # throwaway certificates
need_command curl curl
need_command python3 python3
need_command setpriv util-linux

# Azure: an emulator from npm, into the folder where the server's script looks for it.
install_emulator() {
  local tools=${TEST_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/litestream-test-tools}
  [ -x "$tools/node_modules/.bin/azurite-blob" ] && return 0
  echo "install-deps: installing the Azure emulator"
  mkdir -p "$tools"
  npm install --prefix "$tools" --no-audit --no-fund --no-save --silent azurite@3.35.0 >/dev/null
}

if [ ${#missing[@]} -eq 0 ]; then
  install_emulator
  exit 0
fi

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
# A server that a package brings is for the tests to start, on a port of their own; it must not start by itself.
policy=/usr/sbin/policy-rc.d
[ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null && "${as_root[@]}" chmod 755 "$policy"; made_policy=1; }
# shellcheck disable=SC2086 # Some entries name several packages.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${missing[*]} >/dev/null
[ -z "${made_policy:-}" ] || "${as_root[@]}" rm -f "$policy"
install_emulator
