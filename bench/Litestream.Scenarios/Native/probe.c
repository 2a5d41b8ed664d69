/* The light half of the scenarios: writers, a reader and a watcher that cost so little themselves that the daemon's share of a small
** machine can be measured beside them, all on one clock (CLOCK_REALTIME, nanoseconds).
**
**   probe create DB ROWS                     WAL database with one table; every row fills most of a page
**   probe build DB BYTES                     the same schema as "create", filled with word text up to BYTES
**   probe flat DB SECONDS SEED               commits as fast as it can; prints: commits, longest commit in ns
**   probe paced DB COUNT INTERVAL_NS SEED    COUNT commits on a fixed schedule; prints per commit: sequence, time of return
**   probe strict DB COUNT INTERVAL_NS        the same without busy timeout, with counted auto-checkpoints; prints counts of SQLITE_BUSY
**   probe read DB SECONDS                    read transactions without busy timeout; prints: reads, SQLITE_BUSY
**   probe truncate DB SECONDS PERIOD_S       explicit TRUNCATE with a busy timeout of 2 s; prints: tries, failures, longest in ns
**   probe checkpoint DB                      one TRUNCATE; fails unless the whole WAL went into the database
**   probe touch DB COUNT ROWS INTERVAL_NS    COUNT commits that each rewrite ROWS rows spread over the database
**   probe fleet LIST COUNT INTERVAL_NS       opens every database named in the file LIST; COUNT commits on each, every INTERVAL_NS, spread
**                                            evenly over the interval; prints per commit: line of the list, sequence, time of return
**   probe watch DIRECTORY                    prints for every file that appears: time, name; until killed
**   probe visible DB                         a reader: prints for every change that it sees: time, highest sequence; until killed
**   probe watchall LIST                      the same for every directory named in the file LIST: time, line of the list, name
**   probe run COMMAND...                     runs a command; prints to stderr's end: wall ns, cpu ns, peak RSS in KiB, exit code
**
** Linked with the project's own SQLite; there is no header beside the library, so the few functions are declared here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/wait.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_open_v2(const char *, sqlite3 **, int, const char *);
int sqlite3_close(sqlite3 *);
int sqlite3_exec(sqlite3 *, const char *, int (*)(void *, int, char **, char **), void *, char **);
int sqlite3_prepare_v2(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
int sqlite3_step(sqlite3_stmt *);
int sqlite3_reset(sqlite3_stmt *);
int sqlite3_finalize(sqlite3_stmt *);
int sqlite3_bind_int64(sqlite3_stmt *, int, long long);
int sqlite3_bind_text(sqlite3_stmt *, int, const char *, int, void (*)(void *));
long long sqlite3_column_int64(sqlite3_stmt *, int);
int sqlite3_busy_timeout(sqlite3 *, int);
int sqlite3_wal_checkpoint_v2(sqlite3 *, const char *, int, int *, int *);
void *sqlite3_wal_hook(sqlite3 *, int (*)(void *, sqlite3 *, const char *, int), void *);
const char *sqlite3_errmsg(sqlite3 *);
#define SQLITE_BUSY 5
#define SQLITE_ROW 100
#define SQLITE_DONE 101
#define OPEN_READWRITE_CREATE 6
#define CHECKPOINT_PASSIVE 0
#define CHECKPOINT_TRUNCATE 3
#define TEXT_SIZE 3000

static long long now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(long long ns) {
  struct timespec t = {ns / 1000000000LL, ns % 1000000000LL};
  while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

static void die(sqlite3 *db, const char *what) {
  fprintf(stderr, "probe: %s: %s\n", what, db ? sqlite3_errmsg(db) : strerror(errno));
  exit(1);
}

static sqlite3 *open_database(const char *path, int busy_ms) {
  sqlite3 *db = NULL;
  if (sqlite3_open_v2(path, &db, OPEN_READWRITE_CREATE, NULL)) die(db, "open");
  sqlite3_busy_timeout(db, busy_ms);
  if (sqlite3_exec(db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL)) die(db, "synchronous");
  return db;
}

static void execute(sqlite3 *db, const char *sql) {
  if (sqlite3_exec(db, sql, NULL, NULL, NULL)) die(db, sql);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *s = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &s, NULL)) die(db, sql);
  return s;
}

/* A repeatable stream of numbers; the seed is part of the command line, so a run can be repeated. */
static unsigned long long random_state;
static unsigned next_random(unsigned below) {
  random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
  return (unsigned)((random_state >> 33) % below);
}

