/**
 * Reads the server's answers, and holds the sentences for the user. Nothing here keeps a state.
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

// What the user reads.
export const SENTENCES = {
  loggedOut: "You are logged out.",
  loggedOutElsewhere: "You logged out elsewhere in this browser.",
  anotherUser: "Another user logged in here, in another tab. Load this page again to go on as that user.",
  unreachable: "The server cannot be reached right now.",
  loginEnded: "Your token login has ended: it expired, or it was ended elsewhere. If you did not end it, change your password.",
  accessRevoked:
    "Your access was revoked, by an administrator or because your account was changed, so this token login has ended. If your account is still active, log in again.",
};

// After these errors, the same request can succeed with a new token. After another 401, such as the one for a wrong
// password, it cannot.
const TOKEN_REFUSALS = ["No token provided", "Token expired", "Invalid token", "Token revoked"];

/** @type {Record<string, string>} What the user reads when the server refuses a refresh with this error. */
const REFRESH_REFUSALS = {
  "Invalid refresh token": SENTENCES.loginEnded,
  "Access revoked": SENTENCES.accessRevoked,
  "Refresh token already used":
    "An answer to this browser was lost on its way, so this token login has ended. Your other logins have not. Log in again.",
  "Token reuse detected": "Somebody used an old token of yours, so all your logins have ended. Change your password.",
};

/**
 * @param {object} [content] What to send as JSON. Without it, the request has no body.
 * @returns {RequestInit}
 */
export function postOptions(content) {
  const headers = { "Content-Type": "application/json" };
  const body = JSON.stringify(content);
  return { method: "POST", headers, body };
}

/**
 * @param {Answer} answer
 * @returns {any} What the server answers.
 * @throws {ClientError} With the status of the answer when the server refuses.
 */
export function contentOf(answer) {
  const { response } = answer;
  const content = jsonOf(answer);
  if (response.ok) return content;
  const message = content.error ?? SENTENCES.unreachable;
  const retryAfter = Number(response.headers.get("Retry-After"));
  throw clientError(message, response.status, { fields: content.fields, retryAfter });
}

/** @param {any} content */
export function assertToken(content) {
  // An answer without a token is the error page of a proxy, and not a logout. Without this, the exception would have no
  // status, and the client would not try again.
  if (!content.accessToken) throw clientError(SENTENCES.unreachable, 503);
}

/** @param {Answer} answer */
export function isTokenRefused(answer) {
  if (answer.response.status !== 401) return false;
  const { error } = jsonOf(answer);
  return TOKEN_REFUSALS.includes(error);
}

/**
 * @param {Answer} answer The refusal of a refresh.
 * @param {string} userId The user who was logged in, or an empty string.
 */
export function reasonOfRefusal(answer, userId) {
  const { error } = jsonOf(answer);
  // The server also refuses a browser in which the user was never logged in. That user must not read that a login has
  // ended.
  const otherwise = userId ? SENTENCES.loginEnded : "";
  return REFRESH_REFUSALS[error] ?? otherwise;
}

/**
 * @param {Answer} answer
 * @returns {any} The body, or an empty object when the body is not JSON.
 */
export function jsonOf(answer) {
  try {
    return JSON.parse(answer.text) ?? {};
  } catch {
    // A proxy may answer with HTML. Without this, the caller would get a SyntaxError and never see the status.
    return {};
  }
}

/**
 * @param {string} url
 * @param {RequestInit} options With a `signal`, the caller decides how long to wait.
 * @param {number} patience Seconds.
 * @returns {Promise<Answer>}
 */
export async function fetchWhole(url, options, patience) {
  const signal = options.signal ?? AbortSignal.timeout(patience * 1000);
  try {
    const response = await fetch(url, { ...options, signal });
    // The connection can break in the middle of the body. A body can be read only once, so the copy is read here.
    const copy = response.clone();
    const text = await copy.text();
    return { response, text };
  } catch (error) {
    // The caller aborted the request. As an outage, that would make the client offline.
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
export function clientError(message, status, details = {}) {
  const error = new Error(message);
  return Object.assign(error, { status, ...details });
}

/**
 * @param {string} accessToken
 * @returns {Record<string, any>} The claims in the token. They are not verified: only the server can do that.
 */
export function claimsOf(accessToken) {
  const payload = accessToken.split(".")[1];
  const base64 = payload.replaceAll("-", "+").replaceAll("_", "/");
  const json = atob(base64);
  return JSON.parse(json);
}

/** @returns {() => number} A function that returns the seconds since the start. */
export function startStopwatch() {
  const steadyStart = performance.now();
  const clockStart = Date.now();
  return () => {
    const steadyMilliseconds = performance.now() - steadyStart;
    const clockMilliseconds = Date.now() - clockStart;
    // `performance.now()` can stop while the machine sleeps, and the clock can be set back. With only one of them, a
    // token could seem to have more time left than it has.
    return Math.max(steadyMilliseconds, clockMilliseconds) / 1000;
  };
}
