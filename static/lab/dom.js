/** Makes elements; text goes in as text, so nothing that is shown can become markup. */

/** An HTML element. `properties` are attributes, but for `on…`, which are listeners; the rest are children or text. */
export function h(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** Likewise of SVG. */
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

/** Sends a form as it stands (its CSRF token with it) and gives the JSON it is answered with; rejects with a sentence. */
export async function submit(form, more = {}, { method = "POST", action = form.action } = {}) {
  const body = new FormData(form);
  for (const [name, value] of Object.entries(more)) body.set(name, value);
  const response = await fetch(action, { method, body, headers: { Accept: "application/json" } }).catch(() => null);
  const answer = await response?.json().catch(() => null);
  if (!response?.ok) throw new Error(answer?.error ?? "The server cannot be reached right now.");
  return answer;
}
