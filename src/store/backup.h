/*
 * backup - consistent copies of the database, and what to say when one is needed.
 *
 * A copy is taken with VACUUM INTO: of one moment, while others go on writing.  It gets its name when it is complete and on the
 * disk; it is 0600, and no file is ever overwritten.  The default place is backup/kedge-YYYYMMDD-HHMMSS.db (UTC) in the
 * directory of the database, 0700.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <sqlite3.h>

struct error;

/* Copy the database to `to` (NULL: the default place); outside of a transaction.  Returns the name of the copy, new; NULL
   and nothing is left behind. */
char *backup_take(sqlite3 *db, const char *to, struct error *err);

char *backup_dir(const char *db_path);    /* new */
char *backup_newest(const char *db_path); /* the last name in that directory, without it; new; NULL: none */

/* "database 'PATH': damaged (HOW); restore a backup from 'DIR' (newest: 'NAME') or: kedge db rebuild --cluster NAME", in one line;
   ERROR_STORE.  Returns -1. */
int backup_damaged(const char *db_path, const char *how, struct error *err);

#endif
