/** Copies for buttons with `data-copy`: its text, or, if that is empty, the nearest code or field. They stay hidden where copying cannot work. */
import { h } from "./lab/dom.js";

for (const button of navigator.clipboard ? document.querySelectorAll("[data-copy]") : []) {
  // One place for the answer per button, beside it: it is seen there, and read out.
  const said = h("span", { class: "muted copied", "aria-live": "polite" });
  button.after(" ", said);
  button.hidden = false;
  button.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(textFor(button)).then(() => true, () => false);
    said.textContent = done ? "Copied." : "The browser did not allow copying. Select the text instead.";
  });
}

function textFor(button) {
  if (button.dataset.copy) return button.dataset.copy;
  const source = button.closest(":has(pre, textarea)").querySelector("pre, textarea");
  return source.value ?? source.textContent;
}
