/**
 * The strip below the navigation. Its session part comes with the page. This script asks for the token login, shows what
 * the page's request took, and asks again when a login may have changed: here, in another tab, or while the page was away.
 */
import { Tabs } from "./jwt_demo/tabs.js";
import { momentOf } from "./jwt_demo/token-view.js";

/** @typedef {{id: string, name: string}} Session */
/** @typedef {{name: string, ends: string, accessSecondsLeft: number}} TokenLogin */

// Milliseconds. The script takes turns with the token client, which waits while the strip waits for an answer.
const PATIENCE = 8000;
const strip = /** @type {HTMLElement | null} */ (document.querySelector(".strip"));

if (strip) {
  // The name of the lock and of the channel of the token client, so that both take turns and hear of each other.
  const base = new URL(strip.dataset.base ?? "", location.href).href;
  begin(strip, base);
}

/**
 * @param {HTMLElement} strip
 * @param {string} base
 */
function begin(strip, base) {
  const refresh = () => askAndShow(strip, tabs);
  const tabs = new Tabs(base, refresh);
  showCost(strip);
  if ("asks" in strip.dataset) refresh();
  listenForSessions(strip, refresh);
  addEventListener("pageshow", (event) => event.persisted && refresh());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && refresh());
  for (const login of (strip.dataset.logins ?? "").split(" ")) {
    listenForAnswers(new URL(".", new URL(login, location.href)).href, refresh);
  }
  for (const button of document.querySelectorAll("[data-end-token]")) {
    button.toggleAttribute("hidden", false);
    button.addEventListener("click", () => endTokenLogin(strip, tabs, base));
  }
}

/**
 * Tells the other tabs which session this page was made for. A tab with another one asks again.
 *
 * @param {HTMLElement} strip
 * @param {() => void} refresh
 */
function listenForSessions(strip, refresh) {
  if (!("BroadcastChannel" in globalThis)) return;
  /** @type {BroadcastChannel} */
  let channel;
  const open = () => {
    channel = new BroadcastChannel("browser-now");
    channel.addEventListener("message", ({ data }) => {
      if (data !== strip.dataset.session) refresh();
    });
  };
  open();
  channel.postMessage(strip.dataset.session);
  // A browser does not keep a page for its Back button if a message for that page arrives.
  addEventListener("pagehide", () => channel.close());
  addEventListener("pageshow", (event) => event.persisted && open());
}

/**
 * A script of the page may log in, refresh or log out. Each of these can change what the strip says.
 *
 * @param {string} beginning How the addresses begin that do so.
 * @param {() => void} refresh
 */
function listenForAnswers(beginning, refresh) {
  /** @param {any} entry It has no status in an old browser, and 0 if no answer came. */
  const isAnswered = ({ name, responseStatus = 200 }) =>
    name.startsWith(beginning) && responseStatus > 0 && responseStatus < 500;
  new PerformanceObserver((list) => {
    if (list.getEntries().some(isAnswered)) refresh();
  }).observe({ type: "resource" });
}

/**
 * @param {HTMLElement} strip
 * @param {Tabs} tabs
 */
async function askAndShow(strip, tabs) {
  let state;
  // A refresh that is under way changes the cookie, so the question waits for its turn.
  await tabs.takeTurn(async () => {
    state = await ask(strip.dataset.state ?? "");
  });
  if (!state) return;
  showSession(strip, state.session);
  showToken(strip, state.token);
}

/**
 * @param {string} address
 * @returns {Promise<{session: Session | null, token: TokenLogin | null} | undefined>}
 */
async function ask(address) {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    const response = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store", signal });
    return response.ok ? await response.json() : undefined;
  } catch {
    // The server cannot be reached, or is too slow. The strip goes on with what it knew.
    return undefined;
  }
}

/**
 * @param {HTMLElement} strip
 * @param {string} part
 * @param {string} selector
 * @returns {any} The element. Its kind depends on the template.
 */
function find(strip, part, selector) {
  return strip.querySelector(`[data-strip="${part}"] ${selector}`);
}

/**
 * Says what is new. The record and the end of another session are on a page that was made for it.
 *
 * @param {HTMLElement} strip
 * @param {Session | null} session
 */
