/** Describes each step of the two lanes, and how the lanes differ, from the recorded exchanges. */
import { time } from "./sequence.js";

/** Returns the steps that happened in each lane, as [number, cost]. `held` is the length of the token in memory. */
export function account(exchanges, held) {
  return {
    session: steps(exchanges.filter(({ lane }) => lane === "session"), sessionLogin, sessionCall),
    token: steps(exchanges.filter(({ lane }) => lane === "token"), (login) => tokenLogin(login, held), tokenCall),
  };
}

/** Returns one line about the last action in both lanes, or "" when there was none. */
export function difference(exchanges) {
  const [session, token] = ["session", "token"].map((lane) => exchanges.filter((one) => one.lane === lane).at(-1));
  if (!session || !token) return "";
  const kind = ["/auth/login", "/auth/logout"].find((end) => session.path.endsWith(end) && token.path.endsWith(end));
  if (kind === "/auth/login") return atLogin(session, token);
  return kind ? atLogout(session, token) : atCall(session, token);
}

function steps(exchanges, ofLogin, ofCall) {
  const login = exchanges.findLast(({ path, status }) => path.endsWith("/auth/login") && status === 200);
  if (!login) return [];
  const call = exchanges.slice(exchanges.indexOf(login)).findLast(({ path }) => path.includes("/api/"));
  return [...ofLogin(login), ...(call ? ofCall(call, login) : [])];
}

// ── The steps ──

function sessionLogin(login) {
  const { before, after } = halves(login);
  return [
    [1, `${sent(login)} bytes, no session or token yet`],
    [2, costs(before)],
    [3, costs(after)],
    [4, `${cookies(login)}; ${received(login)} bytes in all`],
  ];
}

function sessionCall(call, login) {
  const back = call.cookies_sent.find(({ digest }) => digest === secret(login)?.digest);
  const own = call.steps.filter(({ kind }) => kind === "redis");
  return [
    ...(back ? [[5, `it came back by itself: ${back.name} again`]] : []),
    [6, `${carried(call)} bytes carried; ${costs(own)}`],
    [7, verdict(call)],
  ];
}

function tokenLogin(login, held) {
  const { before, after } = halves(login);
  return [
    [1, `${sent(login)} bytes, no session or token yet`],
    [2, costs(before)],
    [3, costs(after)],
    [4, `{${login.response_keys.join(", ")}} in the body; ${cookies(login)}; ${received(login)} bytes in all`],
    ...(held ? [[5, `${held} characters, in memory and nowhere else`]] : []),
  ];
}

function tokenCall(call) {
  const own = call.steps.filter(({ kind }) => kind === "jwt" || kind === "redis");
  return [
    ...(call.authorization ? [[6, `${carried(call)} bytes carried`]] : []),
    [7, costs(own)],
    [8, verdict(call)],
  ];
}

// The first half of a login checks the password and tells the throttle. The second half makes the record or the token.
function halves({ steps }) {
  const hash = steps.findLastIndex(({ kind }) => kind === "hash");
  const firstAfter = steps.findIndex(({ kind, text }, index) => index > hash && !(kind === "redis" && text.startsWith("EVAL")));
  const cut = firstAfter < 0 ? steps.length : firstAfter;
  return { before: steps.slice(0, cut), after: steps.slice(cut) };
}

function verdict({ status, path, steps }) {
  const rows = steps.filter(({ kind }) => kind === "sql");
  const what = path.split("/").at(-1);
  return `${status} for ${what}: ${status === 403 ? "known, and not allowed" : "allowed"}${rows.length ? `; ${costs(rows)}` : ""}`;
}

// ── How they differ ──

function atLogin(session, token) {
  const [record, signed] = [count(session, "redis", "SET"), count(token, "jwt", "sign")];
  return (
    `The session wrote its record to Redis (${record} SET) and handed out an id of ${length(session)} characters. ` +
    `The token was signed (${plural(signed, "signature")}) and carries the record itself; Redis got ` +
    `${count(token, "redis", "SET") ? "an entry" : "no record"} of it.`
  );
}

function atCall(session, token) {
  const [looked, asked] = [count(session, "redis", "GET"), count(token, "redis", "MGET")];
  const verified = token.steps.filter(({ kind, text }) => kind === "jwt" && text.startsWith("verify"));
  return (
    `The session was looked up in Redis: ${looked} GET. The token was verified with a key, in ` +
    `${time(sum(verified))}; ${asked} MGET asked whether it was revoked. To say who is asking, the cookie took ` +
    `${carried(session)} bytes and the token ${carried(token)}.`
  );
}

function atLogout(session, token) {
  const [gone, noted] = [count(session, "redis", "DEL"), count(token, "redis", "SET")];
  return (
    `The session’s record was deleted (${gone} DEL), so its cookie is worth nothing. The token is still signed and ` +
    `not yet expired: it had to be put on a list of revoked ones (${noted} SET), and is asked after at every request.`
  );
}

// ── Counting ──

function costs(steps) {
  const kinds = [...new Set(steps.map(({ kind }) => kind))]; // as they happened
  const some = kinds.map((kind) => steps.filter((step) => step.kind === kind));
  return some.map((those, index) => `${named(kinds[index], those)} ${time(sum(those))}`).join(", ");
}

function named(kind, steps) {
  if (kind === "sql") return `${steps.length} SQL`;
  if (kind === "hash") return `${steps.length} password hash`;
  const names = steps.map(({ text }) => text.split(" ")[0]);
  const counts = [...new Set(names)].map((name) => {
    const number = names.filter((other) => other === name).length;
    return kind === "jwt" ? `${number} × ${name}` : `${number} ${name}${name === "EVAL" ? " (throttle)" : ""}`;
  });
  return `${kind === "jwt" ? "key" : "Redis"} ${counts.join(" + ")}`;
}

// The bytes that say who sends the request. The browser sends both cookies to every address; each flow reads only one.
function carried({ lane, cookies_sent, authorization }) {
  if (lane === "token") return authorization ? "Authorization: Bearer ".length + authorization.length : 0;
  const cookie = cookies_sent.find(({ name }) => name.endsWith("sessionid"));
  return cookie ? cookie.name.length + 1 + cookie.length : 0;
}

const count = ({ steps }, kind, name) =>
  steps.filter((step) => step.kind === kind && step.text.split(" ")[0] === name).length;
const sum = (steps) => steps.reduce((total, { ms }) => total + ms, 0);
const sent = ({ request_head, request_body }) => request_head + request_body;
const received = ({ response_head, response_body }) => response_head + response_body;
const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const secret = ({ cookies_set }) => cookies_set.find(({ attributes }) => attributes.includes("HttpOnly"));
const length = (exchange) => secret(exchange)?.length ?? 0;
function cookies(exchange) {
  const cookie = secret(exchange);
  return cookie ? `Set-Cookie ${cookie.name}, ${cookie.length} characters` : "no cookie";
}
