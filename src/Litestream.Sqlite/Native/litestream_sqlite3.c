/* The translation unit of Litestream's own SQLite: the unchanged amalgamation plus what C# cannot call by itself.
** Compiled by eng/native/build-sqlite.sh. */
#define SQLITE_API __attribute__((visibility("default")))
#include "sqlite3.c"

/* sqlite3_db_config takes variable arguments, which are passed differently from fixed ones on some platforms. */
SQLITE_API int litestream_db_config(sqlite3 *db, int option, int value){
  int result = 0;
  return sqlite3_db_config(db, option, value, &result);
}
