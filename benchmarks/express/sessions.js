// Sessions in Redis: express-session with connect-redis.
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { createClient } from "redis";

import { findUserById, profile, userOf } from "./accounts.js";

const client = createClient({
  socket: { path: process.env.STORE_SOCKET },
  database: Number(process.env.STORE_DATABASE),
});
await client.connect();

export const sessions = express.Router();

sessions.use(
  session({
    store: new RedisStore({ client }),
    secret: process.env.SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, secure: true, sameSite: "lax", maxAge: 24 * 60 * 60 * 1000 },
  }),
);

sessions.post("/login", async (request, response, next) => {
  const user = await userOf(request.body);
  if (!user) return response.status(401).json({ error: "Invalid credentials" });
  // A new session id prevents session fixation.
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.userId = user.id;
    request.session.role = user.role;
    response.json({ message: "Logged in" });
  });
});

function loggedIn(request, response, next) {
  if (!request.session.userId) return response.status(401).json({ error: "Not authenticated" });
  next();
}

sessions.get("/whoami", loggedIn, (request, response) => {
  response.json({ userId: String(request.session.userId), role: request.session.role });
});

sessions.get("/profile", loggedIn, (request, response) => {
  const user = findUserById.get(request.session.userId);
  if (!user) return response.status(401).json({ error: "Not authenticated" });
  response.json(profile(user));
});

sessions.post("/logout", (request, response, next) => {
  request.session.destroy((error) => {
    if (error) return next(error);
    response.clearCookie("connect.sid").json({ message: "Logged out" });
  });
});
