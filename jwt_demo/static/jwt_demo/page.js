/**
 * The page of the token flow. It shows the state of the client, and lets the client do what the user presses.
 * The part for a user who is logged in is made from a <template> at the login, and removed at the logout.
 */
import { SENTENCES, clientError } from "./answers.js";
import { createClient } from "./client.js";
import { clearComplaints, complain, failureSentence } from "./complaints.js";
import { deviceName } from "./device-name.js";
import { agoOf, momentOf, showToken, textIn } from "./token-view.js";

/** @typedef {import("./client.js").ClientError} ClientError */

/**
 * One login of the user, as the server describes it. The times are in ISO 8601.
 *
 * @typedef {object} Device
 * @property {string} id
 * @property {string} address
 * @property {string} started
 * @property {string} lastSeen
 * @property {string} ends
 * @property {boolean} remember
 * @property {string} userAgent
 * @property {boolean} current Whether it is the login of this browser.
 */

const title = find("#title");
const lead = find("#lead");
const status = find("#state");
const outside = find("#outside");
const inside = find("#inside");
const client = createClient(status.dataset.base, status.dataset.loginField);

/** What the page says to a user who is not logged in. */
const TEXTS_OUTSIDE = { title: title.textContent, lead: lead.textContent };

const STATES = {
  "unknown": "Asking the server whether you are logged in …",
  "logged in": "You are logged in.",
  "logged out": "You are not logged in.",
  "offline": "Offline.",
};

/** Seconds. */
const FIRST_RETRY_DELAY = 2;
const LONGEST_RETRY_DELAY = 60;

/** @type {Record<string, () => Promise<void>>} What the buttons marked `data-do` do. */
const ACTIONS = {
  staff: tryStaffPage,
  refresh: getNewToken,
  logout: () => leaveBy(client.logout),
  others: endOtherDevices,
  everywhere: () => leaveBy(logOutEverywhere),
};

/** Whether an action is running. Without this, a second press would send the same request again. */
let isBusy = false;

/** The sentence about the state that the page showed last. */
let stateSaid = "";

/** @type {Promise<unknown>} Settles when the page shows the user's profile and devices. */
let loading = Promise.resolve();

client.addEventListener("change", update);
find("#login").addEventListener("submit", (event) => submit(event, logIn));
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
  const sentence = stateSentence();
  status.dataset.state = client.state;
  // The event also comes when only the token has changed. Then the message of the last action must stay.
  if (sentence !== stateSaid) {
    stateSaid = sentence;
    say(sentence);
  }
  outside.hidden = client.state !== "logged out";
  if (client.state === "logged in" && !inside.firstChild) enter();
  if ((client.state === "logged out" || client.state === "unknown") && inside.firstChild) leave();
}

/** The project's page may say in `data-beside` that the user is logged in by other means too. */
function stateSentence() {
  const { beside } = status.dataset;
  if (client.state !== "logged out" || !beside) return client.reason || STATES[client.state];
  if (client.reason === SENTENCES.loggedOut) return `Your token login has ended. ${beside}`;
  return client.reason || beside;
}

/** @param {string} sentence */
function say(sentence) {
  status.textContent = sentence;
}

// ── Login and logout ──

function enter() {
  const content = find("#logged-in").content.cloneNode(true);
  inside.replaceChildren(content);
  for (const button of inside.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => press(ACTIONS[button.dataset.do]));
  }
  find("#reauthenticate").addEventListener("submit", (event) => submit(event, reauthenticate));
  find("#change").addEventListener("submit", (event) => submit(event, changePassword));
  showToken(client, find("[data-token]"));
  lead.textContent = "You are logged in with a token.";
  load();
}

/**
 * Shows what the server knows about the user, and tries again when it does not answer.
 *
 * @param {number} [retryDelay] Seconds.
 */
