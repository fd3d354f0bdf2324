/**
 * The page of the token flow: draws what client.js says and asks it for what is pressed.
 * Whatever belongs to somebody is made from a <template> when she is in, and taken out of the page when she is not.
 */
import { createClient } from "./client.js";
import { deviceName } from "./device-name.js";
import { momentOf, showToken, textIn } from "./token-view.js";

const find = (selector) => document.querySelector(selector);
const [title, lead, status, outside, inside] = ["#title", "#lead", "#state", "#outside", "#inside"].map(find);
const anonymous = { title: title.textContent, lead: lead.textContent };
const client = createClient(status.dataset.base);
const STATES = {
  unknown: "Asking the server whether you are logged in …",
  "signed in": "You are logged in.",
  "signed out": "You are not logged in.",
  offline: "Offline.",
};
let [busy, last, loading] = [false, "", null];

client.addEventListener("change", update);
find("#login").addEventListener("submit", submitted(logIn));

function update() {
  const now = client.reason || STATES[client.state];
  status.dataset.state = client.state;
  if (now !== last) say((last = now));
  outside.hidden = client.state !== "signed out";
  if (client.state === "signed in" && !inside.firstChild) enter();
  if (["signed out", "unknown"].includes(client.state) && inside.firstChild) leave();
}

function say(sentence) {
  status.textContent = sentence;
}

// ── In and out ──

function enter() {
  inside.replaceChildren(find("#signed-in").content.cloneNode(true));
  for (const button of inside.querySelectorAll("[data-do]")) {
    button.addEventListener("click", pressed(ACTIONS[button.dataset.do]));
  }
  find("#reauthenticate").addEventListener("submit", submitted(reauthenticate));
  find("#change").addEventListener("submit", submitted(change));
  showToken(client, find("[data-token]"));
  lead.textContent = "You are logged in with a token.";
  load();
}

function load(wait = 2) {
  const again = () => inside.firstChild && load(Math.min(wait * 2, 60));
  loading = Promise.all([profile(), devices()]).catch((error) => {
    report(error);
    setTimeout(again, wait * 1000);
  });
}

function leave() {
  const wasInside = inside.contains(document.activeElement);
  inside.replaceChildren();
  title.textContent = anonymous.title;
  lead.textContent = anonymous.lead;
  if (wasInside) title.focus();
}

async function logIn() {
  await client.login(find("#id_email").value, find("#id_password").value, find("#id_remember").checked);
  find("#login").reset();
  await loading;
  title.focus();
}

// ── What is asked for ──

async function ask(path, options) {
  const response = await client.request(path, options);
  const body = await response.json();
  if (!response.ok) throw Object.assign(new Error(`${body.error}.`), { status: response.status });
  return body;
}

async function profile() {
  const { data } = await ask("api/profile");
  find("[data-name]").textContent = data.name; // fails if she has left meanwhile
  title.textContent = data.name;
  find("dd[data-email]").textContent = data.email;
  find("[data-role]").textContent = data.role;
  for (const field of inside.querySelectorAll("input[data-email]")) field.value = data.email;
}

async function devices() {
  const list = (await ask("api/devices")).devices;
  inside.querySelector(".devices").replaceChildren(...list.map(deviceItem));
  find("#others").hidden = list.length < 2;
}

function deviceItem(device) {
  const item = find("#device").content.firstElementChild.cloneNode(true);
  const [heading, button] = [item.querySelector("h3"), item.querySelector("button")];
  const fill = (name, ...content) => item.querySelector(`[data-${name}]`).append(...content);
  heading.id = `device-${device.id}`;
  heading.append(deviceName(device.userAgent));
  fill("address", device.address || "unknown");
  fill("started", momentOf(device.started));
  fill("seen", momentOf(device.lastSeen));
  fill("remember", device.remember ? "yes" : "no");
  fill("ends", momentOf(device.ends));
  fill("agent", device.userAgent || "nothing");
  if (device.current) mark(item, heading);
  button.textContent = device.current ? "End this one and log out" : "End";
  button.setAttribute("aria-describedby", heading.id);
  button.addEventListener("click", pressed(device.current ? ACTIONS.logout : () => end(device)));
  return item;
}

function mark(item, heading) {
  const badge = textIn("span", "this device");
  badge.className = "badge";
  item.classList.add("token");
  heading.append(" ", badge);
}

// ── What is done ──

const ACTIONS = {
  logout: () => leaving(client.logout),
  everywhere: () => leaving(client.logoutEverywhere),
  async refresh() {
    if (await client.restore()) say("You have a new token.");
  },
  async staff() {
    const { message, error } = await (await client.request("api/staff")).json();
    say(`The staff page says: ${message ?? error}.`);
  },
  async others() {
    await ask("api/devices", { method: "DELETE" });
    await ended("The others were ended.");
  },
};

async function leaving(out) {
  await out().catch((error) => {
    if (error.status !== 401) say(`${error.message} You are still logged in.`);
  });
}

async function end(device) {
  await ask(`api/devices/${device.id}`, { method: "DELETE" });
  await ended(`Ended: ${deviceName(device.userAgent)}.`);
}

async function ended(sentence) {
  find("#devices").focus();
  await devices();
  say(sentence);
}

async function reauthenticate() {
  await client.reauthenticate(find("#id_reauthenticate").value);
  find("#reauthenticate").reset();
  say("Your password is confirmed.");
}

async function change() {
  await client.changePassword(find("#id_current").value, find("#id_new").value);
  find("#change").reset();
  await devices();
  say("Your password is changed. Every other login has ended.");
}

// ── How it is done ──

function submitted(action) {
  return (event) => {
    const form = event.currentTarget;
    event.preventDefault();
    form.querySelector(".problem")?.remove();
    for (const part of form.querySelectorAll(".wrong")) part.classList.remove("wrong");
    for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    attempt(action, (error) => complain(form, error));
  };
}

function pressed(action) {
  return () => attempt(action, report);
}

async function attempt(action, failed) {
  if (busy) return;
  busy = true;
  try {
    await action();
  } catch (error) {
    if (error.status === undefined) throw error;
    failed(error);
  } finally {
    busy = false;
  }
}

function report(error) {
  // That the login ended or the server is away has been said by then.
  if (client.state === "signed in") say(sentence(error));
}

function complain(form, error) {
  const [box, list] = [document.createElement("div"), document.createElement("ul")];
  Object.assign(box, { className: "problem", role: "alert", tabIndex: -1 });
  const fields = Object.entries(error.fields ?? {}).map(([name, errors]) => wrong(form, name, errors.join(" ")));
  list.append(...(fields.length ? fields : [textIn("li", sentence(error, form))]));
  box.append(list);
  form.querySelector(".field").before(box);
  box.focus();
}

function wrong(form, name, text) {
  const [field, item] = [form.querySelector(`[data-field="${CSS.escape(name)}"]`), document.createElement("li")];
  if (!field) return textIn("li", text);
  const link = textIn("a", `${field.labels[0].textContent}: ${text}`);
  link.href = `#${field.id}`;
  field.closest(".field").classList.add("wrong");
  field.setAttribute("aria-invalid", "true");
  item.append(link);
  return item;
}

function sentence(error, form) {
  if (error.status === 429) return `Too many attempts. Try again in ${Math.ceil(error.retryAfter / 60)} minutes.`;
  if (error.message !== "Invalid credentials") return error.message;
  return form.id === "login" ? "This e-mail address and password do not belong together." : "This is not your password.";
}

update();
client.restore();
