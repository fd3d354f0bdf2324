/**
 * Says so when this page's cookie did not stick: no form here can succeed without it.
 * The notice is in the page, hidden, and names the cookie in `data-cookie`.
 */
const notice = document.getElementById("no-cookie");
const names = document.cookie.split("; ").map((pair) => pair.split("=")[0]);
notice.hidden = names.includes(notice.dataset.cookie);
