/** Fits Swagger into a page of the site: its dark theme, and one `main` in the page instead of two. */
const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", follow);
follow();

const swagger = document.querySelector("#swagger-ui");
new MutationObserver(rename).observe(swagger, { childList: true, subtree: true });

function follow() {
  document.documentElement.classList.toggle("dark-mode", dark.matches);
}

/** Swagger makes a `main` of its own, which a screen reader would offer as the content of the page. */
function rename() {
  swagger.querySelector("main:not([role])")?.setAttribute("role", "group");
}
