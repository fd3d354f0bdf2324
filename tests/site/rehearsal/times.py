"""Times of the rehearsal, in seconds. They are short, so that the first key of each ring retires within a minute."""

ACCESS_LIFETIME, REFRESH_LIFETIME, LEEWAY = 18, 25, 1
JWT_GRACE_PERIOD = 6
JWT_KEYS_REREAD, JWT_KEYS_MAX_AGE, JWT_KEYS_PENDING = 1, 2, 7
