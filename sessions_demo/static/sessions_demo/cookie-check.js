/**
 * Shows a notice if the browser did not keep the CSRF cookie: without it no form of this page can be sent.
 * The notice is in the page, hidden. Its `data-cookie` is the name of the cookie.
 */
const notice = document.getElementById("no-cookie");
const names = document.cookie.split("; ").map((pair) => pair.split("=")[0]);
notice.hidden = names.includes(notice.dataset.cookie);
