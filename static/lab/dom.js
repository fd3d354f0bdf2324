/** Makes elements. Text is always added as text, so that nothing shown can become markup. */

/** Makes an HTML element. `properties` are attributes, and listeners where the name begins with `on`. */
export function h(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** Makes an SVG element in the same way. */
export function s(name, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** A row of a table of class `cards`, of its name and pairs of a column's name and a value, as the templates make it. */
export function numbersRow(name, cells) {
  const values = cells.map(([column, value]) => h("td", { role: "cell", "data-column": column }, value));
  return h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, name), ...values);
}

/** Sends a form, with its CSRF token, and returns the JSON of the answer. It rejects with a sentence for the user. */
export async function submit(form, more = {}, { method = "POST", action = form.action } = {}) {
  const body = new FormData(form);
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  const response = await fetch(action, { method, body, headers: { Accept: "application/json" } }).catch(() => null);
  const answer = await response?.json().catch(() => null);
  if (!response?.ok) throw new Error(answer?.error ?? "The server cannot be reached right now.");
  return answer;
}
