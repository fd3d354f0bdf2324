/** Logging in with tokens, from a web page. Copy this file; it needs no other.
 * NEEDS, under one address of the page's origin: `auth/login`, `auth/refresh`, `auth/reauthenticate`, `auth/password`, giving
 * {accessToken, expiresIn} and keeping the refresh token in an HttpOnly cookie; `auth/logout` and
 * `auth/logout-everywhere`; refusals as {error}; a server that repeats a refresh for ten seconds (answers get lost).
 * GIVES `createClient(base)`, an EventTarget that sends `change` when the token or one of these is another:
 *   state, reason   "unknown" (nobody was asked), "signed in", "signed out", "offline" (no logout); a sentence, or ""
 *   restore()       for page load: the cookie brings the login back, if it can; true or false
 *   login(email, password, remember), logout(), logoutEverywhere(), reauthenticate(password), changePassword(current, next)
 *   request(path, options)   `fetch` with the token, under `base` only. A token that ends within 30 seconds is replaced
 *       first (no timer: one sleeps with the tab, and keeps alive what nobody uses), one that is refused once after
 *   inspect()       the token, its claims, the seconds left: for a page that explains tokens
 * They reject with an Error: `status` is 0 if no answer came; `fields` and `retryAfter` (seconds) are as answered.
 * The token is in a closure: not in storage, the document or a global. Tabs take turns (Web Locks) with what changes
 * the cookie; without locks, each with itself. A logout reaches the other tabs. A tab never goes on as another person:
 * when somebody else logs in elsewhere it is signed out, says so, and waits to be loaded again. */
const [AHEAD, PATIENCE] = [30, 8]; // seconds; a refresh and its repetition must fit into the ten
const REFUSED = ["No token provided", "Token expired", "Invalid token", "Token revoked"];
const SAY = {
  "Invalid refresh token": "Your login has ended, by time or from elsewhere. If not by you, change your password.",
  "Refresh token already used":
    "An answer to this browser was lost on its way, so this login has ended. Your other logins have not. Log in again.",
  "Token reuse detected": "Somebody used an old token of yours; everything was logged out. Change your password.",
  out: "You are logged out.",
  elsewhere: "You logged out in another tab.",
  stranger: "Somebody logged in here, in another tab. Load this page again to go on as them.",
  away: "The server cannot be reached right now.",
};

