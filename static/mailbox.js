/** Shows new mails without a press of a button: for a minute, it asks whether there are any, and loads the page again. */

const status = /** @type {HTMLElement} */ (document.querySelector("#mailbox"));

/** Milliseconds. */
const PAUSE = 2000;
const QUESTIONS = 30;

let asked = 0;
status.textContent = "This page looks for new mails for a minute.";
const timer = setInterval(ask, PAUSE);

async function ask() {
  asked += 1;
  if (asked > QUESTIONS) return stop("This page no longer looks for new mails.");
  if (document.hidden) return;
  // While the server is away, the page stays as it is.
  const response = await fetch(location.href, { method: "HEAD", cache: "no-store" }).catch(() => null);
  if (!response?.ok || response.headers.get("X-Newest-Mail") === status.dataset.newest) return;
  // Someone who is reading or using the keyboard must not lose their place.
  if (document.activeElement === document.body && scrollY === 0) {
    location.replace(location.pathname);
  } else {
    stop("There are new mails.");
  }
}

/** @param {string} sentence */
function stop(sentence) {
  clearInterval(timer);
  status.textContent = sentence;
}
