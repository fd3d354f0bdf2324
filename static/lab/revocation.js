/** Runs a round live: the page holds the tokens, sends a request with each twice a second, and draws when it was refused. */
import { h, numbersRow, s, submit } from "./dom.js";

const EVERY = 500; // milliseconds between two requests of a client
const RENEW = 3; // a client refreshes its token so many seconds before the token ends
const LEAST = 2; // seconds of requests before access can be revoked, so that the bars show that they were answered
const LONGEST = 5 * 60; // seconds after which a round ends by itself

const form = document.querySelector("#round");
const status = document.querySelector("#status");
const gantt = document.querySelector("#gantt");
const numbers = document.querySelector("#numbers");
const names = JSON.parse(document.querySelector("#strategies").textContent);
let round = null;
let beginning = false;

for (const part of document.querySelectorAll("[data-alone]")) part.hidden = true;
for (const part of document.querySelectorAll("[data-live]")) part.hidden = false;
const begin = form.querySelector("[data-begin]");
const acts = [...form.querySelectorAll("[name=act]")];
const columns = [...document.querySelectorAll("#heading th")].slice(1).map((column) => column.textContent);
enable(false);
begin.addEventListener("click", () => start());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (event.submitter) press(event.submitter);
});

/** Scrolls to the end of the chart if it is not on the screen; in a low window, to this part. */
function show(part) {
  const fits = gantt.offsetHeight < innerHeight * 0.7;
  if (gantt.getBoundingClientRect().bottom > innerHeight) (fits ? gantt : part).scrollIntoView({ block: fits ? "end" : "start" });
}

/** Access can be revoked once in a round, while it runs. */
function enable(ready) {
  for (const button of acts) button.disabled = !ready;
}

function say(text) {
  status.hidden = false;
  status.textContent = text;
}

/** Revokes access in the running round. */
async function press(button) {
  const current = round;
  if (!current) return;
  begin.focus({ preventScroll: true });
  enable(false);
  try {
    await submit(form, { do: "revoke", round: current.id, act: button.value });
  } catch (error) {
    if (round === current) enable(true);
    return say(error.message);
  }
  current.revokedAt = seconds(current);
  current.act = button.textContent;
  document.querySelector("#result-title").textContent = `After “${current.act}”`;
  show(document.querySelector("#result"));
  say(`${current.act}: done. Which of them notice?`);
}

async function start() {
  if (beginning) return;
  beginning = true;
  enable(false);
  if (round) await end();
  say("Logging Dana in, five ways …");
  const given = await submit(form, { do: "begin" }).catch((error) => say(error.message));
  beginning = false;
  if (!given) return;
  const lanes = given.lanes.map((lane) => ({ ...lane, ...names[lane.key], until: 0, marks: [], times: [], ends: endOf(lane, 0) }));
  round = { id: given.round, session: given.session, began: performance.now(), lanes, revokedAt: null };
  document.querySelector("#result").hidden = false;
  document.querySelector("#result-title").textContent = "This round";
  round.axis = s("svg", { width: "100%", height: 20 });
  gantt.replaceChildren(h("li", { "aria-hidden": "true" }, round.axis), ...lanes.map(row));
  show(form);
  say("Dana is logged in. The five clients send their first requests …");
  poll(round);
}

const seconds = (current) => (performance.now() - current.began) / 1000;
const endOf = (lane, now) => (lane.left == null ? null : now + lane.left);

async function poll(current) {
  while (round === current) {
    await Promise.all(current.lanes.filter((lane) => !lane.dead).map((lane) => one(current, lane)));
    if (round !== current) return;
    draw(current);
    if (!current.ready && seconds(current) > LEAST) ready(current);
    if (current.lanes.every((lane) => lane.dead) || seconds(current) > LONGEST) return finish(current);
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

function ready(current) {
  current.ready = true;
  enable(true);
  say("All five work. Now revoke Dana’s access: press one of the four buttons.");
}

async function one(current, lane) {
  if (lane.refresh && lane.ends - seconds(current) < RENEW) await renew(current, lane);
  const answer = await (lane.left == null ? askForSession(current) : askWithToken(lane)).catch(() => null);
  const now = seconds(current);
  if (answer?.status === 200) {
    Object.assign(lane, { until: now, sql: answer.sql, redis: answer.redis, role: answer.body.role });
    lane.times.push(answer.ms);
  } else if (answer?.status === 401) {
    await died(current, lane, now, answer.body.error);
  }
}

/** The server sends the session's cookie. In this browser, it would replace the visitor's own cookie. */
const askForSession = (current) => submit(form, { do: "ask", round: current.id, session: current.session });

/** A token needs no cookie, so none is sent. The lab adds a header to every answer that says what the request cost. */
async function askWithToken(lane) {
  const headers = { Authorization: `Bearer ${lane.access}`, Accept: "application/json" };
  const response = await fetch(lane.path, { headers, credentials: "omit", cache: "no-store" });
  const timing = response.headers.get("Server-Timing") ?? "";
  const count = (kind) => [...(timing.match(new RegExp(`${kind};desc="([^"]*)"`))?.[1] ?? "").matchAll(/\d+/g)].reduce((sum, [number]) => sum + Number(number), 0);
  const ms = Number(timing.match(/total;dur=([\d.]+)/)?.[1] ?? 0);
  return { status: response.status, body: await response.json(), sql: count("sql"), redis: count("redis"), ms };
}

async function renew(current, lane) {
  const response = await fetch("/jwt/auth/refresh", {
    method: "POST",
    credentials: "omit",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ refreshToken: lane.refresh }),
  }).catch(() => null);
  if (response?.ok) {
    const given = await response.json();
    Object.assign(lane, { access: given.accessToken, refresh: given.refreshToken, ends: seconds(current) + given.expiresIn });
    lane.marks.push(seconds(current));
  } else if (response?.status === 401) {
    lane.refresh = "";
    lane.note = "its refresh was refused";
  }
}

