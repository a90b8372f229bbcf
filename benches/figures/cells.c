/* Reads every cell of a table, as little as one can do with it, and prints the rows and the version of SQLite.
 *
 *   cells FILE TABLE
 */

#include "sqlite.h"
#include <stdio.h>

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
    if (sqlite3_open_v2(words[1], &database, OPEN_READONLY | OPEN_NOMUTEX, 0) != OK ||
        sqlite3_prepare_v2(database, sql, -1, &statement, 0) != OK) {
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
