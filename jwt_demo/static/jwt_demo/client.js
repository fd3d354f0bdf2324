/**
 * Logs the user in with tokens, from a web page.
 *
 *     const client = createClient("/jwt/");
 *     client.addEventListener("change", () => console.log(client.state, client.reason));
 *     await client.restore();
 *     const response = await client.request("api/profile");
 *
 * To use it in another project, copy this file and those beside it that it imports: `answers.js`, `login.js` and
 * `tabs.js`. They need nothing else.
 *
 * The server answers POST requests at the addresses below, under one base address. The base address may belong to
 * another origin of the same site, if the server trusts the page's origin and lets its scripts read the answers (CORS).
 *
 * - `auth/login`, `auth/refresh`, `auth/reauthenticate` and `auth/password` answer `{accessToken, expiresIn}`, with
 *   `expiresIn` in seconds. They keep the refresh token in an HttpOnly cookie.
 * - `auth/logout` and `auth/logout-everywhere` end the login and clear the cookie.
 * - Each address refuses a request with `{error}`, and with `{error, fields}` when single fields are wrong.
 * - An answer can get lost. For ten seconds the server repeats its answer to a refresh that is sent again.
 *
 * The access token is in a private field. It is not in storage, in the document or in a global variable.
 *
 * Only one tab at a time changes the cookie: the tabs of one origin take turns by Web Locks. In a browser without Web
 * Locks, each tab takes turns only with itself. A logout reaches the other tabs. A tab never continues as another user:
 * when another user logs in in another tab, this tab is logged out, says so, and waits until the page is loaded again.
 */
import {
  SENTENCES,
  assertToken,
  contentOf,
  fetchWhole,
  isTokenRefused,
  jsonOf,
  postOptions,
  reasonOfRefusal,
  startStopwatch,
} from "./answers.js";
import { Login } from "./login.js";
import { Tabs } from "./tabs.js";

/** @typedef {import("./answers.js").Answer} Answer */
/** @typedef {import("./answers.js").ClientError} ClientError */
/** @typedef {import("./login.js").ClientState} ClientState */

// All times are in seconds.

// A token that ends sooner is replaced before it is sent, because it could expire on its way. A timer is no substitute:
// it stops while the tab sleeps, and it would keep a login alive that the user no longer uses.
const REFRESH_AHEAD = 30;
const PATIENCE = 30;
// The server repeats its answer for ten seconds. If the client waited that long, its second attempt would come too
// late, and the server would end the login.
const REFRESH_PATIENCE = 8;

