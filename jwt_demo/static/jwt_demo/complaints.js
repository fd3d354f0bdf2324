/** Shows in a form what is wrong, and says in a sentence why a request failed. */
import { textIn } from "./token-view.js";

/** @typedef {import("./answers.js").ClientError} ClientError */

/**
 * Shows what is wrong above the fields of the form.
 *
 * @param {HTMLFormElement} form
 * @param {ClientError} error
 */
export function complain(form, error) {
  const box = document.createElement("div");
  const list = document.createElement("ul");
  const items = complaintItems(form, error);
  list.append(...items);
  box.append(list);
  box.className = "problem";
  box.role = "alert";
  box.tabIndex = -1;
  form.querySelector(".field")?.before(box);
  box.focus();
}

/**
 * @param {HTMLFormElement} form
 * @param {ClientError} error
 * @returns {HTMLLIElement[]} One for each field that is wrong, or one for the whole form.
 */
function complaintItems(form, error) {
  const fields = Object.entries(error.fields ?? {});
  if (fields.length > 0) return fields.map(([name, errors]) => fieldItem(form, name, errors.join(" ")));
  const sentence = failureSentence(error, form);
  return [textIn("li", sentence)];
}

/**
 * Marks the field as wrong.
 *
 * @param {HTMLFormElement} form
 * @param {string} name
 * @param {string} text
 * @returns {HTMLLIElement} It leads to the field, when the form has that field.
 */
function fieldItem(form, name, text) {
  const field = /** @type {HTMLInputElement | null} */ (form.querySelector(`[data-field="${CSS.escape(name)}"]`));
  if (!field) return textIn("li", text);
  const item = document.createElement("li");
  const label = field.labels?.[0].textContent;
  const link = textIn("a", `${label}: ${text}`);
  link.href = `#${field.id}`;
  field.closest(".field")?.classList.add("wrong");
  field.setAttribute("aria-invalid", "true");
  item.append(link);
  return item;
}

/**
 * @param {ClientError} error
 * @param {HTMLFormElement} [form] The form whose password may be wrong.
 * @returns {string}
 */
export function failureSentence({ status, message, retryAfter = 0 }, form) {
  if (status === 429) return `Too many attempts. Try again in ${Math.ceil(retryAfter / 60)} minutes.`;
  if (message !== "Invalid credentials") return message;
  if (form?.id === "login") {
    const name = form.querySelector("label").textContent.toLowerCase();
    return `This ${name} and password do not belong together.`;
  }
  return "This is not your password.";
}

/** @param {HTMLFormElement} form */
export function clearComplaints(form) {
  form.querySelector(".problem")?.remove();
  for (const part of form.querySelectorAll(".wrong")) {
    part.classList.remove("wrong");
  }
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
  }
}
