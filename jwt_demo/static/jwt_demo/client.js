/**
 * Logs the user in with tokens, from a web page. Copy this file. It needs no other file.
 *
 *     const client = createClient("/jwt/");
 *     client.addEventListener("change", () => console.log(client.state, client.reason));
 *     await client.restore();
 *     const response = await client.request("api/profile");
 *
 * The server answers POST requests at these addresses. They are under one address. It may be of another origin of the
 * page's site, if the server trusts the origin of the page and lets its scripts read the answers (CORS).
 *
 * - `auth/login`, `auth/refresh`, `auth/reauthenticate` and `auth/password` answer `{accessToken, expiresIn}`, with
 *   `expiresIn` in seconds. They keep the refresh token in an HttpOnly cookie.
 * - `auth/logout` and `auth/logout-everywhere` end the login and clear the cookie.
 * - Each address refuses a request with `{error}`, and with `{error, fields}` when single fields are wrong.
 * - An answer can get lost. For ten seconds the server repeats its answer to a refresh that is sent again.
 *
 * The access token is in a private field. It is not in storage, in the document or in a global variable.
 *
 * Tabs take turns with everything that changes the cookie, by Web Locks, if their pages are of one origin. In a
 * browser without Web Locks, each tab takes turns only with itself. A logout reaches the other tabs. A tab never
 * continues as another user: when another user logs in in another tab, this tab is signed out, says so, and waits
 * until the user loads the page again.
 */

/**
 * What the client knows about the login.
 *
 * - `"unknown"`: the client has not heard from the server since the page was shown.
 * - `"signed in"`: the client has a token.
 * - `"signed out"`: the user is not logged in.
 * - `"offline"`: the server cannot be reached. This is not a logout, and the client tries again by itself.
 *
 * @typedef {"unknown" | "signed in" | "signed out" | "offline"} ClientState
 */

/**
 * The error with which the methods of the client reject.
 *
 * - `status` is the HTTP status of the refusal. It is 0 when no answer came, 401 when the login has ended or another
 *   one has begun, and 503 when the server gives no token where it should.
 * - `fields` says what is wrong with each field, as the server answers it.
 * - `retryAfter` is the number of seconds to wait, as the server answers it, or 0.
 *
 * @typedef {Error & {status: number, fields?: Record<string, string[]>, retryAfter?: number}} ClientError
 */

/**
 * A response whose body has arrived and can still be read, and the text of that body. Without the text, the client
 * would have to wait for the body again, and the user could log out meanwhile.
 *
 * @typedef {{response: Response, text: string}} Answer
 */

// All times are in seconds.

// A token that ends sooner is replaced before it is sent, because it could end on its way. A timer would not do: it
// stops while the tab sleeps, and it keeps a login alive that the user no longer uses.
const REFRESH_AHEAD = 30;
const PATIENCE = 30;
// With ten or more, the server would get the second attempt at a refresh when it no longer repeats its answer, and
// would end the login.
const REFRESH_PATIENCE = 8;
// The delay doubles with each attempt until it is the longest.
const FIRST_RETRY_DELAY = 2;
const LONGEST_RETRY_DELAY = 60;

// The server is away: no answer came, or the server says that it is unavailable.
const OUTAGE_STATUSES = [0, 503];
// A new token can cure these errors. It would not help after another 401, such as that for a wrong password.
const TOKEN_REFUSALS = ["No token provided", "Token expired", "Invalid token", "Token revoked"];

// What the user reads.
const SENTENCES = {
  loggedOut: "You are logged out.",
  loggedOutInAnotherTab: "You logged out in another tab.",
  anotherUser: "Somebody logged in here, in another tab. Load this page again to go on as them.",
  unreachable: "The server cannot be reached right now.",
  loginEnded: "Your login has ended, by time or from elsewhere. If not by you, change your password.",
};

/** @type {Record<string, string>} What the user reads when the server refuses a refresh with this error. */
const REFRESH_REFUSALS = {
  "Invalid refresh token": SENTENCES.loginEnded,
  "Refresh token already used":
    "An answer to this browser was lost on its way, so this login has ended. Your other logins have not. Log in again.",
  "Token reuse detected": "Somebody used an old token of yours; everything was logged out. Change your password.",
};

