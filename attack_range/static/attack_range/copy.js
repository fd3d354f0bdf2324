/** Adds a button that copies each text that the user may want to paste. */

import { h } from "../lab/dom.js";

const status = document.querySelector("[data-copied]");

for (const box of document.querySelectorAll("[data-given], [data-command]")) {
  const name = box.getAttribute("aria-label");
  const copy = async () => {
    const copied = await navigator.clipboard.writeText(box.textContent).then(() => true, () => false);
    status.textContent = copied ? `Copied: ${name}` : `This browser did not copy it: ${name}`;
  };
  box.after(h("button", { class: "button quiet range-copy", type: "button", "aria-label": `Copy: ${name}`, onclick: copy }, "Copy"));
}