function load(retryDelay = FIRST_RETRY_DELAY) {
  const shown = [showProfile(), showDevices()];
  loading = Promise.all(shown).catch((error) => {
    report(error);
    setTimeout(() => loadAgain(retryDelay), retryDelay * 1000);
  });
}

/** @param {number} retryDelay The seconds that have passed since the last attempt. */
function loadAgain(retryDelay) {
  const nextDelay = Math.min(retryDelay * 2, LONGEST_RETRY_DELAY);
  if (inside.firstChild) load(nextDelay);
}

function leave() {
  const hadFocus = inside.contains(document.activeElement);
  inside.replaceChildren();
  title.textContent = TEXTS_OUTSIDE.title;
  lead.textContent = TEXTS_OUTSIDE.lead;
  // The focused element is gone. Without this, the keyboard would start again at the top of the page.
  if (hadFocus) title.focus();
}

async function logIn() {
  const name = find("#login [autocomplete=username]").value;
  const password = find("#id_password").value;
  const remember = find("#id_remember").checked;
  await client.login(name, password, remember);
  find("#login").reset();
  // Not awaited: until this action ends, the page ignores presses of the buttons that it already shows.
  loading.then(focusTitle);
}

/** Moves the focus from the hidden login form to the title, unless the user has already moved it. */
function focusTitle() {
  if (inside.firstChild && !inside.contains(document.activeElement)) title.focus();
}

// ── What the server knows about the user ──

async function showProfile() {
  const { data } = await ask("api/profile");
  // The user may be logged out by now, and then the elements for the data are gone.
  if (!inside.firstChild) return;
  title.textContent = data.name;
  find("[data-name]").textContent = data.name;
  const email = find("dd[data-email]");
  email.textContent = data.email;
  email.parentElement.hidden = !data.email;
  find("[data-role]").textContent = data.role;
  for (const field of inside.querySelectorAll("input[data-username]")) {
    field.value = data.email || data.name;
  }
}

async function showDevices() {
  const { devices } = await ask("api/devices");
  if (!inside.firstChild) return;
  const others = devices.filter((/** @type {Device} */ device) => !device.current);
  const current = devices.filter((/** @type {Device} */ device) => device.current);
  find("#inside .devices").replaceChildren(...[...current, ...others].map(deviceItem));
  find("#others").hidden = others.length === 0;
  find("#others ul").replaceChildren(...others.map(otherItem));
}

/** @param {Device} device */
function otherItem(device) {
  const item = document.createElement("li");
  item.append(`${deviceName(device.userAgent)}, `, ...whereAndWhen(device));
  return item;
}

/** @param {Device} device */
function whereAndWhen(device) {
  return [`from ${device.address || "an unknown address"}, last used `, agoOf(device.lastSeen)];
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>} The body of the answer.
 * @throws {ClientError} Also when the server refuses.
 */
async function ask(path, options) {
  const response = await client.request(path, options);
  const body = await response.json();
  if (response.ok) return body;
  const error = new Error(`${body.error}.`);
  throw Object.assign(error, { status: response.status });
}

/** @param {Device} device */
function deviceItem(device) {
  const item = find("#device").content.firstElementChild.cloneNode(true);
  const heading = item.querySelector("h3");
  const name = deviceName(device.userAgent);
  heading.id = `device-${device.id}`;
  heading.append(name);
  fillFacts(item, device);
  if (device.current) markAsCurrent(item, heading);
  const seen = item.querySelector("[data-seen]");
  seen.id = `seen-${device.id}`;
  setUpEndButton(item.querySelector("button"), device, `${heading.id} ${seen.id}`);
  return item;
}

/**
 * @param {Element} item
 * @param {Device} device
 */
function fillFacts(item, device) {
  const facts = {
    "[data-started]": momentOf(device.started),
    "[data-ends]": momentOf(device.ends),
    "[data-agent]": device.userAgent || "nothing",
  };
  for (const [selector, fact] of Object.entries(facts)) {
    item.querySelector(selector)?.append(fact);
  }
  item.querySelector("[data-seen]")?.append("Logged in ", ...whereAndWhen(device));
  item.querySelector(device.remember ? "[data-forgotten]" : "[data-remembered]")?.remove();
}