/**
 * Creates a client for the server at `base`. It sends nothing until one of its methods is called.
 *
 * @param {string} [base] The address of the server, with a slash at its end.
 * @param {string} [loginField] The name of the field that says who logs in: `email` or `username`, as the server has it.
 * @param {string} [api] The client sends the token to addresses that begin with this one, and to no others. `base` is
 *     among them.
 * @returns {TokenClient}
 * @throws {TypeError} When `base` or `api` is not an address.
 */
export function createClient(base = "/jwt/", loginField = "email", api = base) {
  return new TokenClient(base, loginField, api);
}

/**
 * A login that the page can use. It sends the event `change` when the token, `state` or `reason` changes.
 *
 * The public methods are arrow functions, so that a page can pass `client.logout` on as it is.
 */
class TokenClient extends EventTarget {
  /** @type {ClientState} */
  state = "unknown";
  /** A sentence for the user that says why the state is what it is, or an empty string. */
  reason = "";
  /** The address of login, refresh and logout. It is also the name of the lock and of the channel. */
  #baseUrl;
  /** The address with which every request begins. */
  #apiUrl;
  /** @type {RequestCredentials} */
  #credentials;
  #loginField;
  /** @type {BroadcastChannel | null} It is `null` in a browser that has no such channels. */
  #channel = null;
  /** The token, or an empty string. */
  #accessToken = "";
  /** The user that this tab belongs to, or an empty string. It outlives the token while the page is hidden. */
  #userId = "";
  /** Tells how many seconds the token has left. */
  #countSecondsLeft = () => 0;
  /** Grows with each login and logout. Without it, an answer to one user could be handed out to the next one. */
  #loginNumber = 0;
  /** @type {Promise<void> | null} */
  #refreshUnderWay = null;
  /** @type {Promise<any>} Ends with the last turn of this tab. Only a browser without Web Locks uses it. */
  #lastTurn = Promise.resolve();
  /** @type {ReturnType<typeof setTimeout> | undefined} It is `undefined` when no attempt is due. */
  #retryTimer;
  #retryDelay = FIRST_RETRY_DELAY;

