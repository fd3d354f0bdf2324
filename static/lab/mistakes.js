/** Runs a check without leaving the page. */
import { h, submit } from "./dom.js";

const status = document.querySelector("[data-status]");

for (const form of document.querySelectorAll("form[data-mistake]")) {
  const button = form.querySelector("button");
  const place = form.parentElement.querySelector("[data-found]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    status.textContent = "Checking …";
    try {
      const { evidence } = await submit(form, { mistake: button.value });
      place.replaceChildren(...evidence.map(row));
      const good = evidence.filter((one) => one.true).length;
      status.textContent = `${good} of ${evidence.length} checks passed.`;
    } catch (error) {
      place.replaceChildren(h("div", {}, h("dt", {}, "Not checked"), h("dd", { class: "mark no" }, error.message)));
      status.textContent = error.message;
    } finally {
      button.disabled = false;
      button.focus();
    }
  });
}

const row = ({ asked, seen, true: good }) =>
  h("div", {}, h("dt", {}, asked), h("dd", { class: `mark ${good ? "yes" : "no"}` }, seen));