function showSession(strip, session) {
  const isUnread = "unread" in strip.dataset;
  if (!isUnread && (session?.id ?? "") === strip.dataset.session) return;
  delete strip.dataset.unread;
  strip.dataset.session = session?.id ?? "";
  strip.querySelector('[data-strip="session"]')?.classList.toggle("on", Boolean(session));
  const links = find(strip, "session", ".more");
  const hadFocus = Boolean(links?.contains(document.activeElement));
  links?.remove();
  const text = find(strip, "session", "[data-strip-text]");
  if (session) {
    text.replaceChildren("Session: ", bold(session.name));
  } else {
    text.textContent = "No session";
  }
  if (isUnread) return;
  // The bar still names the user of the session that the page was made for.
  for (const part of document.querySelectorAll("[data-of-session]")) part.toggleAttribute("hidden", true);
  const news = session ? "Another session has begun in this browser." : "Your session has ended.";
  const said = say(strip, `${news} Load this page again.`);
  if (hadFocus) said.focus();
}

/** @param {string} text */
function bold(text) {
  const element = document.createElement("b");
  element.textContent = text;
  return element;
}

// ── The token login ──

/** @type {ReturnType<typeof setInterval> | undefined} */
let ticking;

/**
 * @param {HTMLElement} strip
 * @param {TokenLogin | null} token
 */
function showToken(strip, token) {
  clearInterval(ticking);
  const text = find(strip, "token", "[data-strip-text]");
  text.closest("li").classList.toggle("on", Boolean(token));
  find(strip, "token", "[data-strip-live]").hidden = !token;
  for (const part of document.querySelectorAll("[data-while-token]")) {
    part.toggleAttribute("hidden", !token);
  }
  if (!token) {
    text.textContent = "No token login";
    return;
  }
  text.replaceChildren("Token: ", bold(token.name));
  countDown(find(strip, "token", "[data-strip-left]"), token);
}

/**
 * @param {HTMLElement} element
 * @param {TokenLogin} token
 */
function countDown(element, token) {
  const end = Date.now() + token.accessSecondsLeft * 1000;
  const loginEnd = momentOf(token.ends).textContent;
  element.title = `The newest access token. After it, a refresh gives the next one, until ${loginEnd} at the latest.`;
  const show = () => {
    const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    element.textContent = seconds ? `${clock} left` : "access token expired";
    if (!seconds) clearInterval(ticking);
  };
  ticking = setInterval(show, 1000);
  show();
}

/**
 * @param {HTMLElement} strip
 * @param {Tabs} tabs
 * @param {string} base
 */
async function endTokenLogin(strip, tabs, base) {
  let isEnded = false;
  await tabs.takeTurn(async () => {
    const signal = AbortSignal.timeout(PATIENCE);
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, signal };
    const response = await fetch(`${base}auth/logout`, options).catch(() => undefined);
    isEnded = Boolean(response?.ok);
  });
  if (isEnded) {
    tabs.tell("");
    showToken(strip, null);
  }
  const other = strip.dataset.session ? " Your session goes on." : "";
  const said = say(strip, isEnded ? `Your token login was ended.${other}` : "The server did not answer. Your token login goes on.");
  // The button that was pressed is hidden by now. Without this, the keyboard would start again at the top of the page.
  said.focus();
}

/**
 * @param {HTMLElement} strip
 * @param {string} sentence
 */
function say(strip, sentence) {
  const said = /** @type {HTMLElement} */ (strip.querySelector("[data-strip-said]"));
  said.textContent = sentence;
  return said;
}

// ── What the request of this page took ──

/** @param {HTMLElement} strip */
function showCost(strip) {
  const [entry] = performance.getEntriesByType("navigation");
  const cost = strip.querySelector("[data-strip-cost]");
  if (!(entry instanceof PerformanceNavigationTiming) || !cost) return;
  const parts = entry.serverTiming.map(partOf).filter(Boolean);
  if (parts.length === 0) parts.push(`${Math.round(entry.responseStart - entry.requestStart)} ms`);
  cost.textContent = ["", ...parts].join(" · ");
}

/** @param {PerformanceServerTiming} timing Such as `redis;desc="1 GET, 1 SET"` or `total;dur=2.7`. */
function partOf({ name, description, duration }) {
  if (name === "total") return `${duration.toFixed(duration < 100 ? 1 : 0)} ms`;
  const count = [...description.matchAll(/\d+/g)].reduce((sum, [number]) => sum + Number(number), 0);
  if (name === "redis") return `${count} Redis`;
  return name === "sql" ? `${count} SQL` : "";
}
