<?php
// The schema of the queue; it runs to its end before anything that uses the database.
require __DIR__ . '/database.php';

database()->exec('CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, text TEXT NOT NULL, done INTEGER NOT NULL DEFAULT 0)');
fwrite(STDERR, "the schema is up to date\n");
