// Adds the bench's users. All have the same password and the same hash.
import { database } from "./database.js";
import { hash } from "./passwords.js";

const password = await hash(process.env.PASSWORD);
const add = database.prepare("INSERT OR IGNORE INTO users (email, name, password) VALUES (?, ?, ?)");
for (let number = 0; number < Number(process.env.USERS); number += 1) {
  add.run(`user${number}@example.com`, `User ${number}`, password);
}
database.close();