  /**
   * @param {string} base
   * @param {string} loginField
   * @param {string} api
   */
  constructor(base, loginField, api) {
    super();
    this.#loginField = loginField;
    this.#baseUrl = new URL(base, location.href).href;
    this.#apiUrl = new URL(api, location.href).href;
    // With "same-origin", the browser would keep no cookie of a server at another origin, and would send it none.
    this.#credentials = this.#baseUrl.startsWith(`${location.origin}/`) ? "same-origin" : "include";
    if ("BroadcastChannel" in globalThis) this.#channel = new BroadcastChannel(this.#baseUrl);
    this.#channel?.addEventListener("message", (event) => this.#hearOtherTab(event.data));
    globalThis.addEventListener("online", () => this.#handleOnline());
    globalThis.addEventListener("offline", () => this.#handleOffline());
    globalThis.addEventListener("pagehide", () => this.#handlePageHide());
    globalThis.addEventListener("pageshow", (event) => this.#handlePageShow(event));
  }

  /**
   * Brings the login back with the cookie. A page calls this when it loads, or to get a new token.
   *
   * @returns {Promise<boolean>} Whether the client has a token now. It never rejects. `state` and `reason` say why.
   */
  restore = async () => {
    try {
      await this.#refresh();
    } catch {
      return false;
    }
    // The user may have logged out while the refresh waited for its turn.
    return this.#accessToken !== "";
  };

  /**
   * Sends a request with the token, as `fetch` does.
   *
   * A token that ends within 30 seconds is replaced first. When the server refuses the token, the client replaces it
   * and sends the request a second time. As with `fetch`, an answer with any HTTP status resolves.
   *
   * @param {string | URL} path An address, as seen from the base of the client.
   * @param {RequestInit} [options]
   * @returns {Promise<Response>} The answer. Its body has arrived and can still be read.
   * @throws {ClientError} When no answer comes, or when there is no login or it changes before the answer comes.
   * @throws {TypeError} When the token is not for that address.
   * @throws {any} The reason of the abort, when the `signal` in the options is aborted.
   */
  request = async (path, options = {}) => {
    const sent = this.#sendWithToken(path, options, () => this.#refresh());
    const { response } = await this.#noticeOutage(sent);
    if (response.status === 503) {
      this.#changeState("offline", SENTENCES.unreachable);
    } else if (this.state === "offline") {
      this.#changeState("signed in");
    }
    return response;
  };

  /**
   * Logs the user in. The user who was logged in before, if any, is forgotten.
   *
   * @param {string} name The e-mail address or user name.
   * @param {string} password
   * @param {boolean} [remember] Whether the login outlives the browser session.
   * @returns {Promise<void>}
   * @throws {ClientError}
   */
  login = (name, password, remember = false) =>
    this.#takeTurn(() => this.#logInNow({ [this.#loginField]: name, password, remember }));

  /**
   * Logs the user out in this browser, and in its other tabs.
   *
   * @returns {Promise<void>}
   * @throws {ClientError} This tab then stays logged in, unless the status is 401.
   */
  logout = () => this.#takeTurn(() => this.#logOutHere());

  /**
   * Logs the user out in every browser.
   *
   * @returns {Promise<void>}
   * @throws {ClientError} This tab then stays logged in, unless the status is 401.
   */
  logoutEverywhere = () => this.#takeTurn(() => this.#logOutEverywhere());

  /**
   * Proves the password again and gets a new token, which the server trusts for what needs a recent proof.
   *
   * @param {string} password
   * @returns {Promise<void>}
   * @throws {ClientError} With status 401 also when the password is wrong.
   */
  reauthenticate = (password) => this.#takeTurn(() => this.#provePassword("auth/reauthenticate", { password }));

  /**
   * Gives the user a new password, and this tab a new token.
   *
   * @param {string} current
   * @param {string} next
   * @returns {Promise<void>}
   * @throws {ClientError} With status 401 also when the current password is wrong.
   */
  changePassword = (current, next) =>
    this.#takeTurn(() => this.#provePassword("auth/password", { current, new: next }));

  /**
   * Tells what is in the token, for a page that explains tokens.
   *
   * @returns {{token: string, claims: Record<string, any>, secondsLeft: number} | null} `null` without a token.
   */
  inspect = () => {
    if (!this.#accessToken) return null;
    const claims = claimsOf(this.#accessToken);
    const secondsLeft = this.#countSecondsLeft();
    return { token: this.#accessToken, claims, secondsLeft };
  };

  // ── Other tabs and the browser ──

  /** @param {string} userId The user who logged in in another tab, or an empty string after a logout there. */
  #hearOtherTab(userId) {
    if (this.state === "signed out") {
      // The old reason may no longer be true, such as that another user is logged in.
      const reason = userId ? SENTENCES.anotherUser : "";
      this.#changeState("signed out", reason);
    } else if (!userId) {
      this.#changeState("signed out", SENTENCES.loggedOutInAnotherTab);
    } else if (this.#userId && this.#userId !== userId) {
      this.#changeState("signed out", SENTENCES.anotherUser);
    }
  }

  #handleOnline() {
    if (this.state !== "offline") return;
    // The event can come before the network works. With a long delay, the next attempt would be a minute away.
    this.#stopRetrying();
    this.restore();
  }

  #handleOffline() {
    if (this.state !== "signed out") this.#changeState("offline", SENTENCES.unreachable);
  }

  #handlePageHide() {
    if (this.state === "signed out") return;
    // The Back button can show a hidden page again, and another person may press it. With the token, that person
    // would be logged in. The user id stays, or the page would continue as the other person.
    this.#forgetToken();
    // A page that is shown again would share the failure of a refresh from before, and its state would stay unknown.
    this.#refreshUnderWay = null;
    this.#changeState("unknown");
  }

  /** @param {PageTransitionEvent} event */
  #handlePageShow(event) {
    // The script of a page that the Back button shows again does not run again, so nothing else asks the server.
    if (event.persisted && this.state === "unknown") this.restore();
  }

  // ── Login, logout and password. Each of these runs within a turn. ──

  /** @param {Record<string, string | boolean>} credentials */
  async #logInNow(credentials) {
    const readStopwatch = startStopwatch();
    const options = postOptions(credentials);
    const sent = this.#send("auth/login", options, "");
    const answer = await this.#noticeOutage(sent);
    const content = contentOf(answer);
    assertToken(content);
    // Without this, `#accept` would refuse a user who is not the previous one, and the next user could get an answer
    // to a request of the previous one.
    this.#forgetUser();
    this.#accept(content, readStopwatch);
    this.#channel?.postMessage(this.#userId);
  }

  async #logOutHere() {
    const options = postOptions();
    const answer = await this.#send("auth/logout", options);
    this.#completeLogout(answer);
  }

