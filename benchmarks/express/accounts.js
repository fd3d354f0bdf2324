// Finds users, and makes the answers about them.
import { database } from "./database.js";
import { verify } from "./passwords.js";

export const findUserById = database.prepare("SELECT * FROM users WHERE id = ?");
const findUserByEmail = database.prepare("SELECT * FROM users WHERE email = ?");

// The user with this e-mail address and password, or null.
export async function userOf({ email, password }) {
  const user = findUserByEmail.get(email);
  return user && (await verify(password, user.password)) ? user : null;
}

export function profile({ id, email, name, role }) {
  return { data: { id: String(id), email, name, role } };
}