/** The client without a refresh token sends the password again when its token has ended, until access is revoked. */
async function died(current, lane, now, why) {
  if (lane.key === "short" && current.revokedAt == null) {
    const given = await submit(form, { do: "login", round: current.id }).catch(() => null);
    if (given && round === current) {
      lane.marks.push(now);
      lane.logins = (lane.logins ?? 0) + 1;
      lane.note = `the password was asked for ${lane.logins === 1 ? "once" : `${lane.logins} times`} more`;
      return Object.assign(lane, given, { ends: endOf(given, seconds(current)), until: now });
    }
  }
  Object.assign(lane, { dead: now, why });
}

function row(lane) {
  lane.outcome = h("p", {}, "…");
  lane.bar = s("rect", { class: "alive", width: "0%", height: 26, rx: 4 });
  lane.svg = s("svg", { width: "100%", height: 26, "aria-hidden": "true" }, s("rect", { class: "track", width: "100%", height: 26, rx: 4 }), lane.bar, s("g"));
  lane.about = h("p", { class: "muted" }, lane.how);
  const title = h("h3", {}, h("a", { href: `#lane-${lane.key}` }, lane.name));
  return h("li", { class: lane.kind, id: `lane-${lane.key}` }, h("div", { class: "fate" }, title, lane.about, lane.outcome), lane.svg);
}

function draw(current) {
  const now = seconds(current);
  const scale = Math.max(15, now * 1.05);
  const at = (time) => `${((time / scale) * 100).toFixed(2)}%`;
  current.axis.replaceChildren(...axis(current, scale, at));
  for (const lane of current.lanes) {
    lane.bar.setAttribute("width", at(lane.dead == null ? now : lane.until));
    const marks = lane.marks.map((time) => s("circle", { class: "renewed", cx: at(time), cy: 13, r: 4 }));
    if (current.revokedAt != null) for (const name of ["revoked", ""]) marks.push(s("line", { class: name, x1: at(current.revokedAt), x2: at(current.revokedAt), y1: 0, y2: 26 }));
    if (lane.dead != null) marks.push(s("text", { x: at(lane.dead), dx: 6, y: 18 }, "✕ 401"));
    lane.svg.lastChild.replaceChildren(...marks);
    lane.outcome.replaceChildren(...outcome(current, lane));
    lane.about.textContent = [lane.how, lane.note].filter(Boolean).join("; ");
  }
  numbers.replaceChildren(...current.lanes.map((lane) => figures(current, lane)));
}

/** The time of the revocation, or the seconds before there was one. */
function axis(current, scale, at) {
  if (current.revokedAt != null) return [s("text", { x: at(current.revokedAt), y: 14 }, `▼ ${current.act}`)];
  const step = Math.max(5, Math.ceil(scale / 25) * 5);
  const times = Array.from({ length: Math.ceil(scale / step) }, (_, index) => index * step);
  return times.map((time) => s("text", { x: at(time), y: 14 }, `${time} s`));
}

function outcome(current, lane) {
  if (lane.dead == null) return [h("b", {}, "✓ works"), current.revokedAt == null ? "" : `, as ${lane.role}`];
  if (current.revokedAt == null) return [h("b", {}, "✕ dead"), ` ${lane.why}`];
  // Without a 200 after the revocation, the next request was refused.
  const after = lane.dead - current.revokedAt;
  return lane.until <= current.revokedAt ? [h("b", {}, "✕ dead at once"), `, next request after ${after.toFixed(1)} s`] : [h("b", {}, `✕ dead after ${after.toFixed(1)} s`)];
}

function figures(current, lane) {
  const since = (time) => (current.revokedAt == null || time == null ? "–" : `${(time - current.revokedAt).toFixed(2)} s`);
  const last = current.revokedAt != null && lane.until <= current.revokedAt ? "none" : since(lane.until);
  const left = lane.ends == null ? "–" : since(lane.ends);
  const median = lane.times.toSorted((a, b) => a - b)[Math.floor(lane.times.length / 2)] ?? 0;
  const cells = [last, lane.dead == null ? "none yet" : since(lane.dead), left, lane.sql ?? 0, lane.redis ?? 0, `${median.toFixed(2)} ms`];
  return numbersRow(lane.name, columns.map((column, index) => [column, cells[index]]));
}

async function finish(current) {
  enable(false);
  const slow = current.lanes.filter((lane) => current.revokedAt != null && lane.until > current.revokedAt).map((lane) => `“${lane.name}”`);
  if (current.revokedAt == null) say("The round is over: access was not revoked.");
  else say(slow.length ? `All dead. ${slow.join(" and ")} worked on until the token ran out.` : "All dead. Each of them noticed at once.");
  if (round === current) await end();
}

addEventListener("pagehide", () => {
  if (!round) return;
  const body = new FormData(form);
  body.set("do", "end");
  body.set("round", round.id);
  navigator.sendBeacon(form.action, body);
});

/** Ends the round. The server then deletes its throwaway user. */
async function end() {
  const { id } = round;
  round = null;
  await submit(form, { do: "end", round: id }).catch(() => null);
}
