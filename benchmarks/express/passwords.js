// How passwords are hashed. HASH=argon2 has the costs of the site's own hash (security/hashers.py: 19 MiB, 2 passes,
// 1 lane), so that the logins can be compared. HASH=bcrypt is what the usual tutorial has.
import argon2 from "argon2";
import bcrypt from "bcrypt";

const COSTS = { type: argon2.argon2id, memoryCost: 19 * 1024, timeCost: 2, parallelism: 1 };
const HASHERS = {
  argon2: {
    hash: (password) => argon2.hash(password, COSTS),
    verify: (password, hash) => argon2.verify(hash, password),
  },
  bcrypt: {
    hash: (password) => bcrypt.hash(password, 10),
    verify: (password, hash) => bcrypt.compare(password, hash),
  },
};

export const { hash, verify } = HASHERS[process.env.HASH];
