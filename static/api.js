/** Sends the requests of a page of the browsable API, and shows each answer in the page. */
const region = find("#answer");

for (const form of document.querySelectorAll("form[data-method]")) {
  form.hidden = false;
  form.addEventListener("submit", submit);
}

/**
 * @param {string} selector
 * @returns {any} The element. Its kind depends on the template.
 */
function find(selector) {
  return document.querySelector(selector);
}

/** @param {SubmitEvent} event */
async function submit(event) {
  event.preventDefault();
  // A second press would send the request a second time.
  if (region.ariaBusy === "true") return;
  region.ariaBusy = "true";
  const form = event.currentTarget;
  const text = await answer(form.dataset.method, form.elements.body?.value).catch((error) => error.message);
  region.ariaBusy = "false";
  region.hidden = false;
  find("#answer pre").textContent = text;
  find("#answer h2").focus();
}

/**
 * @param {string} method
 * @param {string} [body]
 * @returns {Promise<string>} The answer, for the user to read.
 */
async function answer(method, body) {
  const headers = new Headers({ Accept: "application/json" });
  if (body) headers.set("Content-Type", "application/json");
  if (method !== "OPTIONS") headers.set("X-CSRFToken", await csrfToken());
  const response = await fetch(location.href, { method, headers, body: body || undefined });
  const shown = [...response.headers].filter(([name]) => ["allow", "content-type", "retry-after"].includes(name));
  const lines = shown.map(([name, value]) => `${name}: ${value}`);
  return [`HTTP ${response.status} ${response.statusText}`, ...lines, "", readable(await response.text())].join("\n");
}

/** @returns {Promise<string>} The token. A login changes it, so it is not kept. */
async function csrfToken() {
  const response = await fetch(region.dataset.root, { headers: { Accept: "application/json" } });
  return response.headers.get("X-CSRFToken") ?? "";
}

/**
 * @param {string} text
 * @returns {string}
 */
function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 4);
  } catch {
    return text;
  }
}
