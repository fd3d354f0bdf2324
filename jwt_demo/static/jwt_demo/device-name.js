/** Names a device for a list, with the names that the server's pages use. */

/** @type {Record<string, string>} The first mark that is found decides, because most browsers also name others. */
const BROWSERS = {
  "Edg": "Edge",
  "OPR/": "Opera",
  "SamsungBrowser/": "Samsung Internet",
  "Firefox/": "Firefox",
  "FxiOS/": "Firefox",
  "Chrome/": "Chrome",
  "CriOS/": "Chrome",
  "Safari/": "Safari",
  "curl/": "curl",
};

/** @type {Record<string, string>} The first mark that is found decides. */
const SYSTEMS = {
  "iPhone": "iPhone",
  "iPad": "iPad",
  "Android": "Android",
  "Windows": "Windows",
  "Mac OS X": "macOS",
  "CrOS": "ChromeOS",
  "Linux": "Linux",
};

/**
 * @param {string} userAgent The `User-Agent` header of the browser.
 * @returns {string} Such as "Firefox on Linux". For an unknown browser it is the start of `userAgent`.
 */
export function deviceName(userAgent) {
  const browser = nameIn(BROWSERS, userAgent);
  const system = nameIn(SYSTEMS, userAgent);
  const name = [browser, system].filter(Boolean).join(" on ");
  return name || userAgent.slice(0, 60) || "unknown";
}

/**
 * @param {Record<string, string>} names
 * @param {string} userAgent
 * @returns {string | undefined}
 */
function nameIn(names, userAgent) {
  const marks = Object.keys(names);
  const found = marks.find((mark) => userAgent.includes(mark));
  return found && names[found];
}
