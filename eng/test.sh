#!/usr/bin/env bash
# The test command: installs what is missing, builds everything, publishes the native executable, runs every test project.
#   eng/test.sh                 all suites
#   eng/test.sh Ltx Storage     only the suites whose project name contains one of the words
# The last line is "N passed, N failed, N skipped" over all suites; the exit code is 0 only if nothing failed.
set -uo pipefail
cd "$(dirname "$0")/.."

limit_minutes=40
started=$SECONDS
results=artifacts/test-results
passed=0 failed=0 skipped=0
failures=()
minutes=()

elapsed() { awk -v s="$((SECONDS - $1))" 'BEGIN { printf "%.1f min", s / 60 }'; }

# step NAME COMMAND...: a part of the work that is no suite; nothing after it makes sense when it fails.
step() {
  local name=$1 begin=$SECONDS
  shift
  if ! "$@"; then
    echo "$name failed"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
  fi
  minutes+=("$(printf '%-32s %s' "$name" "$(elapsed "$begin")")")
}

build() {
  local log=artifacts/build.log
  dotnet build Litestream.slnx -c Release -v q -nologo >"$log" 2>&1 || { grep -E 'error|warning' "$log" | sort -u || cat "$log"; return 1; }
}

# wanted PROJECT WORD...: no word means every project.
wanted() {
  local project=$1 word
  shift
  [ $# -eq 0 ] && return 0
  for word in "$@"; do [[ $project == *"$word"* ]] && return 0; done
  return 1
}

# Reads one number from the report's <assembly> element.
count() { grep -o '<assembly [^>]*' "$1" | head -1 | grep -o " $2=\"[0-9]*\"" | grep -o '[0-9]*' || echo 0; }

# Prints every skipped test with its reason: a skip that nobody sees is a hole in the suite.
print_skips() {
  tr '\n' ' ' <"$1" | sed 's/<test /\n<test /g' | grep 'result="Skip"' | sed -E \
    -e 's/^<test [^>]*name="([^"]*)".*<reason>(<!\[CDATA\[)?(.*)<\/reason>.*$/  skipped \1: \3/' -e 's/\]\]>$//' \
    -e "s/&quot;/\"/g; s/&apos;/'/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g"
}

run_suite() {
  local name=$1 begin=$SECONDS report left code
  report=$results/$name.xml
  left=$((limit_minutes * 60 - (SECONDS - started)))
  if [ "$left" -le 0 ]; then
    failed=$((failed + 1)) failures+=("$name: not run, over $limit_minutes minutes")
    return
  fi
  rm -f "$report"
  timeout --kill-after=10 "$left" "tests/$name/bin/Release/net10.0/$name" -noLogo -noColor -result-xml "$report" \
    >"$results/$name.log" 2>&1 </dev/null
  code=$?
  minutes+=("$(printf '%-32s %s' "$name" "$(elapsed "$begin")")")
  if [ ! -s "$report" ]; then
    tail -50 "$results/$name.log"
    failed=$((failed + 1)) failures+=("$name: ended with code $code and no report")
    return
  fi
  local p f s e
  p=$(count "$report" passed) f=$(count "$report" failed) s=$(count "$report" skipped) e=$(count "$report" errors)
  # A run that failed without a failed test (an unhandled exception, a time-out) must not look green.
  # So must one that found nothing to run.
  [ "$code" -ne 0 ] && [ $((f + e)) -eq 0 ] && e=1
  [ $((p + f + s + e)) -eq 0 ] && e=1
  passed=$((passed + p)) failed=$((failed + f + e)) skipped=$((skipped + s))
  printf '%-32s %s passed, %s failed, %s skipped (%s)\n' "$name" "$p" "$((f + e))" "$s" "$(elapsed "$begin")"
  [ "$s" -gt 0 ] && print_skips "$report"
  if [ $((f + e)) -gt 0 ]; then
    grep -v '^ *$' "$results/$name.log" | tail -100
    # With the reason, and at the end: of a long log often only the end is kept.
    failures+=("$name: $((f + e)) failed, exit code $code" "$(grep -F -A8 '[FAIL]' "$results/$name.log" | cut -c1-300 | head -60)")
  fi
}

mkdir -p "$results"
step "install" eng/install-deps.sh
step "build" build
step "publish" eng/publish.sh

suites=0
for project in tests/*.Tests; do
  name=${project#tests/}
  wanted "$name" "$@" || continue
  suites=$((suites + 1))
  run_suite "$name"
done
if [ "$suites" -eq 0 ]; then failed=$((failed + 1)) failures+=("no suite has one of these words in its name: $*"); fi

echo
printf '%s\n' "${minutes[@]}"
printf '%-32s %s\n' "together" "$(elapsed "$started")"
if [ $((SECONDS - started)) -gt $((limit_minutes * 60)) ]; then
  failed=$((failed + 1)) failures+=("over $limit_minutes minutes")
fi
[ ${#failures[@]} -gt 0 ] && printf 'FAILED %s\n' "${failures[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
