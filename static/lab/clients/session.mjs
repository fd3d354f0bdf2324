// Logs in with a session, in a page of BASE or in Node: node session.mjs BASE EMAIL PASSWORD
const jar = new Map();
// A browser keeps the cookies and sends a Referer by itself, and lets no script set these headers. Node has no cookie
// jar, so this is one. Over https, Django requires a Referer beside the CSRF token.
const cookies = () => globalThis.document?.cookie ?? [...jar].map((pair) => pair.join("=")).join("; ");
// A login gives a new CSRF token, so it is read each time.
const csrf = () => /csrftoken=(\w+)/.exec(cookies())?.[1];

export async function run(base, email, password) {
  async function ask(path, body) {
    const headers = { Accept: "application/json", "Content-Type": "application/json" };
    Object.assign(headers, { Cookie: cookies(), Referer: base });
    if (body) headers["X-CSRFToken"] = csrf();
    const answer = await fetch(base + path, { method: body ? "POST" : "GET", body: body && JSON.stringify(body), headers });
    for (const line of answer.headers.getSetCookie()) jar.set(...line.split(";")[0].split(/=(.*)/, 2));
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }

  await ask("/session/api/"); // for the CSRF token
  return [
    await ask("/session/auth/login", { email, password }),
    await ask("/session/api/whoami"),
    await ask("/session/api/profile"),
    await ask("/session/auth/logout", {}),
  ];
}

if (globalThis.process?.argv[1]?.endsWith("session.mjs")) console.log(await run(...process.argv.slice(2)));
