#!/usr/bin/env bash
# Builds the native executable: artifacts/publish/litestream, one file.
# Trim and AOT warnings are errors (TreatWarningsAsErrors), so what is published is what the analyzers accept.
set -euo pipefail
cd "$(dirname "$0")/.."

runtime=linux-x64
out=artifacts/publish
log=artifacts/publish.log
mkdir -p "$out"

# gcc links as well as clang does and is on more machines.
linker=gcc
command -v gcc >/dev/null || linker=clang

if ! dotnet publish src/Litestream.Cli/Litestream.Cli.csproj -c Release -r "$runtime" \
    -p:CppCompilerAndLinker="$linker" -o "$out" -v m -nologo >"$log" 2>&1; then
  cat "$log" >&2
  echo "publish: failed" >&2
  exit 1
fi
# A warning that some setting keeps from being an error still must not ship.
if grep -E 'warning (IL|NETSDK|CS|CA)[0-9]+' "$log"; then
  echo "publish: warnings, see $log" >&2
  exit 1
fi

size=$(stat -c %s "$out/litestream")
echo "publish: $out/litestream, $(awk -v b="$size" 'BEGIN { printf "%.1f MB", b / 1000000 }')"
