#!/bin/bash
# Builds an application's outdated SQLite for tests: 3.40.0, which has the WAL-reset bug (replication §17), with random pauses at the
# two places where a checkpointer must stop for the bug to strike. Never part of the product.
#
#   eng/native/build-slow-sqlite.sh [output directory]      default: artifacts/native/slow; makes libe_sqlite3.so
set -euo pipefail

package=better-sqlite3@8.0.1                   # carries SQLite 3.40.0
source_sha256=d2d9baf689e59fd9f73844138a1a52fca8707327f75ef7feb0e8b00793d302a8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
output=${1:-$root/artifacts/native/slow}
stamp=$({ echo "$source_sha256"; cat "${BASH_SOURCE[0]}"; "${CC:-gcc}" --version; } | sha256sum | cut -c1-32)

mkdir -p "$output"
exec 9>"$output/.lock"
flock 9
if [ -f "$output/libe_sqlite3.so" ] && [ "$(cat "$output/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz --strip-components=3 \
    package/deps/sqlite3/sqlite3.c package/deps/sqlite3/sqlite3.h)
echo "$source_sha256  $work/sqlite3.c" | sha256sum --check --status || { echo "error: unexpected source in $package" >&2; exit 1; }

# Up to 10 ms, in every fourth checkpoint: before it looks at the backfill count, and before it takes read slot 0.
awk '
  /^static int walCheckpoint\($/ { inside = 1 }
  inside && /^  if\( pInfo->nBackfill<pWal->hdr\.mxFrame \)\{$/ { print "  litestream_test_pause();"; count++ }
  inside && /^    if\( pIter$/ { print "    litestream_test_pause();"; count++ }
  inside && /^}$/ { inside = 0 }
  { print }
  END { if (count != 2) { print "the places for the pauses were not found" > "/dev/stderr"; exit 1 } }
' "$work/sqlite3.c" >"$work/patched.c"
cat >"$work/slow.c" <<'C'
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
static void litestream_test_pause(void){
  static unsigned seed;
  if( seed==0 ) seed = (unsigned)getpid() ^ (unsigned)time(0);
  if( rand_r(&seed) % 4 == 0 ) usleep(rand_r(&seed) % 10000);
}
#include "patched.c"
C
"${CC:-gcc}" -O1 -fPIC -shared -pthread -I"$work" -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_OMIT_LOAD_EXTENSION -DHAVE_USLEEP=1 -D_GNU_SOURCE \
  -o "$work/libe_sqlite3.so" "$work/slow.c" -lm
mv "$work/libe_sqlite3.so" "$output/libe_sqlite3.so"
echo "$stamp" >"$output/stamp"
