#!/usr/bin/env bash
# The main job on a built-in example: an ordinary SQLite application writes, litestream replicates every commit to a directory,
# the machine "dies", and the database comes back. Builds and publishes first.
#   eng/demo.sh            about half a minute after the build
# Exit code 0 only if the comparison at the end found everything that had to be there, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

eng/install-deps.sh
echo "Building the native executable ..."
eng/publish.sh

litestream=$PWD/artifacts/publish/litestream
demo=$PWD/artifacts/demo
sync_interval_ms=1000          # the default: under steady writing at most this much is on its way
daemon='' app=''

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
say() { printf '\n%s\n' "$*"; }
fail() { printf '\nDEMO FAILED: %s\n' "$*" >&2; [ -f "$demo/daemon.log" ] && tail -20 "$demo/daemon.log" >&2; exit 1; }

# pause SECONDS: without a process, so that the writer's rate does not depend on how fast the machine forks.
exec {idle}<> <(:)
pause() { read -r -t "$1" -u "$idle" || true; }

cleanup() {
  [ -n "$daemon" ] && kill -9 "$daemon" 2>/dev/null
  [ -n "$app" ] && kill -9 "$app" 2>/dev/null
  wait 2>/dev/null
  return 0
}
trap cleanup EXIT

# --- the pieces -----------------------------------------------------------------------------------------------------------

start_application() { # the sqlite3 shell, as any program would use SQLite; commands arrive through a pipe, one line per commit
  mkfifo "$demo/commands"
  stdbuf -oL sqlite3 -batch "$demo/machine/app.db" <"$demo/commands" >"$demo/acknowledged.txt" 2>"$demo/application.log" &
  app=$!
  exec {commands}>"$demo/commands"
  # Line by line: the schema, then one line of output per acknowledged commit: id, contents, milliseconds.
  printf '%s\n' '.output /dev/null' 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;' '.output stdout' \
    'CREATE TABLE IF NOT EXISTS orders(id INTEGER PRIMARY KEY, item TEXT NOT NULL);' >&"$commands"
}

commit() { # one transaction; the row after it is printed only when COMMIT has returned
  printf "INSERT INTO orders(item) VALUES('item %s of the demonstration');\n" "$1" >&"$commands"
  printf "SELECT id, item, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) FROM orders WHERE id = last_insert_rowid();\n" >&"$commands"
}

stop_commands() { exec {commands}>&-; rm -f "$demo/commands"; }

start_daemon() {
  "$litestream" replicate "$demo/machine/app.db" "file://$demo/replica" >"$demo/daemon.log" 2>&1 &
  daemon=$!
}

