/** Closes the menu of a narrow window by Escape, as users expect of a menu. Without this, its button closes it. */
const menu = /** @type {HTMLDetailsElement | null} */ (document.querySelector(".menu"));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu?.open) return;
  menu.open = false;
  menu.querySelector("summary")?.focus();
});
