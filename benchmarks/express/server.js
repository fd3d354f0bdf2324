// Sessions and tokens as the usual tutorials for Express have them. Written for `make bench`, not copied.
import cluster from "node:cluster";
import { createSecretKey } from "node:crypto";

const workers = Number(process.env.WORKERS);
const { ACCESS_TOKEN_SECRET, REFRESH_TOKEN_SECRET } = process.env;

async function serve() {
  // Imported here, because the process that starts the workers needs no database and no store.
  const { default: express } = await import("express");
  const { sessions } = await import("./sessions.js");
  const { tokenRoutes } = await import("./tokens.js");
  const app = express();
  // Without this, express-session would not set its cookie behind a proxy: the cookie is only for https.
  app.set("trust proxy", 1);
  app.use(express.json());
  app.get("/healthz", (request, response) => response.json({ status: "ok" }));
  app.use("/session", sessions);
  app.use("/jwt/string", tokenRoutes(ACCESS_TOKEN_SECRET, REFRESH_TOKEN_SECRET, "refresh_token_string"));
  const keys = [ACCESS_TOKEN_SECRET, REFRESH_TOKEN_SECRET].map((secret) => createSecretKey(secret, "utf8"));
  app.use("/jwt/key", tokenRoutes(...keys, "refresh_token_key"));
  app.listen(Number(process.env.PORT), "127.0.0.1");
}

if (cluster.isPrimary && workers > 1) {
  for (let number = 0; number < workers; number += 1) cluster.fork();
} else {
  await serve();
}
