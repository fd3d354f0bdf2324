/** What a device is called in a list, as the server's pages call it. The first mark that is found decides. */
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
const SYSTEMS = {
  iPhone: "iPhone",
  iPad: "iPad",
  Android: "Android",
  Windows: "Windows",
  "Mac OS X": "macOS",
  CrOS: "ChromeOS",
  Linux: "Linux",
};

export function deviceName(userAgent) {
  const found = [BROWSERS, SYSTEMS].map((marks) => marks[Object.keys(marks).find((mark) => userAgent.includes(mark))]);
  return found.filter(Boolean).join(" on ") || userAgent.slice(0, 60) || "unknown";
}
