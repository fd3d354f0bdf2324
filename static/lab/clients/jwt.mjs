// Logs in with tokens, in a page of BASE or in Node: node jwt.mjs BASE EMAIL PASSWORD
// In a page, the refresh token is in an HttpOnly cookie, which no script can read. Node has no cookie jar, so it gets the
// refresh token in the body, as a native client does.
const transport = globalThis.document ? "cookie" : "body";
let tokens = {};

export async function run(base, email, password) {
  async function ask(path, body) {
    const headers = { Accept: "application/json", "Content-Type": "application/json" };
    if (!body) headers.Authorization = `Bearer ${tokens.accessToken}`;
    const answer = await fetch(base + path, { method: body ? "POST" : "GET", body: body && JSON.stringify(body), headers });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  tokens = await ask("/jwt/auth/login", { email, password, transport });
  const said = [await ask("/jwt/api/whoami"), await ask("/jwt/api/profile")];
  tokens = await ask("/jwt/auth/refresh", { refreshToken: tokens.refreshToken });
  said.push(await ask("/jwt/auth/logout", { refreshToken: tokens.refreshToken }));
  return said;
}

if (globalThis.process?.argv[1]?.endsWith("jwt.mjs")) console.log(await run(...process.argv.slice(2)));
