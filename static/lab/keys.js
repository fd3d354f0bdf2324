/** Says that the run has started, because the answer to the form takes some seconds. */
const form = document.querySelector("#change");
const status = document.querySelector("#status");
const button = form.querySelector("button");
const before = status.textContent;

form.addEventListener("submit", (event) => {
  if (button.disabled) return event.preventDefault();
  button.disabled = true;
  status.hidden = false;
  status.textContent = "The keys change. The drawing comes in nine seconds.";
});

// The Back button can show this page again as the user left it, with the button disabled.
addEventListener("pageshow", () => {
  button.disabled = false;
  status.textContent = before;
  status.hidden = !before.trim();
});
