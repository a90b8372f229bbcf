/* Writes all rows of a SQLite file into a new one, by one prepared INSERT for each table in one transaction, then makes
 * the indexes, and prints how many rows there were.
 *
 *   rows FROM TO
 *
 * The rows are read through a second connection, cell by cell, and bound without a copy. Nothing is checked or made
 * durable.
 */

#include "sqlite.h"
#include <stdio.h>
#include <string.h>

/* The bytes stay where they are until the row is written. */
#define STATIC ((void (*)(void *))0)

static sqlite3 *from, *to;

static int fail(sqlite3 *of) {
    fprintf(stderr, "%s\n", sqlite3_errmsg(of));
    return -1;
}

static int bind(sqlite3_stmt *insert, sqlite3_stmt *row, int column) {
    switch (sqlite3_column_type(row, column)) {
    case INTEGER:
        return sqlite3_bind_int64(insert, column + 1, sqlite3_column_int64(row, column));
    case FLOAT:
        return sqlite3_bind_double(insert, column + 1, sqlite3_column_double(row, column));
    case TEXT: {
        const char *text = (const char *)sqlite3_column_text(row, column);
        return sqlite3_bind_text(insert, column + 1, text, sqlite3_column_bytes(row, column), STATIC);
    }
    case BLOB: {
        const void *bytes = sqlite3_column_blob(row, column);
        return sqlite3_bind_blob(insert, column + 1, bytes, sqlite3_column_bytes(row, column), STATIC);
    }
    default:
        return sqlite3_bind_null(insert, column + 1);
    }
}

/* The rows of one table; -1 where that fails. */
static long copy(const char *table) {
    sqlite3_stmt *rows, *insert;
    char sql[4096];
    long count = 0;
    int state;
    snprintf(sql, sizeof sql, "SELECT * FROM \"%s\"", table);
    if (sqlite3_prepare_v2(from, sql, -1, &rows, 0) != OK)
        return fail(from);
    int columns = sqlite3_column_count(rows);
    int length = snprintf(sql, sizeof sql, "INSERT INTO \"%s\" VALUES (?", table);
    for (int column = 1; column < columns && length < (int)sizeof sql - 4; column++)
        length += snprintf(sql + length, sizeof sql - length, ",?");
    snprintf(sql + length, sizeof sql - length, ")");
    if (sqlite3_prepare_v2(to, sql, -1, &insert, 0) != OK)
        return fail(to);
    while ((state = sqlite3_step(rows)) == ROW) {
        for (int column = 0; column < columns; column++)
            if (bind(insert, rows, column) != OK)
                return fail(to);
        if (sqlite3_step(insert) != DONE)
            return fail(to);
        sqlite3_reset(insert);
        count++;
    }
    sqlite3_finalize(rows);
    sqlite3_finalize(insert);
    return state == DONE ? count : fail(from);
}

/* Makes what the original has of a kind, and gives the rows of the tables. */
static long make(const char *kind) {
    sqlite3_stmt *made;
    char sql[256];
    long count = 0;
    snprintf(sql, sizeof sql, "SELECT name, sql FROM sqlite_schema WHERE type = '%s' AND sql IS NOT NULL", kind);
    if (sqlite3_prepare_v2(from, sql, -1, &made, 0) != OK)
        return fail(from);
    while (sqlite3_step(made) == ROW) {
        if (sqlite3_exec(to, (const char *)sqlite3_column_text(made, 1), 0, 0, 0) != OK)
            return fail(to);
        if (strcmp(kind, "table") == 0) {
            long rows = copy((const char *)sqlite3_column_text(made, 0));
            if (rows < 0)
                return rows;
            count += rows;
        }
    }
    sqlite3_finalize(made);
    return count;
}

int main(int count, char **words) {
    if (count != 3) {
        fprintf(stderr, "usage: rows FROM TO\n");
        return 2;
    }
    if (sqlite3_open_v2(words[1], &from, OPEN_READONLY | OPEN_NOMUTEX, 0) != OK)
        return fail(from), 1;
    if (sqlite3_open_v2(words[2], &to, OPEN_READWRITE | OPEN_CREATE | OPEN_NOMUTEX, 0) != OK ||
        sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
                         "PRAGMA cache_size = -65536; PRAGMA threads = 2; PRAGMA foreign_keys = OFF; BEGIN", 0, 0, 0) != OK)
        return fail(to), 1;
    long rows = make("table");
    if (rows < 0 || make("index") < 0)
        return 1;
    if (sqlite3_exec(to, "COMMIT", 0, 0, 0) != OK || sqlite3_close(to) != OK)
        return fail(to), 1;
    printf("%ld\n", rows);
    return 0;
}
