/** A round as it happens: this page holds the tokens, asks twice a second, and draws when each of them died. */
import { h, s, submit } from "./dom.js";

const EVERY = 500; // milliseconds between two requests of a client
const RENEW = 3; // seconds before its end at which a client refreshes
const LONGEST = 5 * 60; // seconds after which a forgotten round is ended

const form = document.querySelector("#round");
const status = document.querySelector("#status");
const gantt = document.querySelector("#gantt");
const numbers = document.querySelector("#numbers");
const names = JSON.parse(document.querySelector("#strategies").textContent);
let round = null;
let beginning = false;

form.querySelector("[data-alone]").hidden = true;
form.querySelector("[data-live]").hidden = false;
const begin = form.querySelector("[data-begin]");
begin.hidden = false;
begin.addEventListener("click", () => start());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  press(event.submitter ?? form.querySelector("[name=act]"));
});

function say(text) {
  status.hidden = false;
  status.textContent = text;
}

/** Revokes access: in the running round, or in a new one in which every client has been seen to be logged in. */
async function press(button) {
  if (round?.revokedAt != null) await end();
  if (!round && !(await start())) return;
  const current = round;
  if (seconds(current) < 2) {
    say(`They are logged in. “${button.textContent}” comes in two seconds.`);
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  if (round !== current || current.revokedAt != null) return;
  try {
    await submit(form, { do: "revoke", round: current.id, act: button.value });
  } catch (error) {
    return say(error.message);
  }
  current.revokedAt = seconds(current);
  current.act = button.textContent;
  document.querySelector("#result-title").textContent = `After “${current.act}”`;
  say(`${current.act}: done. Which of them notice?`);
}

async function start() {
  if (beginning) return false;
  beginning = true;
  if (round) await end();
  say("Logging the user in, five ways …");
  const given = await submit(form, { do: "begin" }).catch((error) => say(error.message));
  beginning = false;
  if (!given) return false;
  const lanes = given.lanes.map((lane) => ({ ...lane, ...names[lane.key], until: 0, marks: [], times: [], ends: endOf(lane, 0) }));
  round = { id: given.round, session: given.session, began: performance.now(), lanes, revokedAt: null };
  document.querySelector("#result").hidden = false;
  document.querySelector("#result-title").textContent = "This round";
  round.axis = s("svg", { width: "100%", height: 20 });
  gantt.replaceChildren(h("li", { "aria-hidden": "true" }, round.axis), ...lanes.map(row));
  say("The user is logged in. Press one of the four buttons.");
  const current = round;
  poll(current);
  return true;
}

const seconds = (of) => (performance.now() - of.began) / 1000;
const endOf = (lane, now) => (lane.left == null ? null : now + lane.left);

async function poll(of) {
  while (round === of) {
    await Promise.all(of.lanes.filter((lane) => !lane.dead).map((lane) => one(of, lane)));
    if (round !== of) return;
    draw(of);
    if (of.lanes.every((lane) => lane.dead) || seconds(of) > LONGEST) return finish(of);
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

async function one(of, lane) {
  if (lane.refresh && lane.ends - seconds(of) < RENEW) await renew(of, lane);
  const answer = await (lane.left == null ? askForSession(of) : askWithToken(lane)).catch(() => null);
  const now = seconds(of);
  if (answer?.status === 200) {
    Object.assign(lane, { until: now, sql: answer.sql, redis: answer.redis, role: answer.body.role });
    lane.times.push(answer.ms);
  } else if (answer?.status === 401) {
    await died(of, lane, now, answer.body.error);
  }
}

/** The session's cookie is sent by the server: in this browser it would take the place of the visitor's own. */
const askForSession = (of) => submit(form, { do: "ask", round: of.id, session: of.session });

/** A token needs no cookie, so none is sent. What it cost stands in a header that the lab adds to every answer. */
async function askWithToken(lane) {
  const headers = { Authorization: `Bearer ${lane.access}`, Accept: "application/json" };
  const response = await fetch(lane.path, { headers, credentials: "omit", cache: "no-store" });
  const timing = response.headers.get("Server-Timing") ?? "";
  const count = (kind) => [...(timing.match(new RegExp(`${kind};desc="([^"]*)"`))?.[1] ?? "").matchAll(/\d+/g)].reduce((sum, [number]) => sum + Number(number), 0);
  const ms = Number(timing.match(/total;dur=([\d.]+)/)?.[1] ?? 0);
  return { status: response.status, body: await response.json(), sql: count("sql"), redis: count("redis"), ms };
}

async function renew(of, lane) {
  const response = await fetch("/jwt/auth/refresh", {
    method: "POST",
    credentials: "omit",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ refreshToken: lane.refresh }),
  }).catch(() => null);
  if (response?.ok) {
    const given = await response.json();
    Object.assign(lane, { access: given.accessToken, refresh: given.refreshToken, ends: seconds(of) + given.expiresIn });
    lane.marks.push(seconds(of));
  } else if (response?.status === 401) {
    lane.refresh = "";
    lane.note = "its refresh was refused";
  }
}

/** A client without a refresh token asks for the password again, until access is revoked. */
async function died(of, lane, now, why) {
  if (lane.key === "short" && of.revokedAt == null) {
    const given = await submit(form, { do: "login", round: of.id }).catch(() => null);
    if (given && round === of) {
      lane.marks.push(now);
      lane.logins = (lane.logins ?? 0) + 1;
      lane.note = `the password was asked for ${lane.logins === 1 ? "once" : `${lane.logins} times`} more`;
      return Object.assign(lane, given, { ends: endOf(given, seconds(of)), until: now });
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
  return h("li", { class: lane.kind, id: `lane-${lane.key}` }, h("div", { class: "fate" }, title, lane.outcome), lane.svg, lane.about);
}

function draw(of) {
  const now = seconds(of);
  const scale = Math.max(15, now * 1.05);
  const at = (time) => `${((time / scale) * 100).toFixed(2)}%`;
  of.axis.replaceChildren(...axis(of, scale, at));
  for (const lane of of.lanes) {
    lane.bar.setAttribute("width", at(lane.dead == null ? now : lane.until));
    const marks = lane.marks.map((time) => s("circle", { class: "renewed", cx: at(time), cy: 13, r: 4 }));
    if (of.revokedAt != null) for (const name of ["revoked", ""]) marks.push(s("line", { class: name, x1: at(of.revokedAt), x2: at(of.revokedAt), y1: 0, y2: 26 }));
    if (lane.dead != null) marks.push(s("text", { x: at(lane.dead), dx: 6, y: 18 }, "✕ 401"));
    lane.svg.lastChild.replaceChildren(...marks);
    lane.outcome.replaceChildren(...outcome(of, lane));
    lane.about.textContent = [lane.how, lane.note].filter(Boolean).join("; ");
  }
  numbers.replaceChildren(...of.lanes.map((lane) => figures(of, lane)));
}

/** The moment of the revocation; before it, the seconds. */
function axis(of, scale, at) {
  if (of.revokedAt != null) return [s("text", { x: at(of.revokedAt), y: 14 }, `▼ ${of.act}`)];
  const step = Math.max(5, Math.ceil(scale / 25) * 5);
  const times = Array.from({ length: Math.ceil(scale / step) }, (_, index) => index * step);
  return times.map((time) => s("text", { x: at(time), y: 14 }, `${time} s`));
}

function outcome(of, lane) {
  if (lane.dead == null) return [h("b", {}, "✓ works"), of.revokedAt == null ? "" : `, as ${lane.role}`];
  if (of.revokedAt == null) return [h("b", {}, "✕ dead"), ` ${lane.why}`];
  // No 200 after it: the very next request was refused.
  const after = lane.dead - of.revokedAt;
  return lane.until <= of.revokedAt ? [h("b", {}, "✕ dead at once"), `, next request after ${after.toFixed(1)} s`] : [h("b", {}, `✕ dead after ${after.toFixed(1)} s`)];
}

function figures(of, lane) {
  const since = (time) => (of.revokedAt == null || time == null ? "–" : `${(time - of.revokedAt).toFixed(2)} s`);
  const last = of.revokedAt != null && lane.until <= of.revokedAt ? "none" : since(lane.until);
  const left = lane.ends == null ? "–" : since(lane.ends);
  const median = lane.times.toSorted((a, b) => a - b)[Math.floor(lane.times.length / 2)] ?? 0;
  const cells = [last, lane.dead == null ? "none yet" : since(lane.dead), left, lane.sql ?? 0, lane.redis ?? 0, `${median.toFixed(2)} ms`];
  return h("tr", {}, h("th", { scope: "row" }, lane.name), ...cells.map((cell) => h("td", {}, cell)));
}

async function finish(of) {
  const slow = of.lanes.filter((lane) => of.revokedAt != null && lane.until > of.revokedAt).map((lane) => `“${lane.name}”`);
  if (of.revokedAt == null) say("The round is over: access was not revoked.");
  else say(slow.length ? `All dead. ${slow.join(" and ")} worked on until the token ran out.` : "All dead. Each of them noticed at once.");
  if (round === of) await end();
}

addEventListener("pagehide", () => {
  if (!round) return;
  const body = new FormData(form);
  body.set("do", "end");
  body.set("round", round.id);
  navigator.sendBeacon(form.action, body);
});

/** Has the throwaway user removed. */
async function end() {
  const { id } = round;
  round = null;
  await submit(form, { do: "end", round: id }).catch(() => null);
}
