/**
 * The panel on the browsable API's pages: logs in, and asks the page's own address with the token.
 * Navigation carries no token, so what DRF drew below is the answer to nobody.
 */
import { createClient } from "./client.js";
import { showToken, textIn } from "./token-view.js";

const find = (selector) => document.querySelector(selector);
const panel = find("#token-panel");
const [status, form, inside] = ["[role=status]", "#token-login", "#token-inside"].map((part) => panel.querySelector(part));
const client = createClient(panel.dataset.base);
const methods = panel.dataset.methods.split(" ").filter((method) => method !== "OPTIONS");
const STATES = {
  unknown: "Asking the server whether you are logged in …",
  "signed in": "You are logged in.",
  "signed out": "You are not logged in.",
  offline: "Offline.",
};
// What changes the tokens is the client's to do: it waits for its turn among the tabs, and keeps what comes.
const VERBS = {
  "auth/refresh": () => client.restore(),
  "auth/reauthenticate": ({ password }) => client.reauthenticate(password),
  "auth/password": (body) => client.changePassword(body.current, body.new),
  "auth/logout": () => client.logout(),
  "auth/logout-everywhere": () => client.logoutEverywhere(),
};
const path = location.pathname.slice(new URL(panel.dataset.base, location).pathname.length);

client.addEventListener("change", update);
form.addEventListener("submit", logIn);

function update() {
  status.textContent = client.reason || STATES[client.state];
  form.hidden = client.state !== "signed out";
  if (client.state === "signed in" && !inside.firstChild) enter();
  if (["signed out", "unknown"].includes(client.state)) inside.replaceChildren();
}

function enter() {
  inside.replaceChildren(find("#token-signed-in").content.cloneNode(true));
  showToken(client, find("[data-token]"));
  find("#token-logout").addEventListener("click", logOut);
  find("#token-method").append(...methods.map((method) => textIn("option", method)));
  find("#token-method").addEventListener("change", chosen);
  find("#token-send").addEventListener("submit", submitted);
  find("#token-send").hidden = path === "auth/login";
  find("#token-answer").hidden = true;
  chosen();
  if (methods.includes("GET")) answer(() => send("GET"));
}

function chosen() {
  find("#token-body").parentElement.hidden = !["POST", "PUT", "PATCH"].includes(find("#token-method").value);
}

function submitted(event) {
  event.preventDefault();
  const [method, body] = [find("#token-method").value, find("#token-body").value];
  answer(() => (path in VERBS ? change(body) : send(method, body)));
}

async function send(method, body) {
  const written = !find("#token-body").parentElement.hidden && body;
  const options = written ? { body, headers: { "Content-Type": "application/json" } } : {};
  const response = await client.request(location.href, { method, ...options });
  return `HTTP ${response.status} ${response.statusText}\n\n${await readable(response)}`;
}

async function change(body) {
  await VERBS[path](JSON.parse(body || "{}"));
  return "Done. The new tokens are not shown here: one is in a cookie, the other with this panel.";
}

/** Shows what `ask` resolves to, or why it failed. */
async function answer(ask) {
  let text;
  try {
    text = await ask();
  } catch (error) {
    if (error.status === undefined && !(error instanceof SyntaxError)) throw error;
    const details = error.fields ? `\n\n${JSON.stringify(error.fields, null, 4)}` : "";
    text = error.status ? `HTTP ${error.status}\n\n${error.message}${details}` : error.message;
  }
  if (!inside.firstChild) return;
  find("#token-answer pre").textContent = text;
  find("#token-answer").hidden = false;
}

async function readable(response) {
  const text = await response.text();
  try {
    return JSON.stringify(JSON.parse(text), null, 4);
  } catch {
    return text;
  }
}

async function logIn(event) {
  event.preventDefault();
  const complaint = form.querySelector("[role=alert]");
  complaint.textContent = "";
  try {
    await client.login(find("#token-email").value, find("#token-password").value, find("#token-remember").checked);
    form.reset();
    find("#token-panel-title").focus();
  } catch (error) {
    if (error.status === undefined) throw error;
    complaint.textContent = sentence(error);
  }
}

function sentence({ status, message, retryAfter }) {
  if (status === 401) return "This e-mail address and password do not belong together.";
  return status === 429 ? `Too many attempts. Try again in ${Math.ceil(retryAfter / 60)} minutes.` : message;
}

async function logOut() {
  try {
    await client.logout();
    find("#token-panel-title").focus();
  } catch (error) {
    status.textContent = `${error.message} You are still logged in.`;
  }
}

update();
client.restore();
