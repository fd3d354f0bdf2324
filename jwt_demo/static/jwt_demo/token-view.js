/** Shows the access token of a client: its claims, the time it has left, and the token itself on request. */

/** @typedef {ReturnType<typeof import("./client.js").createClient>} Client */

/** @type {Record<string, [string, string]>} What each claim is called, and what it is for. The page keeps this order. */
const WORDS = {
  sub: ["The user", "an id, and no name or address, because everyone who has the token can read it"],
  role: ["Role", "what the user may do, as it was when the token was issued"],
  exp: ["Ends", "from then on, every server refuses the token"],
  iat: ["Issued", ""],
  auth_time: ["Password last proved", ""],
  sid: ["The login", "an id that all tokens of this login share"],
  jti: ["This token", "an id that no other token has, so that this one can be refused"],
  ver: ["Version of your access", "rises when all your access is revoked, and tokens with a lower one are refused"],
  token_type: ["Kind", "only an access token opens the API"],
  iss: ["Issued by", ""],
  aud: ["Meant for", "a server with another name must refuse it"],
};

/** The claims whose value is a time. */
const MOMENTS = ["iat", "exp", "auth_time"];

/** What `agoOf` counts in, with the seconds that each unit has. */
const UNITS = /** @type {const} */ ([["day", 86400], ["hour", 3600], ["minute", 60]]);

const MASK = "•".repeat(24);

/**
 * Keeps `place` up to date until it leaves the document.
 *
 * @param {Client} client
 * @param {Element} place It holds elements marked `data-claims` (a `<dl>`), `data-left`, `data-raw` and `data-reveal`
 *     (a button), and may hold one marked `data-payload`.
 */
export function showToken(client, place) {
  const view = new TokenView(client, place);
  view.start();
}

class TokenView {
  /** Whether the token itself is shown. */
  #isRevealed = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #client;
  #place;
  #claims;
  #left;
  #raw;
  #button;

  /**
   * @param {Client} client
   * @param {Element} place
   */
  constructor(client, place) {
    this.#client = client;
    this.#place = place;
    this.#claims = part(place, "[data-claims]");
    this.#left = part(place, "[data-left]");
    this.#raw = part(place, "[data-raw]");
    this.#button = part(place, "[data-reveal]");
  }

  start() {
    this.#timer = setInterval(() => this.#showTimeLeft(), 1000);
    this.#button.addEventListener("click", () => this.#reveal(!this.#isRevealed));
    this.#client.addEventListener("change", this.#update);
    this.#update();
  }

  // A field and not a method: `removeEventListener` needs the same function that was added.
  #update = () => {
    if (!this.#place.isConnected) {
      this.#stop();
      return;
    }
    const claims = this.#client.inspect()?.claims ?? {};
    const rows = inOrder(claims).map(claimRow);
    this.#claims.replaceChildren(...rows);
    this.#place.querySelector("[data-payload]")?.replaceChildren(JSON.stringify(claims, null, 2));
    this.#reveal(false);
    this.#showTimeLeft();
  };

  #stop() {
    clearInterval(this.#timer);
    this.#client.removeEventListener("change", this.#update);
  }

  /** @param {boolean} isRevealed */
  #reveal(isRevealed) {
    const token = this.#client.inspect()?.token;
    this.#isRevealed = isRevealed;
    this.#raw.textContent = isRevealed && token ? token : MASK;
    this.#button.textContent = isRevealed ? "Hide the token" : "Show the token";
  }

  #showTimeLeft() {
    const secondsLeft = this.#client.inspect()?.secondsLeft ?? 0;
    const seconds = Math.max(0, Math.floor(secondsLeft));
    this.#left.textContent = seconds ? durationOf(seconds) : "no time";
  }
}

/**
 * @param {Element} place
 * @param {string} selector
 * @returns {Element}
 */
function part(place, selector) {
  return /** @type {Element} */ (place.querySelector(selector));
}

/** @param {Record<string, any>} claims */
function inOrder(claims) {
  const names = Object.keys(WORDS);
  const place = (/** @type {string} */ name) => (names.includes(name) ? names.indexOf(name) : names.length);
  return Object.entries(claims).toSorted(([one], [other]) => place(one) - place(other));
}

/** @param {[string, any]} claim Its name and its value. */
function claimRow([name, value]) {
  const row = document.createElement("div");
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  const [word, meaning] = WORDS[name] ?? ["", ""];
  const content = MOMENTS.includes(name) ? momentOf(value * 1000) : String(value);
  term.append(word, " ", textIn("code", name));
  description.append(content);
  if (meaning) description.append(textIn("small", meaning));
  row.append(term, description);
  return row;
}

/** @param {number} seconds Whole seconds. */
function durationOf(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = `${seconds % 60} s`;
  return minutes ? `${minutes} min ${rest}` : rest;
}

/**
 * @param {string} at
 * @returns {HTMLTimeElement} Such as "5 minutes ago", with the exact time as its title.
 */
export function agoOf(at) {
  const time = momentOf(at);
  const seconds = (Date.now() - Date.parse(at)) / 1000;
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ["", 1];
  const count = Math.floor(seconds / size);
  time.title = time.textContent;
  time.textContent = unit ? `${count} ${unit}${count === 1 ? "" : "s"} ago` : "just now";
  return time;
}

/**
 * @param {string | number} at
 * @returns {HTMLTimeElement} The time in UTC, in the form that the other pages use.
 */
export function momentOf(at) {
  const date = new Date(at);
  const [, day, month, year, clock] = date.toUTCString().split(" ");
  const time = textIn("time", `${Number(day)} ${month} ${year}, ${clock.slice(0, 5)} UTC`);
  time.dateTime = date.toISOString();
  return time;
}

/**
 * Creates an element with a text in it. The text is never read as HTML.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} text
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function textIn(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
