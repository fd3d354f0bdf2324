/**
 * The login of one tab: the token, the user, and the state that the page shows. It sends no request.
 */
import { SENTENCES, claimsOf, clientError } from "./answers.js";

/** @typedef {import("./answers.js").ClientError} ClientError */

/**
 * What the client knows about the login.
 *
 * - `"unknown"`: the client has not heard from the server since the page was shown.
 * - `"logged in"`: the client has a token.
 * - `"logged out"`: the user is not logged in.
 * - `"offline"`: the server cannot be reached. This is not a logout, and the client tries again by itself.
 *
 * @typedef {"unknown" | "logged in" | "logged out" | "offline"} ClientState
 */

// No answer came, or the server says that it is unavailable.
const OUTAGE_STATUSES = [0, 503];

// Both are in seconds. The delay doubles with each attempt until it is the longest.
const FIRST_RETRY_DELAY = 2;
const LONGEST_RETRY_DELAY = 60;

export class Login {
  /** @type {ClientState} */
  state = "unknown";
  /** A sentence for the user that says why the state is what it is, or an empty string. */
  reason = "";
  #handleChange;
  #tryAgain;
  /** The token, or an empty string. */
  #accessToken = "";
  /** The user of this tab, or an empty string. It stays while the page is hidden, when the token is forgotten. */
  #userId = "";
  /** Returns the seconds that the token has left. */
  #countSecondsLeft = () => 0;
  /** Grows with each login and logout. Without it, the next user could get an answer to a request of this one. */
  #number = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} It is `undefined` when no attempt is due. */
  #retryTimer;
  #retryDelay = FIRST_RETRY_DELAY;

  /**
   * @param {() => void} handleChange Called when the token, `state` or `reason` has changed.
   * @param {() => void} tryAgain Called a while after the server could not be reached.
   */
  constructor(handleChange, tryAgain) {
    this.#handleChange = handleChange;
    this.#tryAgain = tryAgain;
  }

  get accessToken() {
    return this.#accessToken;
  }

  get userId() {
    return this.#userId;
  }

  /** The seconds that the token has left. */
  get secondsLeft() {
    return this.#countSecondsLeft();
  }

  get number() {
    return this.#number;
  }

  /** @returns {{token: string, claims: Record<string, any>, secondsLeft: number} | null} `null` without a token. */
  inspect() {
    if (!this.#accessToken) return null;
    const claims = claimsOf(this.#accessToken);
    const secondsLeft = this.#countSecondsLeft();
    return { token: this.#accessToken, claims, secondsLeft };
  }

  /**
   * Takes a new token, unless it belongs to another user.
   *
   * @param {{accessToken: string, expiresIn: number}} content
   * @param {() => number} readStopwatch It was started before the request, because the token ages while its answer is
   *     on its way.
   * @throws {ClientError} When the token belongs to another user.
   */
  accept({ accessToken, expiresIn }, readStopwatch) {
    const { sub } = claimsOf(accessToken);
    // The tabs share one cookie. After a login in another tab, it brings a token of the user who logged in there.
    if (this.#userId && this.#userId !== sub) this.end(SENTENCES.anotherUser);
    this.#accessToken = accessToken;
    this.#userId = sub;
    this.#countSecondsLeft = () => expiresIn - readStopwatch();
    this.changeState("logged in");
  }

  /**
   * @param {string} reason
   * @returns {never}
   */
  end(reason) {
    this.changeState("logged out", reason);
    throw this.loggedOutError();
  }

  /**
   * @param {number} number The number of the login when the request began.
   * @throws {ClientError} When the login has ended, or another one has begun.
   */
  assertCurrent(number) {
    if (number !== this.#number) throw this.loggedOutError();
  }

  loggedOutError() {
    const message = this.reason || SENTENCES.loggedOut;
    return clientError(message, 401);
  }

  /** @param {string} userId The user who logged in in another tab, or an empty string after a logout there. */
  hearOtherTab(userId) {
    if (this.state === "logged out") {
      // The old reason, such as that another user is logged in, may no longer be true.
      const reason = userId ? SENTENCES.anotherUser : "";
      this.changeState("logged out", reason);
    } else if (!userId) {
      this.changeState("logged out", SENTENCES.loggedOutElsewhere);
    } else if (this.#userId && this.#userId !== userId) {
      this.changeState("logged out", SENTENCES.anotherUser);
    }
  }

  /**
   * Waits for `pending`, and changes the state to offline when the server cannot be reached.
   *
   * @template Result
   * @param {Promise<Result>} pending
   * @returns {Promise<Result>}
   */
  async noticeOutage(pending) {
    try {
      return await pending;
    } catch (error) {
      const isOutage = OUTAGE_STATUSES.includes(error.status);
      // A user who is logged out needs the login form. A page hides it when the client is offline.
      if (isOutage && this.state !== "logged out") this.changeState("offline", error.message);
      throw error;
    }
  }

  /**
   * @param {ClientState} state
   * @param {string} [reason]
   */
  changeState(state, reason = "") {
    if (state === "offline") {
      this.#scheduleRetry();
    } else {
      this.stopRetrying();
    }
    // A tab that is already logged out may be logging in. To forget the user again would make that login fail.
    if (state === "logged out" && this.state !== "logged out") this.forgetUser();
    this.state = state;
    this.reason = reason;
    this.#handleChange();
  }

  #scheduleRetry() {
    // Each waiting request reports the outage. Without `??=`, each of them would start an attempt of its own.
    this.#retryTimer ??= setTimeout(() => this.#retry(), this.#retryDelay * 1000);
  }

  #retry() {
    this.#retryTimer = undefined;
    this.#retryDelay = Math.min(this.#retryDelay * 2, LONGEST_RETRY_DELAY);
    this.#tryAgain();
  }

  stopRetrying() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#retryDelay = FIRST_RETRY_DELAY;
  }

  forgetUser() {
    this.#userId = "";
    this.forgetToken();
  }

  forgetToken() {
    this.#accessToken = "";
    this.#countSecondsLeft = () => 0;
    this.#number += 1;
  }
}
