/* Reads every cell of a table, as little as one can do with it, and prints the rows and the version of SQLite.
 *
 *   cells FILE TABLE
 *
 * Linked with the very library that liteferry has in it, of which only the archive is at hand: hence the declarations.
 */

#include <stdio.h>

typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_open_v2(const char *, sqlite3 **, int, const char *);
int sqlite3_prepare_v2(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
int sqlite3_step(sqlite3_stmt *);
int sqlite3_column_count(sqlite3_stmt *);
int sqlite3_column_type(sqlite3_stmt *, int);
long long sqlite3_column_int64(sqlite3_stmt *, int);
double sqlite3_column_double(sqlite3_stmt *, int);
const unsigned char *sqlite3_column_text(sqlite3_stmt *, int);
const void *sqlite3_column_blob(sqlite3_stmt *, int);
int sqlite3_column_bytes(sqlite3_stmt *, int);
const char *sqlite3_errmsg(sqlite3 *);
const char *sqlite3_libversion(void);

enum { ROW = 100, DONE = 101 };
enum { INTEGER = 1, FLOAT = 2, TEXT = 3, BLOB = 4 };
enum { OPEN_READONLY = 0x1, OPEN_NOMUTEX = 0x8000 };

/* What was read must go somewhere, or the compiler might leave it out. */
static volatile long long integers;
static volatile double reals;

static void cell(sqlite3_stmt *statement, int column) {
    switch (sqlite3_column_type(statement, column)) {
    case INTEGER:
        integers = sqlite3_column_int64(statement, column);
        break;
    case FLOAT:
        reals = sqlite3_column_double(statement, column);
        break;
    case TEXT: {
        const unsigned char *text = sqlite3_column_text(statement, column);
        integers = text[0] + sqlite3_column_bytes(statement, column);
        break;
    }
    case BLOB: {
        const unsigned char *bytes = sqlite3_column_blob(statement, column);
        int length = sqlite3_column_bytes(statement, column);
        integers = length > 0 ? bytes[0] + length : 0;
        break;
    }
    }
}

int main(int count, char **words) {
    sqlite3 *database;
    sqlite3_stmt *statement;
    char sql[256];
    long rows = 0;
    int state;
    if (count != 3 || snprintf(sql, sizeof sql, "SELECT * FROM %s", words[2]) >= (int)sizeof sql) {
        fprintf(stderr, "usage: cells FILE TABLE\n");
        return 2;
    }
    if (sqlite3_open_v2(words[1], &database, OPEN_READONLY | OPEN_NOMUTEX, 0) != 0 ||
        sqlite3_prepare_v2(database, sql, -1, &statement, 0) != 0) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(database));
        return 1;
    }
    int columns = sqlite3_column_count(statement);
    while ((state = sqlite3_step(statement)) == ROW) {
        rows++;
        for (int column = 0; column < columns; column++)
            cell(statement, column);
    }
    if (state != DONE) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(database));
        return 1;
    }
    printf("%ld %s\n", rows, sqlite3_libversion());
    return 0;
}
