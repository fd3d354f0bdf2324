/**
 * Runs both lanes of the home page: it logs in at the real addresses and shows what the server did for it.
 * A script can see neither Set-Cookie nor the store, so the steps light up by what the server has recorded.
 */
import { createClient } from "../jwt_demo/client.js";
import { h } from "./dom.js";
import { account, difference } from "./home-steps.js";
import { transcript } from "./sequence.js";

const panel = document.querySelector(".drive");
const [status, differs, who] = ["[role=status]", ".difference", "#who"].map((part) => panel.querySelector(part));
const buttons = [...panel.querySelectorAll("[data-do]")];
const client = createClient(panel.dataset.jwt);
const still = matchMedia("(prefers-reduced-motion: reduce)");
let [run, busy, lit] = ["", false, new Set()];

const ACTIONS = { login, profile: () => both("api/profile"), staff: () => both("api/staff"), logout };
const SAID = {
  login: ["Logging in both ways …", "Logged in, both ways. Now open the profile."],
  profile: ["Opening the profile both ways …", "The profile was opened, both ways."],
  staff: ["Asking for the staff page both ways …", "The staff page was asked for, both ways."],
  logout: ["Logging out both ways …", "Logged out, both ways. The recording has ended."],
};

for (const button of buttons) button.addEventListener("click", () => act(button.dataset.do));
for (const step of document.querySelectorAll(".lane li[id]")) {
  const label = `Address of step ${step.id.split("-").at(-1)} of the ${step.id.split("-")[0]} lane`;
  step.querySelector("strong").after(h("a", { class: "here", href: `#${step.id}`, "aria-label": label }, "#"));
}
for (const part of [panel, ...document.querySelectorAll("[data-live]")]) part.hidden = false;

async function act(name) {
  if (busy) return;
  busy = true;
  status.textContent = SAID[name][0];
  reveal(name === "login" ? "#token-step-5" : "#token-step-8");
  try {
    await ACTIONS[name]();
    await draw();
    if (name === "logout") await stop();
    status.textContent = SAID[name][1];
  } catch (error) {
    if (error.status === undefined) throw error;
    status.textContent = sentence(error);
  } finally {
    busy = false;
    allow();
  }
}

// ── In both lanes at once ──

async function login() {
  const [email, { password }] = [who.value, who.selectedOptions[0].dataset];
  await ask(panel.dataset.session); // sets the CSRF cookie if the browser has none
  clear();
  run = (await (await ask(panel.dataset.runs, { method: "POST" })).json()).run;
  const body = JSON.stringify({ email, password });
  await together(session("auth/login", { method: "POST", body }), client.login(email, password));
}

function both(path) {
  return together(session(path, {}, [403]), client.request(path).then((response) => checked(response, [403])));
}

async function logout() {
  await together(session("auth/logout", { method: "POST", body: "{}" }), client.logout());
}

/** Waits for both. If one of them fails, the page still shows what was recorded of the other one. */
async function together(...lanes) {
  const ends = await Promise.allSettled(lanes);
  const failed = ends.find((end) => end.status === "rejected");
  if (!failed) return;
  await draw().catch(() => null);
  throw failed.reason;
}

async function stop() {
  await ask(panel.dataset.runs, { method: "DELETE" });
  run = "";
}

// ── Requests ──

function session(path, options = {}, allowed = []) {
  const base = panel.dataset.session.replace(/api\/$/, "");
  return ask(base + path, options, allowed);
}

async function ask(url, { method = "GET", body } = {}, allowed = []) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") Object.assign(headers, { "X-CSRFToken": csrf(), "Content-Type": "application/json" });
  const response = await fetch(url, { method, body, headers, cache: "no-store" }).catch(() => null);
  if (!response) throw Object.assign(new Error("The server cannot be reached right now."), { status: 0 });
  return checked(response, allowed);
}

// It is read each time, because a login changes it.
function csrf() {
  const cookies = document.cookie.split("; ").map((cookie) => cookie.split("="));
  return cookies.find(([name]) => name === panel.dataset.csrf)?.[1] ?? "";
}

async function checked(response, allowed) {
  if (response.ok || allowed.includes(response.status)) return response;
  const { error = "The server did not answer as it should." } = await response.clone().json().catch(() => ({}));
  const retryAfter = Number(response.headers.get("Retry-After"));
  throw Object.assign(new Error(error), { status: response.status, retryAfter });
}

function sentence({ status, message, retryAfter }) {
  if (status === 429) return `Too many failed logins. Try again in ${Math.ceil((retryAfter || 60) / 60)} minutes.`;
  if (status === 503) return "A store of this site does not answer right now, so nothing was decided. Try again shortly.";
  if (message === "Invalid credentials") return "That password has been changed. Choose another user.";
  if (status === 401) return `${message}. Log in both ways again.`;
  return message;
}

// ── What the page shows ──

function clear() {
  for (const step of document.querySelectorAll(".lane li.lit")) step.classList.remove("lit");
  for (const measured of document.querySelectorAll(".lane .measured")) measured.remove();
  [lit, differs.hidden] = [new Set(), true];
}

async function draw() {
  const { exchanges } = await (await ask(`${panel.dataset.runs}/${run}`)).json();
  for (const lane of ["session", "token"]) {
    const mine = exchanges.filter((exchange) => exchange.lane === lane);
    const place = document.querySelector(`#${lane}-wire`);
    place.hidden = !mine.length;
    place.querySelector("ol").replaceChildren(...transcript(mine));
    place.querySelector("sequence-diagram").show(mine, `The ${lane} lane as a sequence diagram; below it in words`);
  }
  const steps = account(exchanges, client.inspect()?.token?.length);
  await Promise.all(Object.entries(steps).map(([lane, said]) => light(lane, said)));
  differs.lastElementChild.textContent = difference(exchanges);
  differs.hidden = !differs.lastElementChild.textContent;
}

// On a wide page the buttons stay in sight, so the page can scroll to the steps.
function reveal(step) {
  if (getComputedStyle(panel).position !== "sticky") return;
  document.querySelector(step).scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
}

// Lights the steps up one after another, or all at once for a user who wants reduced motion.
async function light(lane, said) {
  for (const [number, text] of said) {
    const step = document.querySelector(`#${lane}-step-${number}`);
    const fresh = !lit.has(step.id);
    if (fresh && !still.matches) await new Promise((done) => setTimeout(done, 250));
    lit.add(step.id);
    step.classList.add("lit");
    step.querySelector(".measured")?.remove();
    step.append(h("p", { class: "measured" }, text));
  }
}

function allow() {
  const inside = run && client.state === "logged in";
  const focused = document.activeElement;
  for (const button of buttons) button.disabled = button.dataset.do !== "login" && !inside;
  if (focused.disabled) buttons[0].focus({ preventScroll: true }); // else the keyboard would start again at the top of the page
  buttons[0].textContent = run ? "Log in both ways again" : "Log in both ways";
  const next = inside ? (lit.has("session-step-6") ? "" : "profile") : "login";
  for (const button of buttons) button.classList.toggle("quiet", button.dataset.do !== next);
}