export function createClient(base = "/jwt/") {
  const client = Object.assign(new EventTarget(), { state: "unknown", reason: "" });
  const root = new URL(base, location.href).href;
  const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(root) : null;
  // `login` counts logins and logouts: what was asked for before one of them is not handed out after it.
  let [token, subject, left, login, refreshing, turn, timer, pause] = ["", "", () => 0, 0, null, null, 0, 1];
  const exclusive = (work) => navigator.locks?.request(root, work) ?? (turn = Promise.resolve(turn).then(work, work));
  const restore = () => refresh().then(() => true, () => false);
  const forget = () => ([token, left, login] = ["", () => 0, login + 1]);
  const check = (mine) => mine === login || fail(client.reason || SAY.out, 401);
  function become(state, reason = "") {
    clearTimeout(timer);
    pause = state === "offline" ? Math.min(pause * 2, 60) : 1;
    if (state === "offline") timer = setTimeout(restore, pause * 1000);
    if (state === "signed out") forget((subject = ""));
    Object.assign(client, { state, reason }).dispatchEvent(new Event("change"));
  }
  function end(reason) {
    become("signed out", reason);
    fail(reason || SAY.out, 401);
  }
  function lose(error) {
    if ([0, 503].includes(error.status) && client.state !== "signed out") become("offline", error.message);
    throw error;
  }

  async function send(path, { patience = 30, ...options } = {}, bearer = token) {
    const [url, headers, mine] = [new URL(path, root).href, new Headers(options.headers), login];
    if (!url.startsWith(root)) throw new TypeError(`The token is for ${root} and not for ${url}.`);
    if (bearer) headers.set("Authorization", `Bearer ${bearer}`);
    const signal = options.signal ?? AbortSignal.timeout(patience * 1000);
    const response = await fetch(url, { cache: "no-store", ...options, headers, signal })
      .then(async (answer) => (await answer.clone().text(), answer)) // half of one is none
      .catch((error) => (options.signal?.aborted ? Promise.reject(error) : fail(SAY.away)));
    check(mine);
    return response;
  }
  async function authorized(path, options, replace) {
    const mine = login;
    if (client.state === "signed out") end(client.reason);
    if (left() < AHEAD) await replace();
    check(mine);
    const [used, response] = [token, await send(path, options)];
    if (response.status !== 401 || !REFUSED.includes((await bodyOf(response)).error)) return response;
    if (used === token) await replace();
    check(mine);
    return send(path, options);
  }

  async function renew() {
    const elapsed = stopwatch();
    const ask = () => send("auth/refresh", { method: "POST", patience: PATIENCE }, "");
    // If only the answer was lost, the server has rotated: again at once, while it repeats itself.
    const response = await ask().catch((error) => (error.status === 0 ? ask() : Promise.reject(error)));
    const body = await bodyOf(response);
    if (response.status === 401) end(SAY[body.error] ?? (subject && SAY["Invalid refresh token"]));
    if (!body.accessToken) fail(SAY.away, 503); // nothing but a 401 is a logout
    accept(body, elapsed);
  }
  function refresh(used = token) {
    refreshing ??= exclusive(() => used === token && renew()).catch(lose).finally(() => (refreshing = null));
    return refreshing; // one for all who ask, and none if the token was replaced before our turn came
  }
  function accept({ accessToken, expiresIn }, elapsed) {
    const { sub } = claimsOf(accessToken);
    if (subject && subject !== sub) end(SAY.stranger);
    [token, subject, left] = [accessToken, sub, () => expiresIn - elapsed()];
    become("signed in");
  }

  const obtain = (ask, anew = false) => exclusive(async () => {
    const elapsed = stopwatch();
    const body = await read(ask().catch(lose));
    if (anew) forget((subject = ""));
    accept(body, elapsed);
    if (anew) channel?.postMessage(subject);
  });
  const leave = (ask) => exclusive(async () => {
    await read(ask());
    channel?.postMessage("");
    become("signed out", SAY.out);
  });
  channel?.addEventListener("message", ({ data }) => {
    if (client.state === "signed out") become("signed out", data && SAY.stranger);
    else if (!data) become("signed out", SAY.elsewhere);
    else if (subject && subject !== data) become("signed out", SAY.stranger);
  });
  addEventListener("online", () => client.state === "offline" && restore((pause = 1))); // it may come too early
  addEventListener("offline", () => client.state !== "signed out" && become("offline", SAY.away));
  // A page that Back brings to life again begins anew: somebody else may press that button.
  addEventListener("pagehide", () => client.state !== "signed out" && become("unknown", "", forget()));
  addEventListener("pageshow", (event) => event.persisted && client.state === "unknown" && restore());
  return Object.assign(client, {
    restore,
    async request(path, options) {
      const response = await authorized(path, options, refresh).catch(lose);
      if (response.status === 503) become("offline", SAY.away);
      else if (client.state === "offline") become("signed in");
      return response;
    },
    login: (email, password, remember = false) =>
      obtain(() => send("auth/login", post({ email, password, remember }), ""), true),
    logout: () => leave(() => send("auth/logout", post())),
    logoutEverywhere: () => leave(() => authorized("auth/logout-everywhere", post(), renew)),
    reauthenticate: (password) => obtain(() => authorized("auth/reauthenticate", post({ password }), renew)),
    changePassword: (current, next) => obtain(() => authorized("auth/password", post({ current, new: next }), renew)),
    inspect: () => token && { token, claims: claimsOf(token), secondsLeft: left() },
  });
}

const bodyOf = (response) => response.clone().json().catch(() => ({}));
const claimsOf = (token) => JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
const post = (it) => ({ method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(it) });
function fail(message, status = 0, more = {}) {
  throw Object.assign(new Error(message), { status, ...more });
}
async function read(sent) {
  const response = await sent;
  const [body, retryAfter] = [await bodyOf(response), Number(response.headers.get("Retry-After"))];
  return response.ok ? body : fail(body.error ?? SAY.away, response.status, { ...body, retryAfter });
}
// Durations, for the clock may be wrong; the longer, for one stops while the machine sleeps and one can be set back.
const stopwatch = (steady = performance.now(), wall = Date.now()) =>
  () => Math.max(performance.now() - steady, Date.now() - wall) / 1000;
