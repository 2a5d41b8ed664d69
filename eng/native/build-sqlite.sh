#!/bin/bash
# Builds the SQLite that Litestream links: a static library for the native executable, a shared one for JIT runs.
#
#   eng/native/build-sqlite.sh [output directory]        default: artifacts/native/linux-x64
#
# Needs: gcc (or $CC), ar, npm, tar, sha256sum, flock. The source is the amalgamation inside the npm package
# better-sqlite3, pinned by version and by hash. Does nothing when the libraries are up to date, keeps finished
# builds per set of inputs in ${XDG_CACHE_HOME:-~/.cache}/litestream/native, and may run many times at once.
set -euo pipefail

package=better-sqlite3@12.11.1                 # carries SQLite 3.53.2; replication §17 needs >= 3.51.3
source_sha256=60d2f39a3726cd6b9021da6f4e868608d66fbb6528a9f513dc8ffcc640493422

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
shim=$root/src/Litestream.Sqlite/Native/litestream_sqlite3.c
output=${1:-$root/artifacts/native/linux-x64}
compiler=${CC:-gcc}

options=(
  # What capture is built on (replication §8.7): the exact position of a read lock, and pages as of that position.
  -DSQLITE_ENABLE_SNAPSHOT
  -DSQLITE_ENABLE_DBPAGE_VTAB
  # An idle database must cost next to nothing: no preallocated cache pages, no lookaside (design §5).
  -DSQLITE_DEFAULT_PCACHE_INITSZ=0
  -DSQLITE_DEFAULT_LOOKASIDE=0,0
  -DSQLITE_DEFAULT_MEMSTATUS=0
  # A connection has one owner at a time, so SQLite needs no mutex per connection.
  -DSQLITE_THREADSAFE=2
  # File names are plain names, never URIs (trap B13), and nothing is loaded into this process.
  -DSQLITE_USE_URI=0
  -DSQLITE_OMIT_LOAD_EXTENSION
  -DSQLITE_OMIT_SHARED_CACHE
  -DSQLITE_OMIT_DEPRECATED
  -DSQLITE_DQS=0
  # integrity_check on a restored database must understand whatever its application put into the schema.
  -DSQLITE_ENABLE_FTS3 -DSQLITE_ENABLE_FTS3_PARENTHESIS -DSQLITE_ENABLE_FTS4 -DSQLITE_ENABLE_FTS5
  -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_GEOPOLY
  -DSQLITE_ENABLE_STAT4 -DSQLITE_ENABLE_DBSTAT_VTAB
  -DSQLITE_ENABLE_MATH_FUNCTIONS -DSQLITE_ENABLE_PERCENTILE -DSQLITE_SOUNDEX
  # The busy handler sleeps in milliseconds, not seconds; one system call per page read; clean time functions.
  -DHAVE_USLEEP=1 -DUSE_PREAD64=1 -DHAVE_FDATASYNC=1
  -DHAVE_LOCALTIME_R=1 -DHAVE_GMTIME_R=1 -DHAVE_STRCHRNUL=1 -DHAVE_MALLOC_USABLE_SIZE=1
)
flags=(-O2 -g0 -fPIC -fvisibility=hidden -DNDEBUG -D_GNU_SOURCE -pthread)

stamp=$({ printf '%s\n' "$source_sha256" "${options[@]}" "${flags[@]}"; "$compiler" --version; uname -m; cat "$shim"; } | sha256sum | cut -c1-32)
up_to_date() { [ -f "$1/stamp" ] && [ "$(cat "$1/stamp")" = "$stamp" ] && [ -f "$1/liblitestream_sqlite3.a" ] && [ -f "$1/liblitestream_sqlite3.so" ]; }

mkdir -p "$output"
exec 9>"$output/.lock"
flock 9                                        # MSBuild builds several projects at the same time
if up_to_date "$output"; then exit 0; fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/litestream/native/$stamp
mkdir -p "$cache"
exec 8>"$cache/.lock"
flock 8                                        # and several checkouts may share the cache
if ! up_to_date "$cache"; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  echo "building SQLite from $package"
  (cd "$work" && npm pack --silent "$package" >/dev/null && tar -xzf ./*.tgz --strip-components=3 \
      package/deps/sqlite3/sqlite3.c package/deps/sqlite3/sqlite3.h)
  if ! echo "$source_sha256  $work/sqlite3.c" | sha256sum --check --status; then
    echo "error: sqlite3.c of $package does not have the pinned SHA-256 $source_sha256; refusing to build it" >&2
    exit 1
  fi
  "$compiler" "${flags[@]}" "${options[@]}" -I"$work" -c "$shim" -o "$work/litestream_sqlite3.o"
  ar rcsD "$work/liblitestream_sqlite3.a" "$work/litestream_sqlite3.o"
  "$compiler" -shared -pthread -o "$work/liblitestream_sqlite3.so" "$work/litestream_sqlite3.o" -Wl,-soname,liblitestream_sqlite3.so -Wl,-z,now -lm
  cp "$work"/liblitestream_sqlite3.{a,so} "$cache/"
  echo "$stamp" >"$cache/stamp"                # last, so that an interrupted build is never taken for a finished one
fi

rm -f "$output/stamp"
for library in liblitestream_sqlite3.a liblitestream_sqlite3.so; do
  cp "$cache/$library" "$output/$library.new"  # a new inode: running processes keep the library they have mapped
  mv "$output/$library.new" "$output/$library"
done
cp "$cache/stamp" "$output/stamp"
