/**
 * The panel on the pages of the browsable API. It logs the user in, and sends requests with the token to the page's
 * own address. A browser sends no token when it opens an address, so the rest of the page shows the answer that a
 * visitor without a login gets.
 */
import { createClient } from "./client.js";
import { showToken, textIn } from "./token-view.js";

/** @typedef {import("./client.js").ClientError} ClientError */

const panel = find("#token-panel");
const title = find("#token-panel-title");
const status = find("#token-panel [role=status]");
const loginForm = find("#token-login");
const inside = find("#token-inside");
const client = createClient(panel.dataset.base, panel.dataset.loginField);

/** The methods that the page's address allows. */
const METHODS = panel.dataset.methods.split(" ").filter((method) => method !== "OPTIONS");

/** The page's address under the base of the client. */
const PATH = location.pathname.slice(new URL(panel.dataset.base, location.href).pathname.length);

const STATES = {
  "unknown": "Asking the server whether you are logged in …",
  "logged in": "You are logged in.",
  "logged out": "You are not logged in.",
  "offline": "Offline.",
};

/**
 * At these addresses a method of the client sends the request. It waits for its turn among the tabs, and keeps the new
 * token. A plain request would lose that token.
 *
 * @type {Record<string, (body: any) => Promise<unknown>>}
 */
const CLIENT_METHODS = {
  "auth/refresh": () => client.restore(),
  "auth/reauthenticate": (body) => client.reauthenticate(body.password),
  "auth/password": (body) => client.changePassword(body.current, body.new),
  "auth/logout": () => client.logout(),
  "auth/logout-everywhere": () => client.logoutEverywhere(),
};

client.addEventListener("change", update);
loginForm.addEventListener("submit", logIn);
update();
client.restore();

/**
 * @param {string} selector
 * @returns {any} The element. Its kind depends on the template.
 */
function find(selector) {
  return document.querySelector(selector);
}

/** Shows the state of the client. */
function update() {
  status.textContent = client.reason || STATES[client.state];
  loginForm.hidden = client.state !== "logged out";
  if (client.state === "logged in" && !inside.firstChild) enter();
  if (client.state === "logged out" || client.state === "unknown") inside.replaceChildren();
}

// ── For a user who is logged in ──

function enter() {
  const content = find("#token-logged-in").content.cloneNode(true);
  const options = METHODS.map((method) => textIn("option", method));
  inside.replaceChildren(content);
  showToken(client, find("[data-token]"));
  find("#token-method").append(...options);
  find("#token-method").addEventListener("change", showBodyField);
  find("#token-send").addEventListener("submit", submit);
  find("#token-send").hidden = PATH === "auth/login";
  find("#token-answer").hidden = true;
  find("#token-logout").addEventListener("click", logOut);
  showBodyField();
  if (METHODS.includes("GET")) showAnswer(send("GET"));
}

/** Shows the field for the body, if the chosen method sends one. */
function showBodyField() {
  const method = find("#token-method").value;
  find("#token-body").parentElement.hidden = !["POST", "PUT", "PATCH"].includes(method);
}

/** @param {SubmitEvent} event */
function submit(event) {
  event.preventDefault();
  const method = find("#token-method").value;
  const body = find("#token-body").value;
  const answer = PATH in CLIENT_METHODS ? callClient(body) : send(method, body);
  showAnswer(answer);
}

/**
 * Sends the request that the user has put together.
 *
 * @param {string} method
 * @param {string} [body]
 * @returns {Promise<string>} The answer, for the user to read.
 */
async function send(method, body) {
  const isBodySent = body && !find("#token-body").parentElement.hidden;
  const content = isBodySent ? { body, headers: { "Content-Type": "application/json" } } : {};
  const response = await client.request(location.href, { method, ...content });
  const text = await readableText(response);
  return `HTTP ${response.status} ${response.statusText}\n\n${text}`;
}

/**
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function readableText(response) {
  const text = await response.text();
  try {
    const content = JSON.parse(text);
    return JSON.stringify(content, null, 4);
  } catch {
    return text;
  }
}

/**
 * Calls the method of the client for the page's address.
 *
 * @param {string} body
 * @returns {Promise<string>}
 */
async function callClient(body) {
  const content = JSON.parse(body || "{}");
  await CLIENT_METHODS[PATH](content);
  return "Done. The new tokens are not shown here: one is in a cookie, the other with this panel.";
}

/**
 * Shows the answer, or why there is none.
 *
 * @param {Promise<string>} answer
 */
async function showAnswer(answer) {
  const text = await answer.catch(failureText);
  // The user may be logged out by now, and then the element for the answer is gone.
  if (!inside.firstChild) return;
  find("#token-answer pre").textContent = text;
  find("#token-answer").hidden = false;
}

/**
 * @param {ClientError | SyntaxError} error
 * @returns {string}
 * @throws {Error} When the error is a fault of the script.
 */
function failureText(error) {
  if (error instanceof SyntaxError) return error.message;
  if (error.status === undefined) throw error;
  if (error.status === 0) return error.message;
  const details = error.fields ? `\n\n${JSON.stringify(error.fields, null, 4)}` : "";
  return `HTTP ${error.status}\n\n${error.message}${details}`;
}

// ── Login and logout ──

/** @param {SubmitEvent} event */
async function logIn(event) {
  event.preventDefault();
  const complaint = find("#token-login [role=alert]");
  const name = find("#token-name").value;
  const password = find("#token-password").value;
  const remember = find("#token-remember").checked;
  complaint.textContent = "";
  try {
    await client.login(name, password, remember);
    loginForm.reset();
    title.focus();
  } catch (error) {
    if (error.status === undefined) throw error;
    complaint.textContent = loginFailureText(error);
  }
}

/**
 * @param {ClientError} error
 * @returns {string}
 */
function loginFailureText({ status, message, retryAfter = 0 }) {
  if (status === 401) {
    const name = find("label[for=token-name]").textContent.toLowerCase();
    return `This ${name} and password do not belong together.`;
  }
  if (status === 429) return `Too many attempts. Try again in ${Math.ceil(retryAfter / 60)} minutes.`;
  return message;
}

async function logOut() {
  try {
    await client.logout();
    title.focus();
  } catch (error) {
    status.textContent = `${error.message} You are still logged in.`;
  }
}
