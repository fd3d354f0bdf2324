// Users in SQLite, under the same PRAGMAs as the site's own database (config/stores.py).
import Database from "libsql";

export const database = new Database(process.env.DATABASE_FILE);
database.pragma("journal_mode = WAL");
database.pragma("synchronous = NORMAL");
database.pragma("busy_timeout = 5000");
// Each of the two compared sets of routes has a column of its own for refresh tokens.
database.exec(`
  CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL DEFAULT 'member',
    password TEXT NOT NULL,
    refresh_token_string TEXT,
    refresh_token_key TEXT
  )
`);