  async #logOutEverywhere() {
    const options = postOptions();
    const answer = await this.#sendWithToken("auth/logout-everywhere", options, () => this.#refreshNow());
    this.#completeLogout(answer);
  }

  /** @param {Answer} answer */
  #completeLogout(answer) {
    // Without this, the page would say "logged out" although the server has refused the logout.
    contentOf(answer);
    this.#channel?.postMessage("");
    this.#changeState("signed out", SENTENCES.loggedOut);
  }

  /**
   * @param {string} path
   * @param {object} proof
   */
  async #provePassword(path, proof) {
    const readStopwatch = startStopwatch();
    const options = postOptions(proof);
    const sent = this.#sendWithToken(path, options, () => this.#refreshNow());
    const answer = await this.#noticeOutage(sent);
    const content = contentOf(answer);
    assertToken(content);
    this.#accept(content, readStopwatch);
  }

  // ── Requests with the token ──

  /**
   * Sends a request with a token that is fresh, and once more when the server refuses that token.
   *
   * @param {string | URL} path
   * @param {RequestInit} options
   * @param {() => Promise<void>} replaceToken Within a turn it is `#refreshNow`. `#refresh` would wait for a turn of
   *     its own, and that wait would never end.
   * @returns {Promise<Answer>}
   */
  async #sendWithToken(path, options, replaceToken) {
    if (this.state === "signed out") throw this.#loggedOutError();
    const loginNumber = this.#loginNumber;
    if (this.#countSecondsLeft() < REFRESH_AHEAD) await replaceToken();
    this.#assertLogin(loginNumber);
    const tokenSent = this.#accessToken;
    const answer = await this.#send(path, options);
    if (!isTokenRefused(answer)) return answer;
    // Another request may have replaced the token while this one waited. A second refresh would waste that token.
    if (tokenSent === this.#accessToken) await replaceToken();
    this.#assertLogin(loginNumber);
    return this.#send(path, options);
  }

  /**
   * Lets the state become offline when `pending` finds the server away.
   *
   * @template Result
   * @param {Promise<Result>} pending
   * @returns {Promise<Result>}
   */
  async #noticeOutage(pending) {
    try {
      return await pending;
    } catch (error) {
      const isOutage = OUTAGE_STATUSES.includes(error.status);
      // A user who is signed out needs the login form, which a page takes away when the client is offline.
      if (isOutage && this.state !== "signed out") this.#changeState("offline", error.message);
      throw error;
    }
  }

  // ── The refresh ──

  /** Replaces the token. All callers share one refresh. */
  #refresh() {
    this.#refreshUnderWay ??= this.#startRefresh();
    return this.#refreshUnderWay;
  }

  async #startRefresh() {
    const tokenBefore = this.#accessToken;
    const turn = this.#takeTurn(async () => {
      // A login may have replaced the token before the turn came, and a second new token would be of no use. A logout
      // may have removed it, and a refresh would ask for a login that has ended.
      if (tokenBefore === this.#accessToken) await this.#refreshNow();
    });
    try {
      await this.#noticeOutage(turn);
    } finally {
      this.#refreshUnderWay = null;
    }
  }

  /** Replaces the token. The caller holds the turn. */
  async #refreshNow() {
    const readStopwatch = startStopwatch();
    const answer = await this.#askForRefresh();
    if (answer.response.status === 401) {
      const reason = this.#reasonOfRefusal(answer);
      this.#endLogin(reason);
    }
    const content = jsonOf(answer);
    assertToken(content);
    this.#accept(content, readStopwatch);
  }

  async #askForRefresh() {
    const loginNumber = this.#loginNumber;
    const send = () => this.#send("auth/refresh", { method: "POST" }, "", REFRESH_PATIENCE);
    try {
      return await send();
    } catch (error) {
      if (error.status !== 0) throw error;
      // Without this, the second attempt would undo a logout that happened during the first one.
      this.#assertLogin(loginNumber);
      // Perhaps only the answer was lost, and the server repeats it for ten seconds. A later attempt would be refused,
      // and the login would be over.
      return send();
    }
  }

  /** @param {Answer} answer */
  #reasonOfRefusal(answer) {
    const { error } = jsonOf(answer);
    // A browser without a login is refused too. Its user would read that a login has ended which never was.
    const otherwise = this.#userId ? SENTENCES.loginEnded : "";
    return REFRESH_REFUSALS[error] ?? otherwise;
  }

  /**
   * Runs `work` when no other turn is running, in this tab or in another one. Without turns, two tabs would change
   * the cookie at once, and the answer that arrives last would overwrite the other one.
   *
   * @param {() => Promise<void>} work
   * @returns {Promise<any>} It rejects when `work` does.
   */
  #takeTurn(work) {
    if (navigator.locks) return navigator.locks.request(this.#baseUrl, work);
    // With only the first `work`, one turn that fails would make all later turns fail.
    this.#lastTurn = this.#lastTurn.then(work, work);
    return this.#lastTurn;
  }

  // ── One request ──

  /**
   * @param {string | URL} path
   * @param {RequestInit} options
   * @param {string} [bearerToken] The token to send, or an empty string to send none.
   * @param {number} [patience] The seconds to wait for the answer.
   * @returns {Promise<Answer>}
   */
  async #send(path, options, bearerToken = this.#accessToken, patience = PATIENCE) {
    const loginNumber = this.#loginNumber;
    const url = this.#urlOf(path);
    const headers = new Headers(options.headers);
    if (bearerToken) headers.set("Authorization", `Bearer ${bearerToken}`);
    // With the cache, one user could get an answer that was meant for another.
    /** @type {RequestInit} */
    const standard = { cache: "no-store", credentials: this.#credentials };
    const answer = await fetchWhole(url, { ...standard, ...options, headers }, patience);
    this.#assertLogin(loginNumber);
    return answer;
  }

  /** @param {string | URL} path */
  #urlOf(path) {
    const url = new URL(path, this.#baseUrl);
    // Without this check, the page could send the token to another server.
    if (!url.href.startsWith(this.#apiUrl)) {
      throw new TypeError(`The token is for ${this.#apiUrl} and not for ${url.href}.`);
    }
    return url.href;
  }

  // ── The login ──

  /**
   * Takes a new token, unless it belongs to another user.
   *
   * @param {{accessToken: string, expiresIn: number}} content
   * @param {() => number} readStopwatch It was started before the request, because the token ages while its answer is
   *     on its way.
   */
  #accept({ accessToken, expiresIn }, readStopwatch) {
    const { sub } = claimsOf(accessToken);
    // The tabs share one cookie. After a login in another tab it brings the token of the user who logged in there.
    if (this.#userId && this.#userId !== sub) this.#endLogin(SENTENCES.anotherUser);
    this.#accessToken = accessToken;
    this.#userId = sub;
    this.#countSecondsLeft = () => expiresIn - readStopwatch();
    this.#changeState("signed in");
  }

  /**
   * @param {string} reason
   * @returns {never}
   */
  #endLogin(reason) {
    this.#changeState("signed out", reason);
    throw this.#loggedOutError();
  }

  /** @param {number} loginNumber The number of the login when the request began. */
  #assertLogin(loginNumber) {
    if (loginNumber !== this.#loginNumber) throw this.#loggedOutError();
  }

  #loggedOutError() {
    const message = this.reason || SENTENCES.loggedOut;
    return clientError(message, 401);
  }

  /**
   * @param {ClientState} state
   * @param {string} [reason]
   */
  #changeState(state, reason = "") {
    if (state === "offline") {
      this.#scheduleRetry();
    } else {
      this.#stopRetrying();
    }
    // A tab that is signed out may be logging in. To forget the user again would make that login fail.
    if (state === "signed out" && this.state !== "signed out") this.#forgetUser();
    this.state = state;
    this.reason = reason;
    const event = new Event("change");
    this.dispatchEvent(event);
  }

  #scheduleRetry() {
    // Each request that waits reports the outage. Without this, each of them would postpone the attempt.
    this.#retryTimer ??= setTimeout(() => this.#retry(), this.#retryDelay * 1000);
  }

  #retry() {
    this.#retryTimer = undefined;
    this.#retryDelay = Math.min(this.#retryDelay * 2, LONGEST_RETRY_DELAY);
    this.restore();
  }

  #stopRetrying() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#retryDelay = FIRST_RETRY_DELAY;
  }

  #forgetUser() {
    this.#userId = "";
    this.#forgetToken();
  }

  #forgetToken() {
    this.#accessToken = "";
    this.#countSecondsLeft = () => 0;
    this.#loginNumber += 1;
  }
}

