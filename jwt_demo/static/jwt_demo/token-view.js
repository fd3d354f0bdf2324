/**
 * Shows the access token a client holds: its claims, the seconds it has left, and itself when asked to.
 * Needs, in `place`, elements marked data-claims (a <dl>), data-left, data-raw, data-reveal (a button).
 */
const MEANING = {
  token_type: "what it may be used as",
  sub: "the user",
  role: "what the user may do",
  sid: "the device it was issued to",
  ver: "rises when all access is withdrawn",
  jti: "this token",
  iss: "who issued it",
  aud: "for whom",
};
const MOMENTS = { iat: "issued", exp: "ends", auth_time: "when the password was last proved" };
const MASK = "•".repeat(24);

/** Keeps `place` up to date until it leaves the document. */
export function showToken(client, place) {
  const [claims, left, raw, reveal] = ["claims", "left", "raw", "reveal"].map((name) =>
    place.querySelector(`[data-${name}]`),
  );
  let shown = false;

  function mask(hidden) {
    shown = !hidden;
    raw.textContent = (shown && client.inspect()?.token) || MASK;
    reveal.textContent = shown ? "Hide the token" : "Show the token";
  }
  function tick() {
    const seconds = Math.max(0, Math.floor(client.inspect()?.secondsLeft ?? 0));
    left.textContent = seconds ? `${seconds} seconds` : "no time";
  }
  function update() {
    if (!place.isConnected) return stop();
    const said = client.inspect()?.claims ?? {};
    claims.replaceChildren(...Object.entries(said).map(row));
    mask(true);
    tick();
  }
  function stop() {
    clearInterval(timer);
    client.removeEventListener("change", update);
  }

  const timer = setInterval(tick, 1000);
  reveal.addEventListener("click", () => mask(shown));
  client.addEventListener("change", update);
  update();
}

function row([name, value]) {
  const line = document.createElement("div");
  const [term, description] = [document.createElement("dt"), document.createElement("dd")];
  term.append(textIn("code", name));
  description.append(name in MOMENTS ? momentOf(value * 1000) : String(value));
  description.append(textIn("small", MOMENTS[name] ?? MEANING[name] ?? ""));
  line.append(term, description);
  return line;
}

/** <time> in the words of the other pages. */
export function momentOf(at) {
  const date = new Date(at);
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  const hour = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
  const time = textIn("time", `${day}, ${hour} UTC`);
  time.dateTime = date.toISOString();
  return time;
}

export function textIn(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}
