/** Shows the access token of a client: its claims, the seconds it has left, and the token itself on request. */

/** @typedef {ReturnType<typeof import("./client.js").createClient>} Client */

/** @type {Record<string, string>} */
const MEANINGS = {
  token_type: "what it may be used as",
  sub: "the user",
  role: "what the user may do",
  sid: "the device it was issued to",
  ver: "rises when all access is revoked",
  jti: "this token",
  iss: "who issued it",
  aud: "for whom",
};

/** @type {Record<string, string>} The claims whose value is a time. */
const MOMENTS = { iat: "issued", exp: "ends", auth_time: "when the password was last proved" };

const MASK = "•".repeat(24);

/**
 * Keeps `place` up to date until it leaves the document.
 *
 * @param {Client} client
 * @param {Element} place It holds elements marked `data-claims` (a `<dl>`), `data-left`, `data-raw` and `data-reveal`
 *     (a button).
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
    const rows = Object.entries(claims).map(claimRow);
    this.#claims.replaceChildren(...rows);
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
    this.#left.textContent = seconds ? `${seconds} seconds` : "no time";
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

/** @param {[string, any]} claim Its name and its value. */
function claimRow([name, value]) {
  const row = document.createElement("div");
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  const code = textIn("code", name);
  const content = name in MOMENTS ? momentOf(value * 1000) : String(value);
  const meaning = textIn("small", MOMENTS[name] ?? MEANINGS[name] ?? "");
  term.append(code);
  description.append(content, meaning);
  row.append(term, description);
  return row;
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
