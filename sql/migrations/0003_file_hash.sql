-- Hashes of local files that were sent, so that a cluster can be asked for them before they are read again.

CREATE TABLE file_hash (
	dev      INTEGER NOT NULL,
	ino      INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	mtime_ns INTEGER NOT NULL,
	ctime_ns INTEGER NOT NULL,              -- a file of another size or time is another file
	sha256   TEXT NOT NULL,
	seen_ms  INTEGER NOT NULL,              -- when it was hashed
	PRIMARY KEY (dev, ino)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_hash_seen ON file_hash (seen_ms);