/**
 * @param {Element} item
 * @param {Element} heading
 */
function markAsCurrent(item, heading) {
  const badge = textIn("span", "this browser");
  badge.className = "badge";
  item.classList.add("token");
  heading.append(" ", badge);
}

/**
 * @param {HTMLButtonElement} button
 * @param {Device} device
 * @param {string} description The ids of what tells this login from the others.
 */
function setUpEndButton(button, device, description) {
  const action = device.current ? ACTIONS.logout : () => endDevice(device);
  button.textContent = device.current ? "End this one and log out" : "End";
  button.setAttribute("aria-describedby", description);
  button.addEventListener("click", () => press(action));
}

// ── What the buttons and the forms do ──

async function tryStaffPage() {
  const response = await client.request("api/staff");
  const { message, error } = await response.json();
  say(`The staff page says: ${message ?? error}.`);
}

async function getNewToken() {
  const isRestored = await client.restore();
  if (isRestored) say("You have a new token.");
}

/** @param {() => Promise<void>} logOut */
async function leaveBy(logOut) {
  try {
    await logOut();
  } catch (error) {
    // After a 401 the user is logged out, and the client has said why.
    if (error.status !== 401) say(`${error.message} You are still logged in.`);
  }
}

function logOutEverywhere() {
  // The other login ends too.
  delete status.dataset.beside;
  return client.logoutEverywhere();
}

async function endOtherDevices() {
  await ask("api/devices", { method: "DELETE" });
  find("#others details").open = false;
  await showEnd("All your other token logins were ended. This one goes on.");
}

/** @param {Device} device */
async function endDevice(device) {
  const name = deviceName(device.userAgent);
  await ask(`api/devices/${device.id}`, { method: "DELETE" });
  await showEnd(`${name} was ended.`);
}

/** @param {string} sentence */
async function showEnd(sentence) {
  // The button that the user pressed is removed with its device. Without this, the focus would be lost.
  find("#devices").focus();
  await showDevices();
  say(sentence);
}

async function reauthenticate() {
  const password = find("#id_reauthenticate").value;
  await client.reauthenticate(password);
  find("#reauthenticate").reset();
  say("Your password is confirmed.");
}

async function changePassword() {
  const current = find("#id_current").value;
  const next = find("#id_new").value;
  if (next !== find("#id_again").value) {
    throw clientError("", 400, { fields: { again: ["The two password fields didn’t match."] } });
  }
  await client.changePassword(current, next);
  find("#change").reset();
  await showDevices();
  say("Your password is changed. Every other login has ended.");
}

// ── How an action runs and fails ──

/** @param {() => Promise<void>} action */
function press(action) {
  return attempt(action, report);
}

/**
 * @param {SubmitEvent} event
 * @param {() => Promise<void>} action
 */
function submit(event, action) {
  const form = /** @type {HTMLFormElement} */ (event.currentTarget);
  event.preventDefault();
  clearComplaints(form);
  return attempt(action, (error) => complain(form, error));
}

/**
 * Runs the action, unless another one is running.
 *
 * @param {() => Promise<void>} action
 * @param {(error: ClientError) => void} handleFailure
 * @throws {Error} When the error is a fault of the script.
 */
async function attempt(action, handleFailure) {
  if (isBusy) return;
  isBusy = true;
  try {
    await action();
  } catch (error) {
    if (error.status === undefined) throw error;
    handleFailure(error);
  } finally {
    isBusy = false;
  }
}

/** @param {ClientError} error */
function report(error) {
  // In another state, the page already says that the login has ended or that the server cannot be reached.
  if (client.state === "logged in") say(failureSentence(error));
}
