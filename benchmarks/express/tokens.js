// Access and refresh tokens by jsonwebtoken. One refresh token is kept for each user, as in the usual tutorial: a second
// login of a user replaces the first, and an access token works until it expires, also after the logout.
import { randomUUID } from "node:crypto";

import express from "express";
import jwt from "jsonwebtoken";

import { findUserById, profile, userOf } from "./accounts.js";
import { database } from "./database.js";

const ALGORITHMS = { algorithms: ["HS256"] };

function verified(token, secret) {
  try {
    return jwt.verify(token, secret, ALGORITHMS);
  } catch {
    return null;
  }
}

// The routes under one prefix. Each secret is a string or a KeyObject; `column` keeps the refresh token.
export function tokenRoutes(accessSecret, refreshSecret, column) {
  const routes = express.Router();
  const keep = database.prepare(`UPDATE users SET ${column} = ? WHERE id = ?`);

  function issue(user) {
    const subject = String(user.id);
    const accessToken = jwt.sign({ role: user.role }, accessSecret, { subject, expiresIn: "15m" });
    // Without an id, two tokens of the same second would be equal.
    const refreshToken = jwt.sign({}, refreshSecret, { subject, expiresIn: "7d", jwtid: randomUUID() });
    keep.run(refreshToken, user.id);
    return { accessToken, refreshToken };
  }

  function authenticated(request, response, next) {
    const [scheme, token] = (request.get("Authorization") ?? "").split(" ");
    request.user = scheme === "Bearer" ? verified(token, accessSecret) : null;
    if (!request.user) return response.status(401).json({ error: "Invalid token" });
    next();
  }

  // The user whose latest refresh token this is, or null.
  function refreshing({ refreshToken }) {
    const claims = verified(refreshToken, refreshSecret);
    const user = claims && findUserById.get(claims.sub);
    return user && user[column] === refreshToken ? user : null;
  }

  routes.post("/login", async (request, response) => {
    const user = await userOf(request.body);
    if (!user) return response.status(401).json({ error: "Invalid credentials" });
    response.json(issue(user));
  });

  routes.get("/whoami", authenticated, (request, response) => {
    response.json({ userId: request.user.sub, role: request.user.role });
  });

  routes.get("/profile", authenticated, (request, response) => {
    const user = findUserById.get(request.user.sub);
    if (!user) return response.status(401).json({ error: "Invalid token" });
    response.json(profile(user));
  });

  routes.post("/refresh", (request, response) => {
    const user = refreshing(request.body);
    if (!user) return response.status(401).json({ error: "Invalid refresh token" });
    response.json(issue(user));
  });

  routes.post("/logout", (request, response) => {
    const user = refreshing(request.body);
    if (user) keep.run(null, user.id);
    response.json({ message: "Logged out" });
  });

  return routes;
}