/* Words of several lengths with the repetition of ordinary text: LZ4 packs it to about half. */
static const char *const syllables[] = {"ta", "ri", "mo", "len", "sa", "ver", "ko", "dis", "al", "per", "in", "our", "the", "ing", "er", "st"};
static int word_text(char *to, int size) {
  int n = 0;
  while (n < size - 16) {
    int parts = 1 + (int)next_random(4);
    for (int i = 0; i < parts; i++) {
      const char *s = syllables[next_random(16)];
      int length = (int)strlen(s);
      memcpy(to + n, s, (size_t)length);
      n += length;
    }
    to[n++] = ' ';
  }
  return n;
}

/* A new row version starts with its sequence number, so that its image can be recognised in a replica. */
static char text[TEXT_SIZE + 1];
static void stamp(long long sequence) {
  char head[32];
  int length = snprintf(head, sizeof head, "SEQ:%012lld;", sequence);
  memcpy(text, head, (size_t)length);
}

static long long row_count(sqlite3 *db) {
  sqlite3_stmt *s = prepare(db, "SELECT max(id) FROM t");
  if (sqlite3_step(s) != SQLITE_ROW) die(db, "count");
  long long n = sqlite3_column_int64(s, 0);
  sqlite3_finalize(s);
  return n;
}

static int insert_rows(const char *path, long long rows) {
  sqlite3 *db = open_database(path, 5000);
  execute(db, "PRAGMA journal_mode=WAL");
  execute(db, "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT NOT NULL)");
  sqlite3_stmt *s = prepare(db, "INSERT INTO t(v) VALUES(?)");
  random_state = 1;
  for (long long i = 0; i < rows;) {
    execute(db, "BEGIN");
    for (int k = 0; k < 5000 && i < rows; k++, i++) {
      int n = word_text(text, TEXT_SIZE);
      sqlite3_bind_text(s, 1, text, n, NULL);
      if (sqlite3_step(s) != SQLITE_DONE) die(db, "insert");
      sqlite3_reset(s);
    }
    execute(db, "COMMIT");
  }
  sqlite3_finalize(s);
  sqlite3_wal_checkpoint_v2(db, NULL, CHECKPOINT_TRUNCATE, NULL, NULL);
  sqlite3_close(db);
  return 0;
}

static int update_row(sqlite3_stmt *s, long long id) {
  sqlite3_bind_text(s, 1, text, TEXT_SIZE - 16, NULL);
  sqlite3_bind_int64(s, 2, id);
  int rc = sqlite3_step(s);
  sqlite3_reset(s);
  return rc;
}

#define UPDATE "UPDATE t SET v = ? WHERE id = ?"

static int flat(const char *path, double seconds, unsigned seed) {
  sqlite3 *db = open_database(path, 10000);
  sqlite3_stmt *s = prepare(db, UPDATE);
  random_state = seed;
  word_text(text, TEXT_SIZE);
  unsigned rows = (unsigned)row_count(db);
  long long commits = 0, longest = 0, before = now_ns(), end = before + (long long)(seconds * 1e9);
  while (before < end) {
    stamp(commits);
    int rc = update_row(s, 1 + next_random(rows));
    if (rc != SQLITE_DONE && rc != SQLITE_BUSY) die(db, "update");
    long long after = now_ns();
    if (after - before > longest) longest = after - before;
    before = after;
    commits += rc == SQLITE_DONE;
  }
  printf("%lld %lld\n", commits, longest);
  sqlite3_finalize(s);
  sqlite3_close(db);
  return 0;
}