/**
 * @param {object} [content] What to send as JSON. Without it, the request has no body.
 * @returns {RequestInit}
 */
function postOptions(content) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(content);
  return { method: "POST", headers, body };
}

/**
 * @param {Answer} answer
 * @returns {any} What the server answers.
 * @throws {ClientError} With the status of the answer when the server refuses.
 */
function contentOf(answer) {
  const { response } = answer;
  const content = jsonOf(answer);
  if (response.ok) return content;
  const message = content.error ?? SENTENCES.unreachable;
  const retryAfter = Number(response.headers.get("Retry-After"));
  throw clientError(message, response.status, { fields: content.fields, retryAfter });
}

/** @param {any} content */
function assertToken(content) {
  // Without this, the error page of a proxy would end in an exception without a status, and the client would not try
  // again. Only a 401 is a logout.
  if (!content.accessToken) throw clientError(SENTENCES.unreachable, 503);
}

/** @param {Answer} answer */
function isTokenRefused(answer) {
  if (answer.response.status !== 401) return false;
  const { error } = jsonOf(answer);
  return TOKEN_REFUSALS.includes(error);
}

/**
 * @param {Answer} answer
 * @returns {any} The body, or an empty object when the body is not JSON.
 */
function jsonOf(answer) {
  try {
    return JSON.parse(answer.text) ?? {};
  } catch {
    // A proxy answers with HTML. The caller would get a SyntaxError and never see the status.
    return {};
  }
}