newest_file() { local f newest=''; for f in "$demo"/replica/ltx/0/*.ltx; do [ -e "$f" ] && newest=$f; done; echo "$newest"; }
acknowledged() { wc -l <"$demo/acknowledged.txt"; }

wait_for() { # wait_for SECONDS DESCRIPTION COMMAND...
  local until=$(($(now_ms) + $1 * 1000)) what=$2
  shift 2
  until "$@"; do
    [ "$(now_ms)" -lt "$until" ] || fail "$what"
    kill -0 "$daemon" 2>/dev/null || fail "the daemon ended early"
    pause 0.002
  done
}
has_replica() { [ -n "$(newest_file)" ]; }
has_newer() { [ "$(newest_file)" != "$1" ]; }
has_acknowledged() { [ "$(acknowledged)" -ge "$1" ]; }

die() { # the machine loses power: both processes at once, then its disk
  died_at=$(now_ms)
  kill -9 "$daemon" "$app"
  wait "$daemon" "$app" 2>/dev/null || true
  daemon='' app=''
  stop_commands
  cp "$demo/acknowledged.txt" "$demo/promised.txt"
  rm -rf "$demo/machine"
  mkdir -p "$demo/machine"
}

restore_and_compare() { # restore_and_compare ALLOWED_MS: commits younger than that at the moment of death may be missing
  local allowed=$1 begin restored promised missing lost extra
  echo "\$ litestream restore -o app.db file://replica"
  begin=$(now_ms)
  "$litestream" restore -o "$demo/machine/app.db" "file://$demo/replica" >"$demo/restore.log" 2>&1 || { cat "$demo/restore.log" >&2; fail "restore"; }
  echo "restored in $(($(now_ms) - begin)) ms"

  [ "$(sqlite3 "$demo/machine/app.db" 'PRAGMA integrity_check')" = ok ] || fail "integrity_check"
  sqlite3 "$demo/machine/app.db" 'SELECT id, item FROM orders ORDER BY id' >"$demo/restored.txt"
  restored=$(wc -l <"$demo/restored.txt")
  promised=$(wc -l <"$demo/promised.txt")

  # Commits whose acknowledgement the kill cut off may be there; what the application rolled back or never committed may not.
  extra=$(grep -c 'never committed' "$demo/restored.txt" || true)
  [ "$extra" -eq 0 ] || fail "$extra rows that were never committed came back"
  head -n "$promised" "$demo/restored.txt" >"$demo/restored-prefix.txt"
  head -n "$restored" "$demo/promised.txt" | cut -d'|' -f1,2 | cmp - "$demo/restored-prefix.txt" || fail "a restored row differs from what was acknowledged"

  missing=$((promised > restored ? promised - restored : 0))
  lost=$(tail -n "$missing" "$demo/promised.txt" | awk -F'|' -v before=$((died_at - allowed)) '$3 < before' | wc -l)
  [ "$missing" -eq 0 ] && lost=0
  echo "acknowledged by the application: $promised   restored: $restored   integrity_check: ok"
  if [ "$missing" -eq 0 ]; then
    echo "nothing acknowledged is missing, every row is equal"
  else
    echo "$missing not yet shipped, the oldest of them acknowledged $((died_at - $(tail -n "$missing" "$demo/promised.txt" | head -1 | cut -d'|' -f3))) ms before the kill"
  fi
  [ "$lost" -eq 0 ] || fail "$lost commits older than $allowed ms were lost"
}

# --- the story ------------------------------------------------------------------------------------------------------------

rm -rf "$demo"
mkdir -p "$demo/machine"

say "1. An application (the sqlite3 shell) opens app.db in WAL mode; litestream watches it and replicates to a directory."
echo "\$ litestream replicate app.db file://replica"
start_application
commit first
until has_acknowledged 1; do pause 0.002; done
start_daemon
wait_for 15 "the first copy did not reach the replica" has_replica
echo "first copy in the replica: $(basename "$(newest_file)"), $(stat -c %s "$(newest_file)") bytes"

say "2. After two quiet seconds the application commits once."
pause 2
before=$(newest_file)
begin=$(now_ms)
commit second
wait_for 15 "the commit did not reach the replica" has_newer "$before"
echo "from the command to the complete file in the replica: $(($(now_ms) - begin)) ms"

say "3. It commits orders for three seconds, then begins one more transaction and never finishes it."
for ((i = 0; i < 600; i++)); do commit "$i"; pause 0.004; done
printf "BEGIN; INSERT INTO orders(item) VALUES('never committed');\n" >&"$commands"
pause 1.5
echo "$(acknowledged) commits acknowledged, $(ls "$demo/replica/ltx/0" | wc -l) files in the replica"

say "4. The machine dies: kill -9 of both processes; app.db, its WAL and litestream's own state are gone."
die
restore_and_compare 0

say "5. The same with the kill in the middle of writing. Replication is asynchronous: under steady writing there is one upload
   per sync-interval ($sync_interval_ms ms), so what is younger than that may be on its way. Older commits must all be there."
start_application
start_daemon
for ((i = 0; i < 700; i++)); do commit "late $i"; pause 0.004; done
die
# What the first restore gave back is still promised; the application's new list goes on after it.
sed 's/$/|0/' "$demo/restored.txt" | cat - "$demo/promised.txt" >"$demo/both.txt"
mv "$demo/both.txt" "$demo/promised.txt"
restore_and_compare $((sync_interval_ms + 200))

say "Done. The files of the demonstration are in artifacts/demo; the daemon's log is artifacts/demo/daemon.log."