/**
 * Creates a client for the server at `base`. It sends nothing until one of its methods is called.
 *
 * @param {string} [base] The address of the server, with a slash at its end.
 * @param {string} [loginField] The name of the field that says who logs in: `email` or `username`, as the server has it.
 * @param {string} [api] The client sends the token to addresses that begin with this one, and to no others. `base`
 *     must begin with it too.
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
  /** The token, the user and the state. */
  #login = new Login(() => this.dispatchEvent(new Event("change")), () => this.restore());
  #tabs;
  /** The address of login, refresh and logout. It is also the name of the lock and of the channel. */
  #baseUrl;
  /** The address with which every request begins. */
  #apiUrl;
  /** @type {RequestCredentials} */
  #credentials;
  #loginField;
  /** @type {Promise<void> | null} */
  #refreshUnderWay = null;

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
    this.#tabs = new Tabs(this.#baseUrl, (userId) => this.#login.hearOtherTab(userId));
    globalThis.addEventListener("online", () => this.#handleOnline());
    globalThis.addEventListener("offline", () => this.#handleOffline());
    globalThis.addEventListener("pagehide", () => this.#handlePageHide());
    globalThis.addEventListener("pageshow", (event) => this.#handlePageShow(event));
  }

  /** @returns {ClientState} */
  get state() {
    return this.#login.state;
  }

  /** A sentence for the user that says why the state is what it is, or an empty string. */
  get reason() {
    return this.#login.reason;
  }

  /**
   * Gets a new token with the cookie. A page calls this when it loads, to bring the login back.
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
    return this.#login.accessToken !== "";
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
    const { response } = await this.#login.noticeOutage(sent);
    if (response.status === 503) {
      this.#login.changeState("offline", SENTENCES.unreachable);
    } else if (this.state === "offline") {
      this.#login.changeState("logged in");
    }
    return response;
  };

  /**
   * Logs the user in. The client forgets the user who was logged in before.
   *
   * @param {string} name The e-mail address or user name.
   * @param {string} password
   * @param {boolean} [remember] Whether the login outlives the browser session.
   * @returns {Promise<void>}
   * @throws {ClientError}
   */
  login = (name, password, remember = false) =>
    this.#tabs.takeTurn(() => this.#logInNow({ [this.#loginField]: name, password, remember }));

  /**
   * Logs the user out in this browser, and in its other tabs.
   *
   * @returns {Promise<void>}
   * @throws {ClientError} This tab then stays logged in, unless the status is 401.
   */
  logout = () => this.#tabs.takeTurn(() => this.#logOutHere());

  /**
   * Logs the user out in every browser.
   *
   * @returns {Promise<void>}
   * @throws {ClientError} This tab then stays logged in, unless the status is 401.
   */
  logoutEverywhere = () => this.#tabs.takeTurn(() => this.#logOutEverywhere());

  /**
   * Sends the password again and gets a new token, which the server accepts where it requires a recent password check.
   *
   * @param {string} password
   * @returns {Promise<void>}
   * @throws {ClientError} With status 401 also when the password is wrong.
   */
  reauthenticate = (password) => this.#tabs.takeTurn(() => this.#provePassword("auth/reauthenticate", { password }));

  /**
   * Changes the user's password and gets a new token for this tab.
   *
   * @param {string} current
   * @param {string} next
   * @returns {Promise<void>}
   * @throws {ClientError} With status 401 also when the current password is wrong.
   */
  changePassword = (current, next) =>
    this.#tabs.takeTurn(() => this.#provePassword("auth/password", { current, new: next }));

  /**
   * Returns the token and what is in it, for a page that explains tokens.
   *
   * @returns {{token: string, claims: Record<string, any>, secondsLeft: number} | null} `null` without a token.
   */
  inspect = () => this.#login.inspect();

  // ── Other tabs and the browser ──

  #handleOnline() {
    if (this.state !== "offline") return;
    // The event can come before the network works. With a long delay, the next attempt would be a minute away.
    this.#login.stopRetrying();
    this.restore();
  }

  #handleOffline() {
    if (this.state !== "logged out") this.#login.changeState("offline", SENTENCES.unreachable);
  }

  #handlePageHide() {
    if (this.state === "logged out") return;
    // The Back button can show a hidden page again, and another person may press it. With the token, that person
    // would be logged in. The user id stays, or the page would continue as the other person.
    this.#login.forgetToken();
    // Without this, a page that is shown again would share the failure of the earlier refresh and stay unknown.
    this.#refreshUnderWay = null;
    this.#login.changeState("unknown");
  }

  /** @param {PageTransitionEvent} event */
  #handlePageShow(event) {
    // When the Back button shows a page again, its script does not run again. Only this event asks the server.
    if (event.persisted && this.state === "unknown") this.restore();
  }

  // ── Login, logout and password. Each of these runs within a turn. ──

  /** @param {Record<string, string | boolean>} credentials */
  async #logInNow(credentials) {
    const readStopwatch = startStopwatch();
    const options = postOptions(credentials);
    const sent = this.#send("auth/login", options, "");
    const answer = await this.#login.noticeOutage(sent);
    const content = contentOf(answer);
    assertToken(content);
    // Without this, `accept` would refuse a user who is not the previous one, and the new user could get an answer to
    // a request of the previous one.
    this.#login.forgetUser();
    this.#login.accept(content, readStopwatch);
    this.#tabs.tell(this.#login.userId);
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
    this.#tabs.tell("");
    this.#login.changeState("logged out", SENTENCES.loggedOut);
  }

  /**
   * @param {string} path
   * @param {object} proof
   */
  async #provePassword(path, proof) {
    const readStopwatch = startStopwatch();
    const options = postOptions(proof);
    const sent = this.#sendWithToken(path, options, () => this.#refreshNow());
    const answer = await this.#login.noticeOutage(sent);
    const content = contentOf(answer);
    assertToken(content);
    this.#login.accept(content, readStopwatch);
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
    if (this.state === "logged out") throw this.#login.loggedOutError();
    const loginNumber = this.#login.number;
    if (this.#login.secondsLeft < REFRESH_AHEAD) await replaceToken();
    this.#login.assertCurrent(loginNumber);
    const tokenSent = this.#login.accessToken;
    const answer = await this.#send(path, options);
    if (!isTokenRefused(answer)) return answer;
    // Another request may have replaced the token meanwhile. A second refresh would waste that token.
    if (tokenSent === this.#login.accessToken) await replaceToken();
    this.#login.assertCurrent(loginNumber);
    return this.#send(path, options);
  }

  // ── The refresh ──

  /** Replaces the token. All callers share one refresh. */
  #refresh() {
    this.#refreshUnderWay ??= this.#startRefresh();
    return this.#refreshUnderWay;
  }

  async #startRefresh() {
    const tokenBefore = this.#login.accessToken;
    const turn = this.#tabs.takeTurn(async () => {
      // Before this turn came, a login may have replaced the token, and a second new token would be of no use. Or a
      // logout may have removed it, and the refresh would be refused.
      if (tokenBefore === this.#login.accessToken) await this.#refreshNow();
    });
    try {
      await this.#login.noticeOutage(turn);
    } finally {
      this.#refreshUnderWay = null;
    }
  }

  /** Replaces the token. The caller holds the turn. */
  async #refreshNow() {
    const readStopwatch = startStopwatch();
    const answer = await this.#askForRefresh();
    if (answer.response.status === 401) {
      const reason = reasonOfRefusal(answer, this.#login.userId);
      this.#login.end(reason);
    }
    const content = jsonOf(answer);
    assertToken(content);
    this.#login.accept(content, readStopwatch);
  }

  async #askForRefresh() {
    const loginNumber = this.#login.number;
    const send = () => this.#send("auth/refresh", { method: "POST" }, "", REFRESH_PATIENCE);
    try {
      return await send();
    } catch (error) {
      if (error.status !== 0) throw error;
      // Without this, the second attempt would undo a logout that happened during the first one.
      this.#login.assertCurrent(loginNumber);
      // Perhaps only the answer was lost. The server repeats it for ten seconds. It refuses a later attempt and ends
      // the login.
      return send();
    }
  }

  // ── One request ──

  /**
   * @param {string | URL} path
   * @param {RequestInit} options
   * @param {string} [bearerToken] The token to send, or an empty string to send none.
   * @param {number} [patience] The seconds to wait for the answer.
   * @returns {Promise<Answer>}
   */
  async #send(path, options, bearerToken = this.#login.accessToken, patience = PATIENCE) {
    const loginNumber = this.#login.number;
    const url = this.#urlOf(path);
    const headers = new Headers(options.headers);
    if (bearerToken) headers.set("Authorization", `Bearer ${bearerToken}`);
    // With the cache, one user could get an answer that was meant for another.
    /** @type {RequestInit} */
    const standard = { cache: "no-store", credentials: this.#credentials };
    const answer = await fetchWhole(url, { ...standard, ...options, headers }, patience);
    this.#login.assertCurrent(loginNumber);
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
}