static int paced(const char *path, long long count, long long interval, unsigned seed) {
  sqlite3 *db = open_database(path, 10000);
  sqlite3_stmt *s = prepare(db, UPDATE);
  long long *returned = calloc((size_t)count, sizeof *returned);
  random_state = seed;
  word_text(text, TEXT_SIZE);
  unsigned rows = (unsigned)row_count(db);
  long long start = now_ns();
  for (long long i = 0; i < count; i++) {
    sleep_until(start + i * interval);
    stamp(i);
    if (update_row(s, 1 + next_random(rows)) != SQLITE_DONE) die(db, "update");
    returned[i] = now_ns();
  }
  for (long long i = 0; i < count; i++) printf("%lld %lld\n", i, returned[i]);
  free(returned);
  sqlite3_finalize(s);
  sqlite3_close(db);
  return 0;
}

/* What sqlite3_wal_autocheckpoint(1000) does, except that its result is looked at. */
static long long checkpoints, busy_checkpoints;
static int auto_checkpoint(void *context, sqlite3 *db, const char *name, int frames) {
  (void)context;
  if (frames >= 1000) {
    checkpoints++;
    if (sqlite3_wal_checkpoint_v2(db, name, CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_BUSY) busy_checkpoints++;
  }
  return 0;
}

static int strict(const char *path, long long count, long long interval) {
  sqlite3 *db = open_database(path, 0);
  sqlite3_wal_hook(db, auto_checkpoint, NULL);
  sqlite3_stmt *s = prepare(db, UPDATE);
  random_state = 7;
  word_text(text, TEXT_SIZE);
  unsigned rows = (unsigned)row_count(db);
  long long busy = 0, start = now_ns();
  for (long long i = 0; i < count; i++) {
    sleep_until(start + i * interval);
    stamp(i);
    long long id = 1 + next_random(rows);
    int rc;
    while ((rc = update_row(s, id)) == SQLITE_BUSY) { busy++; sleep_until(now_ns() + 1000000); }
    if (rc != SQLITE_DONE) die(db, "update");
  }
  printf("%lld %lld %lld %lld\n", count, busy, checkpoints, busy_checkpoints);
  sqlite3_finalize(s);
  sqlite3_close(db);
  return 0;
}

static int read_loop(const char *path, double seconds) {
  sqlite3 *db = open_database(path, 0);
  sqlite3_stmt *s = prepare(db, "SELECT length(v) FROM t WHERE id = ?");
  random_state = 11;
  unsigned rows = (unsigned)row_count(db);
  long long reads = 0, busy = 0, end = now_ns() + (long long)(seconds * 1e9);
  while (now_ns() < end) {
    sqlite3_bind_int64(s, 1, 1 + next_random(rows));
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    if (rc == SQLITE_BUSY) busy++;
    else if (rc != SQLITE_ROW) die(db, "read");
    reads++;
    sleep_until(now_ns() + 500000);
  }
  printf("%lld %lld\n", reads, busy);
  sqlite3_finalize(s);
  sqlite3_close(db);
  return 0;
}

static int truncate_loop(const char *path, double seconds, double period) {
  sqlite3 *db = open_database(path, 2000);
  row_count(db); /* a checkpoint on a connection that never read does nothing */
  long long tries = 0, failures = 0, longest = 0, start = now_ns(), end = start + (long long)(seconds * 1e9);
  for (long long at = start + (long long)(period * 1e9); at < end; at += (long long)(period * 1e9)) {
    sleep_until(at);
    long long before = now_ns();
    int rc = sqlite3_wal_checkpoint_v2(db, NULL, CHECKPOINT_TRUNCATE, NULL, NULL);
    long long took = now_ns() - before;
    tries++;
    failures += rc != 0;
    if (took > longest) longest = took;
  }
  printf("%lld %lld %lld\n", tries, failures, longest);
  sqlite3_close(db);
  return 0;
}

static int checkpoint(const char *path) {
  sqlite3 *db = open_database(path, 10000);
  row_count(db);
  if (sqlite3_wal_checkpoint_v2(db, NULL, CHECKPOINT_TRUNCATE, NULL, NULL)) die(db, "checkpoint");
  sqlite3_close(db);
  return 0;
}

static int touch(const char *path, long long count, long long rows_each, long long interval) {
  sqlite3 *db = open_database(path, 10000);
  sqlite3_stmt *s = prepare(db, UPDATE);
  random_state = 3;
  unsigned rows = (unsigned)row_count(db);
  long long start = now_ns();
  for (long long i = 0; i < count; i++) {
    sleep_until(start + i * interval);
    execute(db, "BEGIN IMMEDIATE");
    for (long long k = 0; k < rows_each; k++) {
      word_text(text, TEXT_SIZE);
      stamp(i);
      if (update_row(s, 1 + next_random(rows)) != SQLITE_DONE) die(db, "update");
    }
    execute(db, "COMMIT");
  }
  sqlite3_finalize(s);
  sqlite3_close(db);
  return 0;
}

#define MAX_FLEET 20000
static int read_list(const char *path, char **lines) {
  FILE *file = fopen(path, "r");
  char line[4096];
  int n = 0;
  if (!file) die(NULL, path);
  while (n < MAX_FLEET && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    lines[n++] = strdup(line);
  }
  fclose(file);
  return n;
}

static int fleet(const char *list, long long count, long long interval) {
  static char *paths[MAX_FLEET];
  static sqlite3_stmt *updates[MAX_FLEET];
  int n = read_list(list, paths);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  for (int i = 0; i < n; i++) {
    sqlite3 *db = open_database(paths[i], 10000);
    execute(db, "PRAGMA cache_size=8");
    updates[i] = prepare(db, UPDATE);
    row_count(db);
  }
  random_state = 5;
  word_text(text, TEXT_SIZE);
  long long *returned = calloc((size_t)(count * n), sizeof *returned);
  long long start = now_ns() + 1000000000;
  for (long long k = 0; k < count; k++) {
    stamp(k);
    for (int i = 0; i < n; i++) {
      sleep_until(start + k * interval + i * interval / n);
      if (update_row(updates[i], 1 + k % 10) != SQLITE_DONE) die(NULL, "update");
      returned[k * n + i] = now_ns();
    }
  }
  for (long long k = 0; k < count; k++)
    for (int i = 0; i < n; i++) printf("%d %lld %lld\n", i, k, returned[k * n + i]);
  return 0;
}

static int watch_all(const char *list) {
  static char *paths[MAX_FLEET];
  static int lines[MAX_FLEET * 2];
  int n = read_list(list, paths);
  char buffer[65536] __attribute__((aligned(8)));
  int fd = inotify_init1(0);
  for (int i = 0; i < n; i++) {
    int wd = fd < 0 ? -1 : inotify_add_watch(fd, paths[i], IN_MOVED_TO | IN_CREATE);
    if (wd < 0 || wd >= MAX_FLEET * 2) die(NULL, paths[i]);
    lines[wd] = i;
  }
  printf("0 0 ready\n");
  fflush(stdout);
  for (;;) {
    ssize_t size = read(fd, buffer, sizeof buffer);
    if (size <= 0) return 0;
    long long at = now_ns();
    for (char *p = buffer; p < buffer + size;) {
      struct inotify_event *e = (struct inotify_event *)p;
      if (e->len && strlen(e->name) > 4 && !strcmp(e->name + strlen(e->name) - 4, ".ltx")) printf("%lld %d %s\n", at, lines[e->wd], e->name);
      p += sizeof *e + e->len;
    }
    fflush(stdout);
  }
}

static int watch(const char *directory) {
  char buffer[65536] __attribute__((aligned(8)));
  int fd = inotify_init1(0);
  if (fd < 0 || inotify_add_watch(fd, directory, IN_MOVED_TO | IN_CREATE) < 0) die(NULL, directory);
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("0 ready\n");
  for (;;) {
    ssize_t size = read(fd, buffer, sizeof buffer);
    if (size <= 0) return 0;
    long long at = now_ns();
    for (char *p = buffer; p < buffer + size;) {
      struct inotify_event *e = (struct inotify_event *)p;
      if (e->len) printf("%lld %s\n", at, e->name);
      p += sizeof *e + e->len;
    }
  }
}

/* Looks a thousand times a second, in transactions of their own; each look of a new transaction is what a new reader sees. */
static int visible(const char *path) {
  sqlite3 *db = open_database(path, 5000);
  sqlite3_stmt *version = prepare(db, "PRAGMA data_version");
  sqlite3_stmt *highest = prepare(db, "SELECT max(CAST(substr(v, 5, 12) AS INTEGER)) FROM t WHERE v LIKE 'SEQ:%'");
  long long last = -1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("0 ready\n");
  long long at = now_ns();
  while (sqlite3_step(version) == SQLITE_ROW) {
    long long seen = sqlite3_column_int64(version, 0);
    sqlite3_reset(version);
    if (seen != last) {
      last = seen;
      if (sqlite3_step(highest) != SQLITE_ROW) die(db, "read");
      printf("%lld %lld\n", at, sqlite3_column_int64(highest, 0));
      sqlite3_reset(highest);
    }
    sleep_until(now_ns() + 1000000);
    at = now_ns();
  }
  die(db, "look");
  return 1;
}

static int run(char **command) {
  long long start = now_ns();
  pid_t pid = fork();
  if (pid == 0) {
    execvp(command[0], command);
    _exit(127);
  }
  int status;
  struct rusage usage;
  if (pid < 0 || wait4(pid, &status, 0, &usage) < 0) die(NULL, "run");
  long long wall = now_ns() - start;
  long long cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000LL + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000LL;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  fprintf(stderr, "\nprobe-run %lld %lld %ld %d\n", wall, cpu, usage.ru_maxrss, code);
  return code;
}

/* network.c */
int proxy(int target, long long delay, double bytes_per_second);
int transfer(const char *kind, int port, const char *list, const char *path, int threads, double stretch);

int main(int argc, char **argv) {
  const char *mode = argc > 2 ? argv[1] : "";
  if (!strcmp(mode, "create") && argc == 4) return insert_rows(argv[2], atoll(argv[3]));
  if (!strcmp(mode, "build") && argc == 4) return insert_rows(argv[2], atoll(argv[3]) / 4096);
  if (!strcmp(mode, "flat") && argc == 5) return flat(argv[2], atof(argv[3]), (unsigned)atoi(argv[4]));
  if (!strcmp(mode, "paced") && argc == 6) return paced(argv[2], atoll(argv[3]), atoll(argv[4]), (unsigned)atoi(argv[5]));
  if (!strcmp(mode, "strict") && argc == 5) return strict(argv[2], atoll(argv[3]), atoll(argv[4]));
  if (!strcmp(mode, "read") && argc == 4) return read_loop(argv[2], atof(argv[3]));
  if (!strcmp(mode, "truncate") && argc == 5) return truncate_loop(argv[2], atof(argv[3]), atof(argv[4]));
  if (!strcmp(mode, "checkpoint") && argc == 3) return checkpoint(argv[2]);
  if (!strcmp(mode, "touch") && argc == 6) return touch(argv[2], atoll(argv[3]), atoll(argv[4]), atoll(argv[5]));
  if (!strcmp(mode, "fleet") && argc == 5) return fleet(argv[2], atoll(argv[3]), atoll(argv[4]));
  if (!strcmp(mode, "watchall") && argc == 3) return watch_all(argv[2]);
  if (!strcmp(mode, "watch") && argc == 3) return watch(argv[2]);
  if (!strcmp(mode, "visible") && argc == 3) return visible(argv[2]);
  if (!strcmp(mode, "run")) return run(argv + 2);
  if (!strcmp(mode, "proxy") && argc == 5) return proxy(atoi(argv[2]), atoll(argv[3]), atof(argv[4]));
  if (!strcmp(mode, "transfer") && argc == 8)
    return transfer(argv[2], atoi(argv[3]), argv[4], argv[5], atoi(argv[6]), atof(argv[7]));
  fprintf(stderr, "probe: unknown command line\n");
  return 2;
}
