/**
 * Shows a notice when the browser has not kept the CSRF cookie. No form of this page can succeed without it.
 * The notice is hidden in the page, and names the cookie in `data-cookie`.
 */
const notice = document.getElementById("no-cookie");
const names = document.cookie.split("; ").map((pair) => pair.split("=")[0]);
notice.hidden = names.includes(notice.dataset.cookie);