/**
 * @param {string} url
 * @param {RequestInit} options With a `signal`, the caller decides how long to wait.
 * @param {number} patience Seconds.
 * @returns {Promise<Answer>}
 */
async function fetchWhole(url, options, patience) {
  const signal = options.signal ?? AbortSignal.timeout(patience * 1000);
  try {
    const response = await fetch(url, { ...options, signal });
    // The connection can break in the middle of the body, and the caller could not read the same body again.
    const copy = response.clone();
    const text = await copy.text();
    return { response, text };
  } catch (error) {
    // An abort by the caller is not an outage, and must not make the client offline.
    if (options.signal?.aborted) throw error;
    throw clientError(SENTENCES.unreachable, 0);
  }
}

/**
 * @param {string} message
 * @param {number} status
 * @param {{fields?: Record<string, string[]>, retryAfter?: number}} [details]
 * @returns {ClientError}
 */
function clientError(message, status, details = {}) {
  const error = new Error(message);
  return Object.assign(error, { status, ...details });
}

/**
 * @param {string} accessToken
 * @returns {Record<string, any>} The claims in the token. They are not verified: only the server can do that.
 */
function claimsOf(accessToken) {
  const payload = accessToken.split(".")[1];
  const base64 = payload.replaceAll("-", "+").replaceAll("_", "/");
  const json = atob(base64);
  return JSON.parse(json);
}

/** @returns {() => number} Tells how many seconds have passed since now. */
function startStopwatch() {
  const steadyStart = performance.now();
  const clockStart = Date.now();
  return () => {
    const steadyMilliseconds = performance.now() - steadyStart;
    const clockMilliseconds = Date.now() - clockStart;
    // The steady time can stop while the machine sleeps, and the clock can be set back. With one of them alone, a
    // token could seem to have more time left than it has.
    return Math.max(steadyMilliseconds, clockMilliseconds) / 1000;
  };
}
